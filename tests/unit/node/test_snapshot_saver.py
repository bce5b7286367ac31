from __future__ import annotations

import queue
from pathlib import Path

from eiha.errors import CorruptFile, StoreUnavailable
from eiha.ha.effects import SaveSnapshot
from eiha.ha.inputs import SnapshotSaved
from eiha.kernel.ids import Epoch, LogPosition, Sequence
from eiha.node.snapshot_saver import SnapshotSaver
from eiha.node.system_clock import read_clocks
from eiha.ports import SnapshotStore
from eiha.protocol.snapshot_format import SnapshotContent, encode_snapshot
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
    def __init__(self, store: SnapshotStore) -> None:
        self.saved: queue.Queue[SnapshotSaved] = queue.Queue()
        self.failures: queue.Queue[BaseException] = queue.Queue()
        self.waits: queue.Queue[str] = queue.Queue()
        self.saver = SnapshotSaver(store, saved=self.saved.put, failed=self.failures.put, waiting=self.waits.put)
        self.saver.start()


def test_a_snapshot_is_saved_and_is_the_newest_then(tmp_path: Path) -> None:
    running = Running(SnapshotFiles(tmp_path, lambda: read_clocks().wall_ms))
    assert running.saver.newest() is None
    for sequence in (3, 5):
        running.saver.put(SaveSnapshot(at(sequence), content(sequence)))
        assert running.saved.get(timeout=TIMEOUT_S) == SnapshotSaved(at(sequence))
        assert running.saver.newest() == content(sequence)
    assert running.saver.saved_sequence == 5
    assert running.saver.stop(TIMEOUT_S)


def test_a_full_disk_is_said_and_tried_again(tmp_path: Path) -> None:
    running = Running(OnceFull(tmp_path, lambda: read_clocks().wall_ms))
    running.saver.put(SaveSnapshot(at(3), content(3)))
    assert running.waits.get(timeout=TIMEOUT_S) == "the disk is full"
    assert running.saved.get(timeout=TIMEOUT_S) == SnapshotSaved(at(3))
    assert running.saver.stop(TIMEOUT_S)


def test_content_of_another_position_ends_the_thread_and_is_reported(tmp_path: Path) -> None:
    running = Running(SnapshotFiles(tmp_path, lambda: read_clocks().wall_ms))
    running.saver.put(SaveSnapshot(at(4), content(3)))
    assert isinstance(running.failures.get(timeout=TIMEOUT_S), CorruptFile)
