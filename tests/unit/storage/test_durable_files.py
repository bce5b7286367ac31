from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from eiha.errors import StorageError, StoreUnavailable
from eiha.storage.durable_files import make_directory, remove_unfinished, replace_durably, storage_error


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    replace_durably(path, [b"old"])
    replace_durably(path, [b"new", memoryview(b" content")])
    assert path.read_bytes() == b"new content"
    assert list(tmp_path.iterdir()) == [path]


def test_the_content_is_on_disk_before_the_name_and_the_name_before_the_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def watched_fsync(descriptor: int) -> None:
        steps.append("directory" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "content")  # noqa: PTH112
        fsync(descriptor)

    def watched_rename(self: Path, target: Path) -> Path:
        steps.append("rename")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(Path, "rename", watched_rename)
    replace_durably(tmp_path / "file", [b"x"])
    assert steps == ["content", "rename", "directory"]


def test_a_failed_replacement_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    replace_durably(path, [b"old"])

    def failing(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing)
        with pytest.raises(StorageError, match="file"):
            replace_durably(path, [b"new"])
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_may_be_retried_and_others_may_not(tmp_path: Path) -> None:
    for number in (errno.ENOSPC, errno.EDQUOT):
        assert isinstance(storage_error(OSError(number, "x"), "cannot write", tmp_path), StoreUnavailable)
    assert not isinstance(storage_error(OSError(errno.EIO, "x"), "cannot write", tmp_path), StoreUnavailable)


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot create directory"):
        make_directory(tmp_path / "file" / "inside")


def test_unfinished_files_are_cleared(tmp_path: Path) -> None:
    (tmp_path / "a.tmp").write_text("half")
    (tmp_path / "b").write_text("whole")
    assert remove_unfinished(tmp_path) == (tmp_path / "a.tmp",)
    assert [p.name for p in tmp_path.iterdir()] == ["b"]
