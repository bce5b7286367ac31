"""Files that are either wholly there or not there, also after the power went.

A rename is durable only once its directory is synced; a name that appears before its content is would be worse
than no file. Everything in ``storage`` that replaces a file goes through here.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from eiha.errors import StorageError, StoreUnavailable

TEMPORARY_SUFFIX: Final = ".tmp"
"""Ending of a file that was not finished; whoever owns the directory may delete it."""

_NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


def storage_error(cause: OSError, doing: str, path: Path) -> StorageError:
    """The typed error for an ``OSError``: a full disk may be retried (``StoreUnavailable``), others may not."""
    text = f"{doing} {path}: {cause.strerror or cause}"
    if cause.errno in _NO_SPACE:
        return StoreUnavailable(f"{text}; make room on that disk, nothing that was written before is harmed")
    return StorageError(text)


def make_directory(path: Path) -> None:
    """Create ``path`` and its parents durably. Raises ``StorageError``."""
    missing: list[Path] = []
    current = path
    while not current.exists():
        missing.append(current)
        current = current.parent
    try:
        path.mkdir(parents=True, exist_ok=True)
        for directory in missing:
            sync_directory(directory.parent)
    except OSError as cause:
        raise storage_error(cause, "cannot create directory", path) from cause


def sync_directory(path: Path) -> None:
    """Make the names in ``path`` durable. Raises ``OSError``."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_fully(descriptor: int, data: bytes | memoryview) -> None:
    """Write all of ``data``; a short write is continued. Raises ``OSError``."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def write_fully_at(descriptor: int, data: bytes | memoryview, offset: int) -> None:
    """Write all of ``data`` at ``offset``; a short write is continued. Raises ``OSError``."""
    written = os.pwrite(descriptor, data, offset)
    while written < len(data):
        written += os.pwrite(descriptor, memoryview(data)[written:], offset + written)


def replace_durably(path: Path, parts: Iterable[bytes | memoryview]) -> None:
    """Make ``path`` hold ``parts``: tmp, fsync, rename, directory fsync. On any failure the old file is untouched.

    Raises:
        StoreUnavailable: the disk is full.
        StorageError: the operating system refused for another reason.
    """
    temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
        try:
            for part in parts:
                write_fully(descriptor, part)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.rename(path)
        sync_directory(path.parent)
    except OSError as cause:
        temporary.unlink(missing_ok=True)
        raise storage_error(cause, "cannot write", path) from cause
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def remove_unfinished(directory: Path) -> tuple[Path, ...]:
    """Delete what a crash left half written in ``directory``; returns what it was. Raises ``StorageError``."""
    leftovers = tuple(sorted(directory.glob(f"*{TEMPORARY_SUFFIX}")))
    for leftover in leftovers:
        try:
            leftover.unlink(missing_ok=True)
        except OSError as cause:
            raise storage_error(cause, "cannot delete", leftover) from cause
    return leftovers
