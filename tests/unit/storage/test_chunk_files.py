from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from eiha.errors import CorruptFile, StoreUnavailable
from eiha.protocol.snapshot_format import Chunk, chunk_name
from eiha.storage import chunk_files
from eiha.storage.chunk_files import BATCH_CHUNKS, ChunkFiles


def chunk(data: bytes) -> Chunk:
    return Chunk(chunk_name(data), len(data))


def file_of(root: Path, data: bytes) -> Path:
    (path,) = root.rglob(chunk_name(data).hex())
    return path


def filled(root: Path, *contents: bytes) -> ChunkFiles:
    files = ChunkFiles(root)
    for data in contents:
        files.put(chunk(data), data)
    files.sync()
    return files


def test_what_was_put_can_be_read_under_its_name(tmp_path: Path) -> None:
    files = filled(tmp_path / "chunks", b"one", b"two")
    assert files.read(chunk(b"one")) == b"one"
    assert files.names() == {chunk_name(b"one"), chunk_name(b"two")}
    assert files.bytes_written == 6
    assert files.is_sound(chunk(b"two"))
    assert not files.is_sound(chunk(b"three"))


def test_equal_content_is_written_once(tmp_path: Path) -> None:
    filled(tmp_path, b"one")
    again = filled(tmp_path, b"one", b"two", b"two")
    assert again.bytes_written == 3


@pytest.mark.parametrize("left", [b"", b"on", b"0ne", b"one more"])
def test_a_file_that_does_not_hold_what_its_name_says_is_written_anew(tmp_path: Path, left: bytes) -> None:
    filled(tmp_path, b"one")
    file_of(tmp_path, b"one").write_bytes(left)
    with pytest.raises(CorruptFile, match="checksum"):
        ChunkFiles(tmp_path).read(chunk(b"one"))
    assert filled(tmp_path, b"one").read(chunk(b"one")) == b"one"


def test_a_chunk_has_its_name_only_once_it_is_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[str] = []
    real = os.fdatasync

    def note(descriptor: int) -> None:
        flushed.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", note)
    files = ChunkFiles(tmp_path)
    contents = [str(number).encode() for number in range(BATCH_CHUNKS)]
    for data in contents[:-1]:
        files.put(chunk(data), data)
    assert files.names() == frozenset()
    files.put(chunk(contents[-1]), contents[-1])
    assert files.names() == {chunk_name(data) for data in contents}
    assert len(flushed) == BATCH_CHUNKS
    assert all(name.endswith(".tmp") for name in flushed)


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = filled(tmp_path, b"one")

    def full(descriptor: int, data: bytes) -> None:
        os.write(descriptor, data[:1])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(chunk_files, "write_fully", full)
    with pytest.raises(StoreUnavailable):
        files.put(chunk(b"two"), b"two")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [chunk_name(b"one").hex()]
    monkeypatch.undo()
    files.put(chunk(b"two"), b"two")
    files.sync()
    assert files.read(chunk(b"two")) == b"two"


def test_what_nothing_needs_goes_and_what_is_needed_stays(tmp_path: Path) -> None:
    files = filled(tmp_path, b"one", b"two", b"three")
    assert files.remove_all_but({chunk_name(b"two")}) == 2
    assert files.names() == {chunk_name(b"two")}


def test_what_a_process_left_half_written_can_be_told_apart_and_goes(tmp_path: Path) -> None:
    files = filled(tmp_path, b"one")
    directory = file_of(tmp_path, b"one").parent
    (directory / "ab.12-1.tmp").write_bytes(b"x")
    (directory / "ab.13-1.tmp").write_bytes(b"x")
    files.remove_unfinished_of(12)
    assert sorted(path.name for path in directory.glob("*.tmp")) == ["ab.13-1.tmp"]
    assert files.remove_unfinished() == 1
    assert files.read(chunk(b"one")) == b"one"


def test_an_empty_place_holds_nothing(tmp_path: Path) -> None:
    files = ChunkFiles(tmp_path / "not there")
    assert files.names() == frozenset()
    assert files.remove_all_but(()) == 0
    with pytest.raises(CorruptFile, match="not there"):
        files.read(chunk(b"one"))
