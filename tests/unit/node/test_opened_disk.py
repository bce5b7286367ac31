from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from eiha.errors import CorruptFile, DirectoryInUse
from eiha.kernel.ids import Epoch, LogPosition, LogTimeMs, Sequence
from eiha.node.config import PersistenceSection
from eiha.node.opened_disk import open_disk
from eiha.ports import SnapshotCut
from eiha.protocol.entry_codec import encode_entry
from eiha.protocol.log_entry import LogEntry, TimeTick


def entry(sequence: int) -> LogEntry:
    made = LogEntry(Epoch(1), Sequence(sequence), LogTimeMs(sequence), TimeTick())
    return replace(made, encoded=encode_entry(made))


def at(sequence: int) -> LogPosition:
    return LogPosition(Sequence(sequence), Epoch(1))


@pytest.fixture
def persistence(tmp_path: Path) -> PersistenceSection:
    return PersistenceSection(location=str(tmp_path / "node"))


def fill(persistence: PersistenceSection, *, first: int, last: int, snapshots: tuple[int, ...]) -> None:
    disk = open_disk(persistence)
    if first > 1:
        disk.log.reset(at(first - 1))
    disk.log.append([entry(sequence) for sequence in range(first, last + 1)])
    for sequence in snapshots:
        cut = SnapshotCut(at(sequence), ((Epoch(1), Sequence(1)),))
        disk.snapshots.adopt(disk.snapshots.write(cut, b"m", lambda writer: writer.write(b"e")))
    disk.log.close()


def test_an_empty_directory_holds_nothing_and_keeps_its_identity(persistence: PersistenceSection) -> None:
    disk = open_disk(persistence)
    assert (disk.entries, disk.snapshot, disk.witness_seen.version) == ((), None, 0)
    disk.log.close()
    again = open_disk(persistence)
    assert again.incarnation == disk.incarnation
    again.log.close()


def test_the_whole_log_and_the_newest_snapshot_are_given(persistence: PersistenceSection) -> None:
    fill(persistence, first=1, last=9, snapshots=(3, 6))
    disk = open_disk(persistence)
    assert disk.snapshot is not None
    assert disk.snapshot.position == at(6)
    assert [found.sequence for found in disk.entries] == list(range(1, 10))
    disk.log.close()


def test_what_a_crash_left_half_written_of_a_snapshot_is_deleted_and_said(
    persistence: PersistenceSection, caplog: pytest.LogCaptureFixture
) -> None:
    fill(persistence, first=1, last=9, snapshots=(3,))
    chunks = Path(persistence.location) / "-1234" / "chunks"
    leftovers = [Path(persistence.location) / "-1234" / "node" / "77.tmp", next(chunks.iterdir()) / "ab.77-1.tmp"]
    for leftover in leftovers:
        leftover.write_bytes(b"half")
    disk = open_disk(persistence)
    assert disk.snapshot is not None
    assert disk.snapshot.position == at(3)
    assert not any(leftover.exists() for leftover in leftovers)
    assert "2 files of a snapshot that was not finished" in caplog.text
    disk.log.close()


def test_an_empty_log_behind_the_snapshot_follows_it_and_makes_the_disk_a_new_one(
    persistence: PersistenceSection,
) -> None:
    fill(persistence, first=1, last=6, snapshots=(3, 6))
    before = open_disk(persistence)
    before.log.reset(at(9))  # a transfer began: its snapshot was never saved
    before.log.close()
    disk = open_disk(persistence)
    assert disk.snapshot is not None
    assert (disk.entries, disk.log.end, disk.snapshot.position) == ((), at(6), at(6))
    assert disk.incarnation != before.incarnation
    disk.log.append([entry(7)])
    disk.log.close()


def test_an_empty_log_that_ends_before_the_snapshot_follows_it(persistence: PersistenceSection) -> None:
    fill(persistence, first=1, last=0, snapshots=(6,))
    before = open_disk(persistence)
    before.log.close()
    disk = open_disk(persistence)
    assert (disk.entries, disk.log.end) == ((), at(6))
    assert disk.incarnation == before.incarnation
    disk.log.close()


def test_what_a_killed_process_wrote_is_flushed_before_it_counts(
    persistence: PersistenceSection, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(persistence, first=1, last=3, snapshots=())
    flushed: list[int] = []
    real = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: (flushed.append(descriptor), real(descriptor))[1])
    disk = open_disk(persistence)
    assert flushed
    disk.log.close()


def test_a_damaged_identity_is_refused_and_the_lock_given_back(persistence: PersistenceSection) -> None:
    open_disk(persistence).log.close()
    identity = Path(persistence.location) / "log" / "disk-id"
    kept = identity.read_text()
    identity.write_text("not an identity")
    with pytest.raises(CorruptFile, match="disk identity"):
        open_disk(persistence)
    identity.write_text(kept)
    open_disk(persistence).log.close()


def test_a_directory_serves_one_node(persistence: PersistenceSection) -> None:
    disk = open_disk(persistence)
    with pytest.raises(DirectoryInUse, match=r"persistence\.location"):
        open_disk(persistence)
    disk.log.close()
