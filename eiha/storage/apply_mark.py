"""How far the engine of this disk came without harm, in a small file that is mapped into memory.

Written after each entry, for the price of a store to memory; the kernel keeps it when the process is killed. After a
crash of the machine it may be older than the truth: entries are then tried once more, which costs time only.

::

    file = magic 8 bytes b"EIHAMRK1" · identity of the disk 16 bytes (blake2b) · applied through i64
"""

from __future__ import annotations

import mmap
import os
import struct
from hashlib import blake2b
from pathlib import Path
from typing import Final

from eiha.kernel.ids import BEFORE_FIRST, Incarnation, Sequence
from eiha.storage.durable_files import make_directory, storage_error

MARK_FILE: Final = "applied"
_MAGIC: Final = b"EIHAMRK1"
_IDENTITY_BYTES: Final = 16
_NUMBER: Final = struct.Struct("<q")
_OFFSET: Final = len(_MAGIC) + _IDENTITY_BYTES
_SIZE: Final = _OFFSET + _NUMBER.size


class ApplyMark:
    """A number that only grows, for one identity of the disk.

    Args:
        directory: where the file lies; made if it is not there.
        incarnation: of the disk; a file of another one says nothing, and is begun anew.

    Raises:
        StorageError: the file cannot be used.
    """

    __slots__ = ("_map", "_numbers", "applied_before")

    def __init__(self, directory: Path, incarnation: Incarnation) -> None:
        make_directory(directory)
        path = directory / MARK_FILE
        header = _MAGIC + blake2b(incarnation.encode(), digest_size=_IDENTITY_BYTES).digest()
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
            try:
                found = os.read(descriptor, _SIZE)
                is_ours = len(found) == _SIZE and found.startswith(header)
                before = _NUMBER.unpack_from(found, _OFFSET)[0] if is_ours else 0
                if not is_ours:
                    os.ftruncate(descriptor, 0)
                    os.pwrite(descriptor, header + _NUMBER.pack(0), 0)
                self._map = mmap.mmap(descriptor, _SIZE)
            finally:
                os.close(descriptor)
        except OSError as cause:
            raise storage_error(cause, "cannot use", path) from cause
        self.applied_before = Sequence(max(BEFORE_FIRST, before))
        """What the file said when it was opened."""
        self._numbers = memoryview(self._map)[_OFFSET:].cast("q")

    def reached(self, sequence: Sequence) -> None:
        """The engine applied everything through ``sequence``."""
        if sequence > self._numbers[0]:
            self._numbers[0] = sequence
