"""Messages ⇄ bytes by a table: one row a message, one codec a field, both directions from the same row.

A message of type t is the msgpack list of its fields in the order of its row. Fields are only ever added by a new
protocol version, which is agreed on before any message is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from dataclasses import fields as dataclass_fields
from typing import Any, Generic, TypeVar

from eiha.errors import MalformedFrame
from eiha.protocol import fields
from eiha.protocol.limits import ARRAY_ITEMS_MAX, NUMBER_MAX

M = TypeVar("M")


@dataclass(frozen=True, slots=True)
class FieldCodec:
    """``to_wire(value)`` gives msgpack-ready parts; ``from_wire(parts, what)`` the value, or ``MalformedFrame``."""

    to_wire: Callable[[Any], Any]
    from_wire: Callable[[Any, str], Any]


@dataclass(frozen=True, slots=True)
class MessageSpec:
    """One row: the frame type number, the dataclass, a codec for each of its fields in order.

    ``items_max`` bounds every list inside the message.
    """

    number: int
    message: type[Any]
    codecs: tuple[FieldCodec, ...]
    items_max: int = ARRAY_ITEMS_MAX


@dataclass(frozen=True, slots=True)
class _Reader:
    """What decoding a message takes: for each field how to read it, and its name for complaints."""

    message: type[Any]
    title: str
    items_max: int
    parts: tuple[tuple[Callable[[Any, str], Any], str], ...]


@dataclass(frozen=True, slots=True)
class _Writer:
    """What encoding a message takes: each field's name and form."""

    number: int
    parts: tuple[tuple[str, Callable[[Any], Any]], ...]


@dataclass(frozen=True, slots=True)
class QuickForm:
    """Both directions of a message that every event needs, written out; the row of the table remains what it means.

    ``to_wire(message)`` gives what the row gives. ``from_wire(parts)`` gives the message, or None if anything about the
    parts is not as it should be: the row then says what.
    """

    to_wire: Callable[[Any], Any]
    from_wire: Callable[[list[Any]], Any]


class MessageTable(Generic[M]):
    """A closed set of messages. Every row is checked against its dataclass when the table is built.

    ``quick``: by message, what spares going through its row field by field.
    """

    def __init__(
        self, name: str, specs: tuple[MessageSpec, ...], quick: Mapping[type[Any], QuickForm] | None = None
    ) -> None:
        self.name = name
        self.specs = specs
        self.quick = dict(quick or {})
        self._quick_readers: dict[int, Callable[[list[Any]], Any]] = {}
        self._quick_writers: dict[type[Any], tuple[int, Callable[[Any], Any]]] = {}
        self._readers: dict[int, _Reader] = {}
        self._writers: dict[type[Any], _Writer] = {}
        for spec in specs:
            names = tuple(field.name for field in dataclass_fields(spec.message))
            assert len(names) == len(spec.codecs), spec.message
            assert 0 < spec.number < 256, spec.message
            assert spec.number not in self._readers, spec.message
            assert spec.message not in self._writers, spec.message
            title = spec.message.__name__
            self._readers[spec.number] = _Reader(
                spec.message,
                title,
                spec.items_max,
                tuple((codec.from_wire, f"{title}.{name}") for codec, name in zip(spec.codecs, names, strict=True)),
            )
            self._writers[spec.message] = _Writer(
                spec.number, tuple((name, codec.to_wire) for codec, name in zip(spec.codecs, names, strict=True))
            )
        for message, form in self.quick.items():
            number = self._writers[message].number
            self._quick_readers[number] = form.from_wire
            self._quick_writers[message] = (number, form.to_wire)

    def encode(self, message: M) -> tuple[int, bytes]:
        """The frame type and body of ``message``, which must be of the table."""
        quick = self._quick_writers.get(type(message))
        if quick is not None:
            return quick[0], fields.pack(quick[1](message))
        writer = self._writers[type(message)]
        parts = [
            getattr(message, name) if to_wire is _same else to_wire(getattr(message, name))
            for name, to_wire in writer.parts
        ]
        return writer.number, fields.pack(parts)

    def decode(self, type_: int, body: fields.Buffer) -> M:
        """The message in ``body``.

        Raises:
            MalformedFrame: unknown type, or a field is missing, of the wrong type or out of bounds.
        """
        reader = self._readers.get(type_)
        if reader is None:
            raise MalformedFrame(f"type {type_} is no {self.name} message")
        title = reader.title
        parts = fields.record(fields.unpack(body, title, items_max=reader.items_max), title, len(reader.parts))
        quick = self._quick_readers.get(type_)
        if quick is not None:
            found: M | None = quick(parts)
            if found is not None:
                return found
        values = [from_wire(part, what) for (from_wire, what), part in zip(reader.parts, parts, strict=True)]
        message: M = reader.message(*values)
        return message


def _same(value: Any) -> Any:
    return value


def integer_field(low: int = 0, high: int = NUMBER_MAX) -> FieldCodec:
    """A whole number from ``low`` to ``high``."""
    return FieldCodec(_same, lambda value, what: fields.integer(value, what, low, high))


def text_field(length_max: int) -> FieldCodec:
    """A text; longer ones are cut when sent and refused when received."""
    return FieldCodec(lambda value: value[:length_max], lambda value, what: fields.text(value, what, length_max))


def binary_field(length_max: int) -> FieldCodec:
    """Bytes of at most ``length_max``."""
    return FieldCodec(_same, lambda value, what: fields.binary(value, what, length_max))


def optional_field(inner: FieldCodec) -> FieldCodec:
    """None or the inner field."""
    return FieldCodec(
        lambda value: None if value is None else inner.to_wire(value),
        lambda value, what: None if value is None else inner.from_wire(value, what),
    )


def list_field(inner: FieldCodec) -> FieldCodec:
    """A tuple of the inner field."""
    return FieldCodec(
        lambda value: [inner.to_wire(item) for item in value],
        lambda value, what: tuple([inner.from_wire(item, what) for item in fields.sequence(value, what)]),
    )


def pair_field(first: FieldCodec, second: FieldCodec) -> FieldCodec:
    """A tuple of two."""

    def from_wire(value: Any, what: str) -> tuple[Any, Any]:
        left, right = fields.record(value, what, 2)
        return first.from_wire(left, what), second.from_wire(right, what)

    return FieldCodec(lambda value: (first.to_wire(value[0]), second.to_wire(value[1])), from_wire)


NUMBER = integer_field()
NAME = FieldCodec(_same, fields.name)
FLAG = FieldCodec(_same, fields.boolean)
