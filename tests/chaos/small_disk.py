"""A file system of a few MiB, mounted in memory, that can be filled to the last byte."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path
from typing import Final

_BALLAST: Final = "ballast"
_PIECE: Final = bytes(65_536)


class SmallDiskMissing(RuntimeError):
    """It cannot be mounted here; the text says why."""


class SmallDisk:
    """One file system at ``path``.

    Args:
        path: where it is mounted; made if missing.
        size_mib: its size.
    """

    def __init__(self, path: Path, size_mib: int) -> None:
        self.path = path
        self._size_mib = size_mib

    def mount(self) -> None:
        """Mount it. Raises ``SmallDiskMissing``."""
        if os.geteuid() != 0:
            raise SmallDiskMissing("mounting a file system needs root")
        self.path.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={self._size_mib}m", "eiha-small-disk", str(self.path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SmallDiskMissing(f"mount refused: {done.stderr.strip()}")

    def fill(self) -> int:
        """Write until nothing more goes in; how many bytes that took."""
        written = 0
        descriptor = os.open(self.path / _BALLAST, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            piece = memoryview(_PIECE)
            while piece:
                try:
                    written += os.write(descriptor, piece)
                except OSError as full:
                    if full.errno != errno.ENOSPC:
                        raise
                    piece = piece[: len(piece) // 2]
        finally:
            os.close(descriptor)
        return written

    def make_room(self) -> None:
        """Take away what ``fill`` wrote."""
        (self.path / _BALLAST).unlink(missing_ok=True)

    def unmount(self) -> None:
        """Take it away; nothing may use it any more."""
        subprocess.run(["umount", "--lazy", str(self.path)], check=True, capture_output=True)
