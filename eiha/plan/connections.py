"""``@source``, ``@sink``, ``@map``, ``@distribution``, ``@async``: what a stream says of how events come and go, typed.

Nodes have receivers and stores of their own, so most of it has no effect here: it is checked, kept in the plan, and a
warning says what has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from eiha.plan.refusals import Refusals
from eiha.siddhiql.annotation_tree import Annotation
from eiha.siddhiql.diagnostics import did_you_mean

Options = tuple[tuple[str, str], ...]

_STRATEGIES: Final = ("roundRobin", "partitioned", "broadcast")
_ASYNC_NUMBERS: Final = ("buffer.size", "workers", "batch.size.max")


@dataclass(frozen=True, slots=True)
class Mapping:
    """``@map(type='json', ..., @attributes(...), @payload(...))``: how events are written or read."""

    type: str
    options: Options
    attributes: Options
    payload: Options


@dataclass(frozen=True, slots=True)
class Distribution:
    """``@distribution(strategy='roundRobin', @destination(...), ...)`` of a sink."""

    strategy: str
    options: Options
    destinations: tuple[Options, ...]


@dataclass(frozen=True, slots=True)
class Connection:
    """One ``@source`` or ``@sink`` of a stream."""

    is_sink: bool
    stream: str
    type: str
    options: Options
    mapping: Mapping | None
    distribution: Distribution | None


@dataclass(frozen=True, slots=True)
class Buffering:
    """``@async(buffer.size='64', workers='2', batch.size.max='10')`` of a stream."""

    stream: str
    buffer_size: int | None
    workers: int | None
    batch_size_max: int | None


def bind_connection(stream: str, note: Annotation, refusals: Refusals) -> Connection:
    """The ``@source`` or ``@sink`` that ``note`` writes."""
    mapping: Mapping | None = None
    distribution: Distribution | None = None
    for inner in note.annotations:
        match inner.name.lower():
            case "map":
                mapping = _mapping(inner, refusals)
            case "distribution":
                distribution = _distribution(inner, refusals)
            case _:
                known = ("map", "distribution")
                message = f"@{note.name} holds {', '.join(f'@{each}' for each in known)}, not @{inner.name}"
                refusals.refuse(inner.span, message + did_you_mean(inner.name, known))
    type_ = _type_of(note, refusals)
    return Connection(note.name.lower() == "sink", stream, type_, _options(note, {"type"}), mapping, distribution)


def bind_buffering(stream: str, note: Annotation, refusals: Refusals) -> Buffering:
    """The ``@async`` that ``note`` writes."""
    numbers: dict[str, int | None] = {}
    for key in _ASYNC_NUMBERS:
        text = note.value(key)
        if text is not None and not (text.isascii() and text.isdigit() and 0 < int(text) < 2**31):
            refusals.refuse(note.span, f"@async: {key} is a number above 0, not {text!r}")
        numbers[key] = None if text is None else int(text)
    size = numbers["buffer.size"]
    if size is not None and size & (size - 1):
        refusals.refuse(note.span, f"@async: buffer.size is a power of 2, not {size}")
    return Buffering(stream, size, numbers["workers"], numbers["batch.size.max"])


def _mapping(note: Annotation, refusals: Refusals) -> Mapping:
    parts: dict[str, Options] = {"attributes": (), "payload": ()}
    for inner in note.annotations:
        name = inner.name.lower()
        if name not in parts:
            message = f"@map holds @attributes and @payload, not @{inner.name}"
            refusals.refuse(inner.span, message + did_you_mean(name, parts))
        parts[name] = _options(inner, set())
    return Mapping(_type_of(note, refusals), _options(note, {"type"}), parts["attributes"], parts["payload"])


def _distribution(note: Annotation, refusals: Refusals) -> Distribution:
    strategy = note.value("strategy")
    if strategy not in _STRATEGIES:
        message = f"a distribution's strategy is one of {', '.join(_STRATEGIES)}, not {strategy!r}"
        refusals.refuse(note.span, message + did_you_mean(strategy or "", _STRATEGIES))
    destinations = tuple(_options(inner, set()) for inner in note.annotations if inner.name.lower() == "destination")
    if not destinations:
        refusals.refuse(note.span, "a distribution needs at least one @destination")
    return Distribution(strategy, _options(note, {"strategy"}), destinations)


def _type_of(note: Annotation, refusals: Refusals) -> str:
    type_ = note.value("type")
    if not type_:
        refusals.refuse(note.span, f"@{note.name} needs a type, e.g. @{note.name}(type='...')")
    return type_


def _options(note: Annotation, without: Sequence[str] | set[str]) -> Options:
    return tuple(
        (element.key or "", element.value) for element in note.elements if (element.key or "").lower() not in without
    )
