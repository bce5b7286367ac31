"""Engine state as bytes: msgpack-plain sections, arrays as extension values, a format version and a checksum.

::

    content = magic (4 bytes) | format version u16 | blake2b-128 of the rest | msgpack

Equal states give equal bytes: maps keep the order in which the runtime builds them, arrays are little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final

import msgpack
import numpy as np

from eiha.errors import CorruptFile

MAGIC: Final = b"EENG"
FORMAT_VERSION: Final = 3
DIGEST_BYTES: Final = 16

_HEADER: Final = struct.Struct(f"<4sH{DIGEST_BYTES}s")
_ARRAY: Final = 1
_SET: Final = 2
_BIG_INTEGER: Final = 3


def encode_state(state: dict[str, Any]) -> bytes:
    """The bytes of ``state``: plain values, lists, dicts, NumPy arrays without objects, frozen sets."""
    body = _pack(state)
    return _HEADER.pack(MAGIC, FORMAT_VERSION, _digest(body)) + body


def decode_state(content: bytes) -> dict[str, Any]:
    """The state in ``content``; arrays are writable.

    Raises:
        CorruptFile: not such bytes, another format version, or a checksum that does not fit.
    """
    if len(content) < _HEADER.size:
        raise CorruptFile(f"an engine state has at least {_HEADER.size} bytes, this has {len(content)}")
    magic, version, digest = _HEADER.unpack_from(content)
    if magic != MAGIC:
        raise CorruptFile("this is not an engine state: it does not begin with EENG")
    if version != FORMAT_VERSION:
        raise CorruptFile(f"an engine state of format version {version}; this build reads {FORMAT_VERSION}")
    body = content[_HEADER.size :]
    if _digest(body) != digest:
        raise CorruptFile("the engine state fails its checksum")
    try:
        state = msgpack.unpackb(body, raw=False, strict_map_key=False, ext_hook=unpack_extension)
    except (ValueError, TypeError, msgpack.UnpackException) as cause:
        raise CorruptFile(f"the engine state does not decode: {cause}") from cause
    if not isinstance(state, dict):
        raise CorruptFile("an engine state must be a map")
    return state


def state_digest(state: dict[str, Any]) -> bytes:
    """16 bytes that are equal iff the states are."""
    return _digest(_pack(state))


def packed(value: Any) -> bytes:
    """The bytes of one value of a state."""
    return _pack(value)


def _digest(body: bytes) -> bytes:
    return blake2b(body, digest_size=DIGEST_BYTES).digest()


def _pack(value: Any) -> bytes:
    packed: bytes = msgpack.packb(value, use_bin_type=True, default=pack_value)
    return packed


def pack_value(value: Any) -> Any:
    """What stands for a value that msgpack does not know."""
    match value:
        case np.ndarray():
            assert value.ndim == 1
            assert value.dtype != np.object_
            little = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<"))
            return msgpack.ExtType(_ARRAY, _pack([value.dtype.newbyteorder("<").str, little.tobytes()]))
        case frozenset():
            # a set has no order of its own: by bytes, so that equal sets have equal bytes
            return msgpack.ExtType(_SET, b"".join(sorted(_pack(each) for each in value)))
        case np.generic():
            # interpreted kernels give NumPy scalars where compiled ones give plain numbers
            return value.item()
        case Sequence():
            return list(value)
        case int():
            return msgpack.ExtType(_BIG_INTEGER, str(value).encode())
        case _:
            raise TypeError(f"{type(value).__name__} cannot be part of a state")


def unpack_extension(code: int, data: bytes) -> Any:
    """The value of an extension of this format."""
    match code:
        case 1:
            dtype, raw = msgpack.unpackb(data, raw=False)
            return np.frombuffer(raw, dtype=np.dtype(dtype)).astype(np.dtype(dtype).newbyteorder("="))
        case 2:
            unpacker = msgpack.Unpacker(raw=False, strict_map_key=False, ext_hook=unpack_extension)
            unpacker.feed(data)
            return frozenset(_hashable(each) for each in unpacker)
        case 3:
            return int(data)
        case _:
            raise ValueError(f"unknown extension {code}")


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
