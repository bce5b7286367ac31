"""Engine state as a stream: written and read a piece at a time, arrays straight from and into their memory.

::

    stream   = magic (4 bytes) | format version u16 | blocks of the skeleton | arrays | b"END."
    block    = length u32 | so many bytes of the skeleton; a length of 0 ends them
    skeleton = msgpack of the state, large arrays replaced by [dtype, length]
    arrays   = the content of those arrays, in the order in which the skeleton names them

Where a block or an array is large the writer is told that a new chunk may begin there, so that a change in one of them
leaves the bytes of the others in the chunks that they had. Equal states give equal streams.
"""

from __future__ import annotations

import struct
import sys
from itertools import islice
from typing import Any, Final

import msgpack
import numpy as np
import numpy.typing as npt

from eiha.engine.snapshot import pack_value, unpack_extension
from eiha.errors import CorruptFile
from eiha.protocol.snapshot_format import StateReader, StateWriter

MAGIC: Final = b"ESTR"
FORMAT_VERSION: Final = 3
END: Final = b"END."

APART_BYTES: Final = 4 << 10
"""Arrays from this size on stand behind the skeleton; smaller ones in it."""

CHUNK_BYTES_MIN: Final = 64 << 10
"""Arrays and blocks from this size on begin and end chunks of their own: smaller ones would make too many files."""

BLOCK_ITEMS: Final = 8_192
"""Items of a long list, or of a large map, that are packed at a time: what a block costs in memory."""

_PREFIX: Final = struct.Struct("<4sH")
_LENGTH: Final = struct.Struct("<I")
_ARRAY_APART: Final = 4
_BLOCK_BYTES_MAX: Final = 64 << 20
_READ_BYTES: Final = 1 << 16


def write_state(state: dict[str, Any], writer: StateWriter) -> None:
    """Write ``state``: plain values, lists, dicts, NumPy arrays without objects, frozen sets."""
    writer.write(_PREFIX.pack(MAGIC, FORMAT_VERSION))
    skeleton = _Skeleton(writer)
    skeleton.add(state)
    skeleton.end()
    arrays = skeleton.arrays
    arrays.reverse()
    while arrays:
        _write_array(arrays.pop(), writer)
    writer.write(END)
    writer.cut()


def read_state(reader: StateReader) -> dict[str, Any]:
    """The state in ``reader``, to its end; arrays are writable.

    Raises:
        CorruptFile: not such bytes, or another format version.
    """
    magic, version = _PREFIX.unpack(reader.read(_PREFIX.size))
    if magic != MAGIC:
        raise CorruptFile("this is not an engine state: it does not begin with ESTR")
    if version != FORMAT_VERSION:
        raise CorruptFile(f"an engine state of format version {version}; this build reads {FORMAT_VERSION}")
    places = _Places(reader.remaining)
    try:
        unpacker = msgpack.Unpacker(
            _Blocks(reader),
            read_size=_READ_BYTES,
            raw=False,
            strict_map_key=False,
            ext_hook=places.unpack,
            max_buffer_size=0,
        )
        state = unpacker.unpack()
        if unpacker.read_bytes(1):
            raise CorruptFile("the engine state has more than one skeleton")
    except (ValueError, TypeError, msgpack.UnpackException) as cause:
        raise CorruptFile(f"the engine state does not decode: {cause}") from cause
    if not isinstance(state, dict):
        raise CorruptFile("an engine state must be a map")
    for array in places.arrays:
        reader.read_into(array.view(np.uint8).data)
        if sys.byteorder == "big":
            array.byteswap(inplace=True)
    if reader.read(len(END)) != END or reader.remaining:
        raise CorruptFile("the engine state does not end where it should")
    return state


class _Skeleton:
    """Packs values block by block and keeps the arrays that stand apart."""

    def __init__(self, writer: StateWriter) -> None:
        self._writer = writer
        self._buffer = bytearray()
        self._packer = msgpack.Packer(use_bin_type=True, default=self._extension)
        self.arrays: list[npt.NDArray[Any]] = []

    def add(self, value: Any) -> None:
        match value:
            case dict() if len(value) <= BLOCK_ITEMS:
                self._buffer += self._packer.pack_map_header(len(value))
                for key, each in value.items():
                    self._buffer += self._packer.pack(key)
                    self.add(each)
            case list() | tuple() if len(value) <= BLOCK_ITEMS and any(_may_be_large(each) for each in value):
                self._buffer += self._packer.pack_array_header(len(value))
                for each in value:
                    self.add(each)
            case dict():
                self._buffer += self._packer.pack_map_header(len(value))
                self._add_blocks(each for pair in value.items() for each in pair)
            case list() | tuple() if len(value) > BLOCK_ITEMS:
                self._buffer += self._packer.pack_array_header(len(value))
                self._add_blocks(iter(value))
            case _:
                self._buffer += self._packer.pack(value)

    def _add_blocks(self, values: Any) -> None:
        self._flush()
        while part := list(islice(values, BLOCK_ITEMS)):
            for each in part:
                self._buffer += self._packer.pack(each)
                if len(self._buffer) > _BLOCK_BYTES_MAX:
                    self._flush()
            self._flush()

    def end(self) -> None:
        self._flush()
        self._writer.write(_LENGTH.pack(0))

    def _flush(self) -> None:
        if not self._buffer:
            return
        is_large = len(self._buffer) >= CHUNK_BYTES_MIN
        if is_large:
            self._writer.cut()
        self._writer.write(_LENGTH.pack(len(self._buffer)))
        self._writer.write(bytes(self._buffer))
        if is_large:
            self._writer.cut()
        self._buffer.clear()

    def _extension(self, value: Any) -> Any:
        if isinstance(value, np.ndarray) and value.nbytes >= APART_BYTES:
            assert value.ndim == 1
            assert value.dtype != np.object_
            self.arrays.append(value)
            return msgpack.ExtType(_ARRAY_APART, msgpack.packb([value.dtype.newbyteorder("<").str, len(value)]))
        return pack_value(value)


def _may_be_large(value: Any) -> bool:
    return isinstance(value, (dict, list, tuple)) and len(value) > 0


def _write_array(array: npt.NDArray[Any], writer: StateWriter) -> None:
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    is_large = little.nbytes >= CHUNK_BYTES_MIN
    if is_large:
        writer.cut()
    writer.write(little.view(np.uint8).data)
    if is_large:
        writer.cut()


class _Blocks:
    """The skeleton's bytes as a file."""

    def __init__(self, reader: StateReader) -> None:
        self._reader = reader
        self._left = 0
        self._ended = False

    def read(self, size: int) -> bytes:
        if not self._left and not self._ended:
            (self._left,) = _LENGTH.unpack(self._reader.read(_LENGTH.size))
            self._ended = self._left == 0
        taken = min(size, self._left)
        self._left -= taken
        return self._reader.read(taken) if taken else b""


class _Places:
    """Makes room for the arrays that the skeleton names; no more than there are bytes."""

    def __init__(self, room: int) -> None:
        self._room = room
        self.arrays: list[npt.NDArray[Any]] = []

    def unpack(self, code: int, data: bytes) -> Any:
        if code != _ARRAY_APART:
            return unpack_extension(code, data)
        name, length = msgpack.unpackb(data, raw=False)
        dtype = np.dtype(name)
        self._room -= dtype.itemsize * length
        if dtype.hasobject or not dtype.itemsize or length < 0 or self._room < 0:
            raise ValueError(f"an array of {length} {name} cannot be")
        array = np.empty(length, dtype=dtype.newbyteorder("="))
        self.arrays.append(array)
        return array
