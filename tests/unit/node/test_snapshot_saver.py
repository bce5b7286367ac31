from __future__ import annotations

import errno
import os
import queue
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from eiha.engine.state_stream import read_state, write_state
from eiha.errors import CorruptFile, PlanNotSaved, StoreUnavailable
from eiha.ha.divergence import MINE, PEER
from eiha.ha.effects import FindChunks, KeepDump, RestoreSnapshot, SaveSnapshot, SendChunk, StoreChunk, TakeSnapshot
from eiha.ha.inputs import (
    ChunksFound,
    ChunkStored,
    ChunkUnreadable,
    Input,
    SnapshotFailed,
    SnapshotSaved,
    SnapshotTaken,
)
from eiha.ha.member_state import MemberState
from eiha.kernel.ids import Epoch, LinkId, LogPosition, Sequence, WallMs
from eiha.node import snapshot_cutter
from eiha.node.chunk_sender import ChunkSender
from eiha.node.forked_child import fork
from eiha.node.snapshot_cutter import FORK_BYTES_MIN, GROWTH, SnapshotCutter
from eiha.node.snapshot_saver import SnapshotSaver
from eiha.protocol.peer_messages import SnapshotChunk
from eiha.protocol.snapshot_format import Chunk, StateReader, StateWriter
from eiha.storage.divergence_dumps import DUMPS_KEPT, DivergenceDumps
from eiha.storage.packed_snapshot import read_snapshot_file
from eiha.storage.snapshot_files import SnapshotFiles

TIMEOUT_S = 30.0


def at(sequence: int) -> LogPosition:
    return LogPosition(Sequence(sequence), Epoch(1))


class ArrayEngine:
    """An engine whose state is one array; the rest of the port is not used here."""

    def __init__(self, size: int = 10) -> None:
        self.values = np.zeros(size, dtype=np.int64)
        self.hangs = False
        self.untold = ""

    def write_state(self, writer: StateWriter) -> None:
        while self.hangs:
            time.sleep(3600)
        if self.untold:
            writer.write(b"the beginning of a state")
            raise PlanNotSaved("p", self.untold)
        write_state({"values": self.values}, writer)

    def read_state(self, reader: StateReader) -> None:
        self.values = read_state(reader)["values"]


class OnceFull(SnapshotFiles):
    """The real files, on a disk that is full the first time that a chunk comes."""

    is_full = True

    def put_chunk(self, chunk: Chunk, data: bytes) -> bool:
        if self.is_full:
            self.is_full = False
            raise StoreUnavailable("the disk is full")
        return super().put_chunk(chunk, data)


class Running:
    def __init__(self, location: Path, engine: ArrayEngine | None = None, files: type[SnapshotFiles] = SnapshotFiles):
        self.answers: queue.Queue[Input] = queue.Queue()
        self.failures: queue.Queue[BaseException] = queue.Queue()
        self.waits: queue.Queue[str] = queue.Queue()
        self.said: list[tuple[str, str, str]] = []
        self.location = location
        self.engine = engine or ArrayEngine()
        times = iter(range(1, 1000))
        self.store = files(location, lambda: WallMs(next(times)))
        self.saver = SnapshotSaver(
            self.store,
            answer=self.answers.put,
            failed=self.failures.put,
            waiting=self.waits.put,
            dumps=DivergenceDumps(location),
            say=lambda *what: self.said.append(what),
        )
        self.cutter = SnapshotCutter(self.engine, self.store, self.saver, lambda *what: self.said.append(what))  # type: ignore[arg-type]
        self.saver.start()

    def cut(self, sequence: int, request: int = 1) -> None:
        self.cutter.cut(TakeSnapshot(request, at(sequence), ((Epoch(1), Sequence(1)),), MemberState()))

    def answer(self) -> Input:
        return self.answers.get(timeout=TIMEOUT_S)

    def taken(self) -> SnapshotTaken:
        answer = self.answer()
        assert isinstance(answer, SnapshotTaken), answer
        return answer

    def large(self) -> None:
        """From here on the state may be so large that a child writes it."""
        self.cutter.note_applied(FORK_BYTES_MIN)


def test_a_small_state_is_written_without_a_child_and_restores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_cutter, "fork", lambda *_: pytest.fail("a child for so little"))
    running = Running(tmp_path)
    running.engine.values[3] = 7
    running.cut(5)
    running.engine.values[3] = 8
    taken = running.taken()
    assert taken.manifest.position == at(5)
    assert running.saver.saved_sequence == 5
    facts = running.cutter.restore(RestoreSnapshot(None))
    assert (facts.position, facts.epoch_starts) == (at(5), ((Epoch(1), Sequence(1)),))
    assert running.engine.values[3] == 7
    assert running.saver.stop(TIMEOUT_S)


def test_a_large_state_is_written_by_a_child_as_it_was_while_the_engine_goes_on(tmp_path: Path) -> None:
    running = Running(tmp_path, ArrayEngine(1_000_000))
    running.engine.values[:] = np.arange(1_000_000)
    running.large()
    running.cut(5)
    running.engine.values[:] = -1
    manifest = running.taken().manifest
    assert manifest.bytes > 8_000_000
    running.cutter.restore(RestoreSnapshot(manifest))
    assert np.array_equal(running.engine.values, np.arange(1_000_000))
    assert "paused" in running.said[-1][2]
    assert running.saver.stop(TIMEOUT_S)


def test_of_the_next_snapshot_only_what_changed_is_written(tmp_path: Path) -> None:
    running = Running(tmp_path, ArrayEngine(1_000_000))
    running.engine.values[:] = np.arange(1_000_000)
    running.large()
    running.cut(5)
    running.taken()
    first = running.saver.last_bytes_written
    running.engine.values[500_000] = -1
    running.cut(6, request=2)
    running.taken()
    assert first > 8_000_000
    assert 0 < running.saver.last_bytes_written < 600_000
    assert running.saver.stop(TIMEOUT_S)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_child_that_is_killed_leaves_the_snapshot_before_and_nothing_half_written(
    tmp_path: Path, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = Running(tmp_path, ArrayEngine(1_000_000))
    running.cut(5)
    running.taken()
    children = []
    monkeypatch.setattr(snapshot_cutter, "fork", lambda work: children.append(fork(work)) or children[0])
    running.engine.values[:] = np.arange(1_000_000)
    running.large()
    running.cut(6, request=2)
    while not any(tmp_path.rglob("*.tmp")):
        time.sleep(0.001)
    os.kill(children[0].process_id, number)
    failed = running.answer()
    assert failed == SnapshotFailed(2, f"the process that wrote the snapshot was ended by {number.name}")
    assert not any(tmp_path.rglob("*.tmp"))
    newest = running.store.newest()
    assert newest is not None
    assert newest.position == at(5)
    monkeypatch.undo()
    running.cut(7, request=3)
    assert running.taken().manifest.position == at(7)
    assert running.saver.stop(TIMEOUT_S)


def test_without_a_child_a_large_state_is_written_at_once_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_work: object) -> None:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    monkeypatch.setattr(snapshot_cutter, "fork", refuse)
    running = Running(tmp_path, ArrayEngine(100_000))
    running.large()
    running.cut(5)
    assert running.taken().manifest.position == at(5)
    assert running.said[0][:2] == ("warning", "snapshot_not_forked")
    assert running.saver.stop(TIMEOUT_S)


def test_a_full_disk_fails_the_snapshot_in_the_child_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    running = Running(tmp_path, ArrayEngine(100_000))

    def full(_descriptor: int, _data: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("eiha.storage.chunk_files.write_fully", full)
    for prepare in (lambda: None, running.large):
        prepare()
        running.cut(5)
        failed = running.answer()
        assert isinstance(failed, SnapshotFailed)
        assert "make room" in failed.reason
    assert not any(path.is_file() for path in tmp_path.rglob("*"))
    assert running.failures.empty()
    assert running.saver.stop(TIMEOUT_S)


@pytest.mark.parametrize("way", ["small", "child", "no child"])
def test_a_state_that_cannot_be_told_costs_that_snapshot_only(
    tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_work: object) -> None:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    running = Running(tmp_path)
    running.cut(4)
    running.taken()
    if way != "small":
        running.large()
    if way == "no child":
        monkeypatch.setattr(snapshot_cutter, "fork", refuse)
    running.engine.untold = "ValueError: no"
    reason = "plan 'p': its state cannot be told: ValueError: no"
    running.cut(5, request=2)
    assert running.answer() == SnapshotFailed(2, reason)
    assert (running.saver.failures, running.saver.last_failure) == (1, reason)
    newest = running.store.newest()
    assert newest is not None
    assert newest.position == at(4)
    assert not any(tmp_path.rglob("*.tmp"))
    running.engine.untold = ""
    running.cut(6, request=3)
    assert running.taken().manifest.position == at(6)
    assert (running.saver.failures, running.saver.last_failure) == (1, "")
    assert running.failures.empty()
    assert running.saver.stop(TIMEOUT_S)


def test_what_grew_while_snapshots_failed_counts_for_whether_the_next_is_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    children = []
    monkeypatch.setattr(snapshot_cutter, "fork", lambda work: children.append(fork(work)) or children[-1])
    running = Running(tmp_path)
    running.engine.untold = "ValueError: no"
    for request in (1, 2, 3):
        running.cutter.note_applied(FORK_BYTES_MIN // GROWTH // 2)
        running.cut(4 + request, request)
        assert isinstance(running.answer(), SnapshotFailed)
    assert len(children) == 2, "half as much was small"
    running.engine.untold = ""
    running.cut(9, 4)
    running.taken()
    running.cut(10, 5)
    running.taken()
    assert len(children) == 3, "what was written is small"
    assert running.saver.stop(TIMEOUT_S)


def test_a_node_that_ends_does_not_wait_for_its_child(tmp_path: Path) -> None:
    running = Running(tmp_path)
    running.engine.hangs = True
    running.large()
    running.cut(5)
    assert running.saver.stop(TIMEOUT_S)


def test_the_peers_snapshot_does_not_wait_for_a_child(tmp_path: Path) -> None:
    active, joiner = Running(tmp_path / "a"), Running(tmp_path / "b")
    active.cut(9)
    manifest = active.taken().manifest
    joiner.engine.hangs = True
    joiner.large()
    joiner.cut(5)
    joiner.saver.put(FindChunks(3, manifest))
    assert isinstance(joiner.answer(), SnapshotFailed)
    assert isinstance(joiner.answer(), ChunksFound)
    assert active.saver.stop(TIMEOUT_S)
    assert joiner.saver.stop(TIMEOUT_S)


@pytest.mark.parametrize("files", [SnapshotFiles, OnceFull])
def test_what_the_peer_sends_is_stored_saved_and_restored(tmp_path: Path, files: type[SnapshotFiles]) -> None:
    active = Running(tmp_path / "a", ArrayEngine(200_000))
    active.engine.values[:] = np.arange(200_000)
    active.cut(9)
    manifest = active.taken().manifest
    joiner = Running(tmp_path / "b", files=files)
    joiner.saver.put(FindChunks(3, manifest))
    found = joiner.answer()
    assert found == ChunksFound(3, tuple(range(len(manifest.chunks))))
    sent: queue.Queue[SnapshotChunk] = queue.Queue()
    sender = ChunkSender(active.store, send=lambda _link, chunk: sent.put(chunk), answer=active.answers.put)
    sender.start()
    for index, chunk in enumerate(manifest.chunks):
        sender.put(SendChunk(LinkId(1), 3, index, chunk))
        message = sent.get(timeout=TIMEOUT_S)
        joiner.saver.put(StoreChunk(3, index, chunk, message.data))
        assert joiner.answer() == ChunkStored(3, index, sound=True)
    joiner.saver.put(SaveSnapshot(manifest))
    assert joiner.answer() == SnapshotSaved(at(9))
    joiner.cutter.restore(RestoreSnapshot(manifest))
    assert np.array_equal(joiner.engine.values, np.arange(200_000))
    assert joiner.waits.qsize() == (1 if files is OnceFull else 0)
    for part in (active.saver, joiner.saver, sender):
        assert part.stop(TIMEOUT_S)


def test_a_chunk_that_is_damaged_on_the_way_is_told_apart(tmp_path: Path) -> None:
    active, joiner = Running(tmp_path / "a"), Running(tmp_path / "b")
    active.cut(9)
    manifest = active.taken().manifest
    joiner.saver.put(FindChunks(3, manifest))
    joiner.answer()
    joiner.saver.put(StoreChunk(3, 0, manifest.chunks[0], b"something else"))
    assert joiner.answer() == ChunkStored(3, 0, sound=False)
    assert active.saver.stop(TIMEOUT_S)
    assert joiner.saver.stop(TIMEOUT_S)


def test_a_chunk_that_is_damaged_on_the_disk_of_the_sender_is_not_sent(tmp_path: Path) -> None:
    active = Running(tmp_path)
    active.cut(9)
    manifest = active.taken().manifest
    chunk = manifest.chunks[-1]
    (path,) = tmp_path.rglob(chunk.name.hex())
    path.write_bytes(b"damaged")
    sender = ChunkSender(active.store, send=lambda *_: pytest.fail("sent"), answer=active.answers.put)
    sender.start()
    sender.put(SendChunk(LinkId(1), 3, 0, chunk))
    told = active.answer()
    assert isinstance(told, ChunkUnreadable)
    assert told.transfer == 3
    assert sender.stop(TIMEOUT_S)
    assert active.saver.stop(TIMEOUT_S)


def test_no_snapshot_and_a_damaged_one_are_refused(tmp_path: Path) -> None:
    running = Running(tmp_path)
    with pytest.raises(CorruptFile, match="no valid snapshot"):
        running.cutter.restore(RestoreSnapshot(None))
    running.cut(5)
    manifest = running.taken().manifest
    (path,) = tmp_path.rglob(manifest.chunks[-1].name.hex())
    path.unlink()
    with pytest.raises(CorruptFile, match="not there"):
        running.cutter.restore(RestoreSnapshot(manifest))
    assert running.saver.stop(TIMEOUT_S)


def test_both_states_are_kept_side_by_side_and_need_no_other_file(tmp_path: Path) -> None:
    running = Running(tmp_path)
    running.engine.values[3] = 7
    running.cut(7)
    manifest = running.taken().manifest
    for side in (MINE, PEER):
        running.saver.put(KeepDump(Sequence(7), side, manifest))
    running.cut(8, request=2)
    running.taken()
    assert [event for _, event, _ in running.said].count("state_dumped") == 2
    assert running.said[-2][2].endswith(f"state after entry 7 is kept in {tmp_path}/divergence/7/{PEER}")
    for side in (MINE, PEER):
        found, engine = read_snapshot_file(tmp_path / "divergence" / "7" / side)
        assert found == manifest
        assert read_state(engine)["values"][3] == 7
    assert running.saver.stop(TIMEOUT_S)


def test_a_wrong_state_is_kept_for_comparison_and_is_nothing_to_start_from(tmp_path: Path) -> None:
    running = Running(tmp_path)
    running.cut(7)
    right = running.taken().manifest
    running.engine.values[3] = 7
    running.cut(8, request=2)
    wrong = running.taken().manifest
    running.saver.put(KeepDump(Sequence(8), MINE, wrong, withdraw=True))
    assert running.saver.stop(TIMEOUT_S)
    found, _ = read_snapshot_file(tmp_path / "divergence" / "8" / MINE)
    assert found == wrong
    assert running.store.newest() == right


def test_the_oldest_dumps_give_way_and_that_is_told(tmp_path: Path) -> None:
    running = Running(tmp_path)
    running.cut(7)
    manifest = running.taken().manifest
    for sequence in range(1, DUMPS_KEPT + 2):
        running.saver.put(KeepDump(Sequence(sequence), MINE, manifest))
    assert running.saver.stop(TIMEOUT_S)
    assert running.said[-1][1:] == ("dump_deleted", f"{tmp_path}/divergence/1 gave way to newer dumps")
    assert sorted(each.name for each in (tmp_path / "divergence").iterdir()) == ["2", "3", "4", "5"]


def test_a_dump_that_cannot_be_kept_is_told_and_nothing_else_suffers(tmp_path: Path) -> None:
    (tmp_path / "divergence").write_text("in the way")
    running = Running(tmp_path)
    running.cut(7)
    running.saver.put(KeepDump(Sequence(7), MINE, running.taken().manifest))
    running.cut(8, request=2)
    assert running.taken().manifest.position == at(8)
    assert ("error", "dump_lost") in [each[:2] for each in running.said]
    assert running.saver.stop(TIMEOUT_S)


KILLED_WRITER = """
import sys
from pathlib import Path
import numpy as np
from tests.unit.node.test_snapshot_saver import ArrayEngine, Running
running = Running(Path(sys.argv[1]), ArrayEngine(1_000_000))
for number in range(1, 1_000):
    running.engine.values[:] = number * np.arange(1_000_000)
    running.large()
    running.cut(number, request=number)
    running.taken()
    print(number, flush=True)
"""


@pytest.mark.parametrize("moment", ["the node alone", "its child first"])
def test_a_node_killed_in_the_middle_of_a_snapshot_starts_from_the_one_before(tmp_path: Path, moment: str) -> None:
    command = [sys.executable, "-c", KILLED_WRITER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as node:
        assert node.stdout is not None
        saved = int(node.stdout.readline())
        while not any(tmp_path.rglob("*.tmp")):
            time.sleep(0.0005)
        if moment == "its child first":
            for children in Path(f"/proc/{node.pid}/task").glob("*/children"):
                for child in children.read_text().split():
                    os.kill(int(child), signal.SIGKILL)
        node.kill()
        saved = max([saved, *map(int, node.stdout.read().split())])
    files = SnapshotFiles(tmp_path, lambda: WallMs(9_999))
    files.remove_unfinished()
    assert not any(tmp_path.rglob("*.tmp"))
    newest = files.newest()
    assert newest is not None
    assert newest.position.sequence in (saved, saved + 1)
    assert files.damaged == []
    again = Running(tmp_path)
    again.cutter.restore(RestoreSnapshot(None))
    assert again.engine.values[1] == newest.position.sequence
    assert again.saver.stop(TIMEOUT_S)
