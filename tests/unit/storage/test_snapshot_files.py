from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from eiha.errors import CorruptFile, StoreUnavailable
from eiha.kernel.ids import Epoch, LogPosition, Sequence, WallMs
from eiha.protocol.snapshot_format import SnapshotContent, encode_snapshot
from eiha.storage import durable_files
from eiha.storage.snapshot_files import SnapshotFiles


def at(sequence: int, epoch: int = 1) -> LogPosition:
    return LogPosition(Sequence(sequence), Epoch(epoch))


def snapshot(position: LogPosition, state: bytes = b"engine state " * 20) -> bytes:
    return encode_snapshot(SnapshotContent(position, ((Epoch(1), Sequence(1)),), b"member", state))


def ticking(start: int = 1000) -> Callable[[], WallMs]:
    times = iter(range(start, start + 1000))
    return lambda: WallMs(next(times))


def save(files: SnapshotFiles, *positions: LogPosition) -> None:
    for position in positions:
        files.save(position, snapshot(position))


def names(root: Path) -> list[str]:
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())


def test_the_newest_comes_back_whole_with_its_facts(tmp_path: Path) -> None:
    files = SnapshotFiles(tmp_path, ticking())
    assert files.newest() is None
    save(files, at(5), at(9))
    found = files.newest()
    assert found is not None
    facts, content = found
    assert (facts.position, facts.member_state) == (at(9), b"member")
    assert facts.epoch_starts == ((Epoch(1), Sequence(1)),)
    assert content == snapshot(at(9))


def test_files_are_named_as_the_predecessors_did_and_the_newest_two_are_kept(tmp_path: Path) -> None:
    save(SnapshotFiles(tmp_path, ticking()), at(1), at(2), at(3), at(4))
    assert names(tmp_path) == ["-1234/node/1002_node", "-1234/node/1003_node"]


def test_a_clock_that_jumped_back_does_not_make_an_old_snapshot_the_newest(tmp_path: Path) -> None:
    times = iter([9000, 100, 100])
    files = SnapshotFiles(tmp_path, lambda: WallMs(next(times)))
    save(files, at(5), at(9), at(12))
    found = SnapshotFiles(tmp_path, ticking()).newest()
    assert found is not None
    assert found[0].position == at(12)


def test_a_later_epoch_wins_over_a_longer_log(tmp_path: Path) -> None:
    files = SnapshotFiles(tmp_path, ticking())
    save(files, at(1000, epoch=3), at(500, epoch=4))
    found = files.newest()
    assert found is not None
    assert found[0].position == at(500, 4)


@pytest.mark.parametrize("cut", [0, 1, 40, 100, 150, -1])
def test_a_truncated_newest_falls_back_to_the_one_before_and_is_reported(tmp_path: Path, cut: int) -> None:
    save(SnapshotFiles(tmp_path, ticking()), at(5), at(9))
    newest = tmp_path / "-1234/node/1001_node"
    whole = newest.read_bytes()
    newest.write_bytes(whole[:cut])
    files = SnapshotFiles(tmp_path, ticking())
    found = files.newest()
    assert found is not None
    assert found[0].position == at(5)
    assert [d.path for d in files.damaged] == [newest]


def test_no_damaged_byte_is_ever_returned(tmp_path: Path) -> None:
    save(SnapshotFiles(tmp_path, ticking()), at(5), at(9))
    newest = tmp_path / "-1234/node/1001_node"
    whole = newest.read_bytes()
    for offset in range(len(whole)):
        damaged = bytearray(whole)
        damaged[offset] ^= 0x40
        newest.write_bytes(damaged)
        files = SnapshotFiles(tmp_path, ticking())
        found = files.newest()
        assert found is not None
        assert found[0].position == at(5), offset
        assert len(files.damaged) == 1


def test_bytes_after_the_end_are_damage_too(tmp_path: Path) -> None:
    save(SnapshotFiles(tmp_path, ticking()), at(5), at(9))
    newest = tmp_path / "-1234/node/1001_node"
    newest.write_bytes(newest.read_bytes() + b"x")
    found = SnapshotFiles(tmp_path, ticking()).newest()
    assert found is not None
    assert found[0].position == at(5)


def test_a_damaged_file_does_not_push_a_good_one_out(tmp_path: Path) -> None:
    save(SnapshotFiles(tmp_path, ticking()), at(5), at(9))
    (tmp_path / "-1234/node/1001_node").write_bytes(b"gone")
    files = SnapshotFiles(tmp_path, ticking(2000))
    save(files, at(12))
    (tmp_path / "-1234/node/2000_node").write_bytes(b"gone too")
    found = files.newest()
    assert found is not None
    assert found[0].position == at(5)


def test_content_that_is_no_snapshot_of_that_position_is_refused(tmp_path: Path) -> None:
    files = SnapshotFiles(tmp_path, ticking())
    with pytest.raises(CorruptFile, match="cut at"):
        files.save(at(5), snapshot(at(6)))
    with pytest.raises(CorruptFile):
        files.save(at(5), b"whatever")
    assert names(tmp_path) == []


def test_a_full_disk_leaves_the_older_snapshots_and_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = SnapshotFiles(tmp_path, ticking())
    save(files, at(5))

    def half_then_full(descriptor: int, data: memoryview) -> None:
        os.write(descriptor, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(durable_files, "write_fully", half_then_full)
    with pytest.raises(StoreUnavailable):
        save(files, at(9))
    assert names(tmp_path) == ["-1234/node/1000_node"]


def test_what_a_crash_left_half_written_is_ignored_and_cleared(tmp_path: Path) -> None:
    files = SnapshotFiles(tmp_path, ticking())
    save(files, at(5))
    leftover = tmp_path / "-1234/node/999_node.tmp"
    leftover.write_bytes(snapshot(at(99))[:50])
    found = files.newest()
    assert found is not None
    assert found[0].position == at(5)
    save(files, at(6))
    assert not leftover.exists()


def test_the_positions_kept_are_told_newest_first(tmp_path: Path) -> None:
    files = SnapshotFiles(tmp_path, ticking())
    save(files, at(1), at(2), at(3))
    assert files.positions() == (at(3), at(2))
