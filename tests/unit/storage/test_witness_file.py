"""The arbiter's file: what was promised is there, what was interrupted is not, what is damaged is refused."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from eiha.errors import CorruptFile, DirectoryInUse, StorageError, StoreUnavailable
from eiha.kernel.ids import Epoch, Incarnation, NodeId
from eiha.protocol.peer_messages import PeerIdentity
from eiha.protocol.witness_messages import RowChange, WitnessRow
from eiha.storage.witness_file import HEADER_BYTES, WitnessFile

A = PeerIdentity(NodeId("node1"), Incarnation("disk"))


def change(version: int, cluster: str = "c") -> RowChange:
    row = WitnessRow(cluster, Epoch(version), A.node, A.incarnation, (A,), version, f"v{version}")
    return RowChange(cluster, version.to_bytes(16, "big"), version - 1 or None, 1_000 + version, row)


CHANGES = tuple(change(version) for version in range(1, 5))


def write(directory: Path, changes: tuple[RowChange, ...] = CHANGES) -> Path:
    file = WitnessFile(directory)
    file.open()
    for each in changes:
        file.append(each)
    file.close()
    return file.path


def read(directory: Path) -> tuple[tuple[RowChange, ...], str]:
    file = WitnessFile(directory)
    try:
        return file.open(), file.dropped
    finally:
        file.close()


def test_changes_come_back_in_their_order(tmp_path: Path) -> None:
    write(tmp_path)
    assert read(tmp_path) == (CHANGES, "")


def test_a_new_directory_is_an_empty_file(tmp_path: Path) -> None:
    assert read(tmp_path / "deep" / "er") == ((), "")


def test_a_write_that_was_interrupted_anywhere_is_dropped_and_the_file_goes_on(tmp_path: Path) -> None:
    path = write(tmp_path)
    whole = path.read_bytes()
    size = len(write(tmp_path / "three", CHANGES[:3]).read_bytes())
    for end in range(size + 1, len(whole)):
        path.write_bytes(whole[:end])
        file = WitnessFile(tmp_path)
        assert file.open() == CHANGES[:3], end
        assert f"{end - size} bytes" in file.dropped
        file.append(CHANGES[3])
        file.close()
        assert path.read_bytes() == whole


def test_sectors_that_were_never_written_are_dropped(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_bytes(path.read_bytes() + bytes(512))
    changes, dropped = read(tmp_path)
    assert changes == CHANGES
    assert "512 bytes" in dropped


def test_a_flipped_bit_anywhere_is_never_taken_for_a_change(tmp_path: Path) -> None:
    path = write(tmp_path)
    whole = path.read_bytes()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises(CorruptFile, match="is damaged at byte"):
            read(tmp_path)


def test_a_change_that_is_missing_in_the_middle_is_noticed(tmp_path: Path) -> None:
    path = write(tmp_path)
    whole = path.read_bytes()
    first = len(write(tmp_path / "one", CHANGES[:1]).read_bytes())
    second = len(write(tmp_path / "two", CHANGES[:2]).read_bytes())
    path.write_bytes(whole[:first] + whole[second:])
    with pytest.raises(CorruptFile, match="change 3 stands where change 2 should"):
        read(tmp_path)


@pytest.mark.parametrize("data", [b"", b"EIHALOG1" + bytes(20), b"x" * HEADER_BYTES])
def test_a_file_of_something_else_is_refused(tmp_path: Path, data: bytes) -> None:
    path = write(tmp_path)
    path.write_bytes(data)
    with pytest.raises(CorruptFile, match="does not begin with EIHAWIT1"):
        read(tmp_path)


def test_a_second_arbiter_on_the_directory_is_refused(tmp_path: Path) -> None:
    file = WitnessFile(tmp_path)
    with pytest.raises(DirectoryInUse, match=r"give every arbiter its own arbiter\.directory"):
        WitnessFile(tmp_path)
    file.close()
    WitnessFile(tmp_path).close()


def test_every_change_is_flushed_before_append_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = WitnessFile(tmp_path)
    file.open()
    flushed: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: flushed.append(os.fstat(descriptor).st_size))
    file.append(CHANGES[0])
    assert flushed == [file.path.stat().st_size]
    file.close()


def test_what_a_killed_arbiter_had_written_is_flushed_before_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = write(tmp_path).stat().st_size
    flushed: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: flushed.append(os.fstat(descriptor).st_size))
    assert read(tmp_path) == (CHANGES, "")
    assert flushed == [size]


def test_after_a_failed_flush_the_file_refuses_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = WitnessFile(tmp_path)
    file.open()

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        with pytest.raises(StorageError, match="in doubt") as caught:
            file.append(CHANGES[0])
        assert not isinstance(caught.value, StoreUnavailable)
    with pytest.raises(StorageError, match="start the arbiter again"):
        file.append(CHANGES[0])
    with pytest.raises(StorageError, match="start the arbiter again"):
        file.rewrite(CHANGES)
    file.close()


def test_on_a_full_disk_the_file_is_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = WitnessFile(tmp_path)
    file.open()
    file.append(CHANGES[0])
    real = os.write

    def half(descriptor: int, data: memoryview) -> int:
        if len(data) < 50:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data[: len(data) // 2])

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", half)
        size = file.path.stat().st_size
        with pytest.raises(StoreUnavailable, match="make room"):
            file.append(CHANGES[1])
        assert file.path.stat().st_size == size
    file.append(CHANGES[1])
    file.close()
    assert read(tmp_path) == (CHANGES[:2], "")


def test_a_file_written_anew_goes_on(tmp_path: Path) -> None:
    file = WitnessFile(tmp_path)
    file.open()
    for each in CHANGES[:3]:
        file.append(each)
    before = file.path.stat().st_size
    file.rewrite(CHANGES[2:3])
    assert file.count == 1
    assert file.path.stat().st_size < before
    file.append(CHANGES[3])
    file.close()
    assert read(tmp_path) == (CHANGES[2:], "")


def test_a_full_disk_while_writing_anew_harms_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = WitnessFile(tmp_path)
    file.open()
    file.append(CHANGES[0])

    def full(descriptor: int, data: memoryview) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(StoreUnavailable):
            file.rewrite(())
    file.append(CHANGES[1])
    file.close()
    assert read(tmp_path) == (CHANGES[:2], "")


def test_a_file_that_was_replaced_but_cannot_be_used_takes_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = WitnessFile(tmp_path)
    file.open()
    real = os.open

    def no_reopen(path: Path, flags: int, mode: int = 0o777) -> int:
        if flags == os.O_RDWR:
            raise OSError(errno.EMFILE, "Too many open files")
        return real(path, flags, mode)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", no_reopen)
        with pytest.raises(StorageError, match="was replaced, but cannot be used"):
            file.rewrite(CHANGES[:1])
    with pytest.raises(StorageError, match="start the arbiter again"):
        file.append(CHANGES[1])
    file.close()
    assert read(tmp_path) == (CHANGES[:1], "")
