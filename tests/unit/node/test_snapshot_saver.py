from __future__ import annotations

import queue
from pathlib import Path

from eiha.errors import CorruptFile, StoreUnavailable
from eiha.ha.divergence import MINE, PEER
from eiha.ha.effects import KeepDump, SaveSnapshot
from eiha.ha.inputs import SnapshotSaved
from eiha.kernel.ids import Epoch, LogPosition, Sequence
from eiha.node.snapshot_saver import SnapshotSaver
from eiha.node.system_clock import read_clocks
from eiha.ports import SnapshotStore
from eiha.protocol.snapshot_format import SnapshotContent, encode_snapshot
from eiha.storage.divergence_dumps import DUMPS_KEPT, DivergenceDumps
from eiha.storage.snapshot_files import SnapshotFiles

TIMEOUT_S = 10.0


def at(sequence: int) -> LogPosition:
    return LogPosition(Sequence(sequence), Epoch(1))


def content(sequence: int) -> bytes:
    return encode_snapshot(SnapshotContent(at(sequence), (), b"m", b"e"))


class OnceFull(SnapshotFiles):
    """The real files, on a disk that is full the first time."""

    is_full = True

    def save(self, position: LogPosition, content: bytes) -> None:
        if self.is_full:
            self.is_full = False
            raise StoreUnavailable("the disk is full")
        super().save(position, content)


class Running:
    def __init__(self, store: SnapshotStore, location: Path) -> None:
        self.saved: queue.Queue[SnapshotSaved] = queue.Queue()
        self.failures: queue.Queue[BaseException] = queue.Queue()
        self.waits: queue.Queue[str] = queue.Queue()
        self.told: queue.Queue[tuple[str, str, str]] = queue.Queue()
        self.saver = SnapshotSaver(
            store,
            saved=self.saved.put,
            failed=self.failures.put,
            waiting=self.waits.put,
            dumps=DivergenceDumps(location),
            told=lambda level, event, text: self.told.put((level, event, text)),
        )
        self.saver.start()


def test_a_snapshot_is_saved_and_is_the_newest_then(tmp_path: Path) -> None:
    running = Running(SnapshotFiles(tmp_path, lambda: read_clocks().wall_ms), tmp_path)
    assert running.saver.newest() is None
    for sequence in (3, 5):
        running.saver.put(SaveSnapshot(at(sequence), content(sequence)))
        assert running.saved.get(timeout=TIMEOUT_S) == SnapshotSaved(at(sequence))
        assert running.saver.newest() == content(sequence)
    assert running.saver.saved_sequence == 5
    assert running.saver.stop(TIMEOUT_S)


def test_a_full_disk_is_said_and_tried_again(tmp_path: Path) -> None:
    running = Running(OnceFull(tmp_path, lambda: read_clocks().wall_ms), tmp_path)
    running.saver.put(SaveSnapshot(at(3), content(3)))
    assert running.waits.get(timeout=TIMEOUT_S) == "the disk is full"
    assert running.saved.get(timeout=TIMEOUT_S) == SnapshotSaved(at(3))
    assert running.saver.stop(TIMEOUT_S)


def test_content_of_another_position_ends_the_thread_and_is_reported(tmp_path: Path) -> None:
    running = Running(SnapshotFiles(tmp_path, lambda: read_clocks().wall_ms), tmp_path)
    running.saver.put(SaveSnapshot(at(4), content(3)))
    assert isinstance(running.failures.get(timeout=TIMEOUT_S), CorruptFile)


def test_both_states_are_kept_side_by_side_and_are_no_snapshots(tmp_path: Path) -> None:
    running = Running(SnapshotFiles(tmp_path, lambda: read_clocks().wall_ms), tmp_path)
    for side in (MINE, PEER):
        running.saver.put(KeepDump(Sequence(7), side, at(7), content(7)))
        level, event, text = running.told.get(timeout=TIMEOUT_S)
        assert (level, event) == ("warning", "state_dumped")
        assert text.endswith(f"state after entry 7 is kept in {tmp_path}/divergence/7/{side}")
        assert (tmp_path / "divergence" / "7" / side).read_bytes() == content(7)
    assert running.saver.newest() is None
    assert running.saver.stop(TIMEOUT_S)


def test_the_oldest_dumps_give_way_and_that_is_told(tmp_path: Path) -> None:
    running = Running(SnapshotFiles(tmp_path, lambda: read_clocks().wall_ms), tmp_path)
    for sequence in range(1, DUMPS_KEPT + 2):
        running.saver.put(KeepDump(Sequence(sequence), MINE, at(sequence), content(sequence)))
        assert running.told.get(timeout=TIMEOUT_S)[1] == "state_dumped"
    assert running.told.get(timeout=TIMEOUT_S)[1:] == (
        "dump_deleted",
        f"{tmp_path}/divergence/1 gave way to newer dumps",
    )
    assert sorted(each.name for each in (tmp_path / "divergence").iterdir()) == ["2", "3", "4", "5"]
    assert running.saver.stop(TIMEOUT_S)


def test_a_dump_that_cannot_be_kept_is_told_and_nothing_else_suffers(tmp_path: Path) -> None:
    (tmp_path / "divergence").write_text("in the way")
    running = Running(SnapshotFiles(tmp_path, lambda: read_clocks().wall_ms), tmp_path)
    running.saver.put(KeepDump(Sequence(7), MINE, at(7), content(7)))
    assert running.told.get(timeout=TIMEOUT_S)[:2] == ("error", "dump_lost")
    running.saver.put(SaveSnapshot(at(8), content(8)))
    assert running.saved.get(timeout=TIMEOUT_S) == SnapshotSaved(at(8))
    assert running.saver.stop(TIMEOUT_S)
