"""The highest witness version this node ever saw, on disk: a lower one later means that the witness went backwards."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Final

from eiha.errors import CorruptFile
from eiha.storage.durable_files import make_directory, replace_durably, storage_error

SEEN_FILE: Final = "witness-seen"
_PREFIX: Final = "eiha-witness-seen-1"


class WitnessSeen:
    """A number that only grows.

    Args:
        directory: where the file lies; made if it is not there.

    Raises:
        CorruptFile: the file is damaged.
        StorageError: it cannot be read.
    """

    __slots__ = ("_path", "_version")

    def __init__(self, directory: Path) -> None:
        make_directory(directory)
        self._path = directory / SEEN_FILE
        self._version = self._read()

    @property
    def version(self) -> int:
        """The highest version remembered; 0 before the first."""
        return self._version

    def remember(self, version: int) -> None:
        """Make ``version`` durable if it is higher than what is there. Raises ``StorageError``."""
        if version > self._version:
            body = f"{_PREFIX} {version}"
            replace_durably(self._path, [f"{body} {zlib.crc32(body.encode()):08x}\n".encode()])
            self._version = version

    def _read(self) -> int:
        try:
            text = self._path.read_bytes().decode("ascii", "replace").strip()
        except FileNotFoundError:
            return 0
        except OSError as cause:
            raise storage_error(cause, "cannot read", self._path) from cause
        body, _, checksum = text.rpartition(" ")
        prefix, _, number = body.partition(" ")
        if prefix != _PREFIX or not number.isdecimal() or f"{zlib.crc32(body.encode()):08x}" != checksum:
            raise CorruptFile(
                f"{self._path} is damaged. Make sure that the witness was not restored from a backup, "
                "then delete the file: it is made anew from the witness"
            )
        return int(number)
