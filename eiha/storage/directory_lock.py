"""One process per directory: two nodes that write one log would destroy it.

The lock is the kernel's (``flock``), so it ends with the process, however that ends; the file's text only tells a
human who holds it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import Final

from eiha.errors import DirectoryInUse
from eiha.storage.durable_files import make_directory, storage_error

LOCK_FILE: Final = "lock"


class DirectoryLock:
    """Exclusive use of a directory from construction to ``release``.

    Args:
        directory: made if it is not there.
        remedy: what to give each process of its own.

    Raises:
        DirectoryInUse: another process (or another store of this one) uses the directory; the text names it.
    """

    __slots__ = ("_descriptor", "_path")

    def __init__(self, directory: Path, remedy: str = "every node its own persistence.location") -> None:
        make_directory(directory)
        self._path = directory / LOCK_FILE
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o640)
        except OSError as cause:
            raise storage_error(cause, "cannot open lock file", self._path) from cause
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as cause:
            holder = os.pread(descriptor, 64, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise DirectoryInUse(
                f"{directory} is in use by process {holder}: give {remedy}, or stop that process first"
            ) from cause
        # the kernel holds the lock already; the text is for a human, and a full disk must not stop a start
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        """Let others have the directory. May be called again."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
