"""Typed readers for the parts of a decoded message: each returns the value as promised or raises ``MalformedFrame``.

``unpack`` is the only place where msgpack is asked to read bytes of the other side.
"""

from __future__ import annotations

from typing import Any, Final

import msgpack

from eiha.errors import MalformedFrame
from eiha.kernel.container_budget import SMALL_BYTES, container_hooks
from eiha.kernel.packing import pack as pack
from eiha.protocol.limits import ARRAY_ITEMS_MAX, NAME_LENGTH_MAX, NUMBER_MAX

Buffer = bytes | bytearray | memoryview

_NO_HOOKS: Final[dict[str, Any]] = {}


def unpack(data: Buffer, what: str, *, items_max: int = ARRAY_ITEMS_MAX) -> Any:
    """The msgpack value in ``data``.

    Lists, not tuples: CPython gets a list's items as untouched zero pages, so that a header which claims many items
    costs address space, not memory; and none may claim more items than there are bytes.

    Raises:
        MalformedFrame: not msgpack, trailing bytes, maps with other than text keys, extension types, a list of
            more than ``items_max`` items, or more lists and maps than ``container_budget`` allows.
    """
    size = len(data)
    bound = min(items_max, size)
    hooks = container_hooks(size) if size > SMALL_BYTES else _NO_HOOKS
    try:
        return msgpack.unpackb(
            data,
            raw=False,
            use_list=True,
            strict_map_key=True,
            max_ext_len=0,
            max_array_len=bound,
            max_map_len=bound,
            **hooks,
        )
    except Exception as cause:
        # msgpack raises ValueError, its own subclasses, UnpackException and UnicodeDecodeError alike
        raise MalformedFrame(f"{what} is not valid msgpack: {type(cause).__name__} {cause}") from cause


def record(value: Any, what: str, length: int) -> list[Any]:
    """A list of exactly ``length`` parts."""
    if not isinstance(value, list) or len(value) != length:
        got = f"{len(value)} parts" if isinstance(value, list) else type(value).__name__
        raise MalformedFrame(f"{what} must be a list of {length} parts, not {got}")
    return value


def sequence(value: Any, what: str) -> list[Any]:
    """A list of any length (bounded by ``unpack``)."""
    if not isinstance(value, list):
        raise MalformedFrame(f"{what} must be a list, not {type(value).__name__}")
    return value


def integer(value: Any, what: str, low: int = 0, high: int = NUMBER_MAX) -> int:
    """A whole number from ``low`` to ``high``; true and false are not numbers."""
    if type(value) is not int or not low <= value <= high:
        raise MalformedFrame(f"{what} must be a whole number from {low} to {high}, not {_shown(value)}")
    return value


def boolean(value: Any, what: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise MalformedFrame(f"{what} must be true or false, not {_shown(value)}")
    return value


def text(value: Any, what: str, length_max: int = NAME_LENGTH_MAX) -> str:
    """A text of at most ``length_max`` characters, possibly empty."""
    if not isinstance(value, str) or len(value) > length_max:
        raise MalformedFrame(f"{what} must be a text of at most {length_max} characters, not {_shown(value)}")
    return value


def name(value: Any, what: str) -> str:
    """A text of 1 to ``NAME_LENGTH_MAX`` characters."""
    if text(value, what) == "":
        raise MalformedFrame(f"{what} must not be empty")
    return str(value)


def binary(value: Any, what: str, length_max: int) -> bytes:
    """Bytes, at most ``length_max``."""
    if not isinstance(value, bytes) or len(value) > length_max:
        got = f"{len(value)} bytes" if isinstance(value, bytes) else type(value).__name__
        raise MalformedFrame(f"{what} must be at most {length_max} bytes, not {got}")
    return value


def _shown(value: Any) -> str:
    # what comes back to a sender, or into a log, is short whatever was sent
    shown = repr(value) if isinstance(value, (int, float, bool, str, type(None))) else type(value).__name__
    return shown if len(shown) <= 60 else shown[:57] + "..."
