from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from collections.abc import Sequence as Seq
from pathlib import Path

import pytest

from eiha.errors import StorageError, StoreUnavailable
from eiha.ha.effects import Persist, RememberWitness, ResetLog, TrimLog, TruncateLog
from eiha.kernel.ids import Epoch, LogPosition, LogTimeMs, Sequence
from eiha.node.log_writer import LogWriter
from eiha.protocol.entry_codec import encode_entry
from eiha.protocol.log_entry import LogEntry, TimeTick
from eiha.storage.log_segments import SEGMENT_BYTES_MAX, LogSegments

TIMEOUT_S = 10.0


def entry(sequence: int) -> LogEntry:
    made = LogEntry(Epoch(1), Sequence(sequence), LogTimeMs(sequence), TimeTick())
    return LogEntry(made.epoch, made.sequence, made.log_time_ms, made.body, encode_entry(made))


def position(sequence: int) -> LogPosition:
    return LogPosition(Sequence(sequence), Epoch(1))


class FaultyLog(LogSegments):
    """The real log, with a disk that is full or broken for some calls, and a record of what was asked."""

    __slots__ = (
        "append_faults",
        "appended",
        "change_faults",
        "flush_faults",
        "flushes",
        "syncs",
        "trim_faults",
        "trim_goes_on",
        "trimmed",
    )

    def __init__(self, directory: Path, segment_bytes_max: int) -> None:
        super().__init__(directory, segment_bytes_max=segment_bytes_max)
        self.trim_faults: list[Exception] = []
        self.trim_goes_on = threading.Event()
        self.trim_goes_on.set()
        self.trimmed = threading.Event()
        self.append_faults: list[Exception] = []
        self.change_faults: list[Exception] = []
        self.appended: list[int] = []
        self.syncs = 0
        self.flushes = 0
        self.flush_faults: list[Exception] = []

    def append(self, entries: Seq[LogEntry]) -> None:
        if self.append_faults:
            raise self.append_faults.pop(0)
        super().append(entries)
        self.appended.append(len(entries))

    def truncate_after(self, last: LogPosition) -> None:
        if self.change_faults:
            raise self.change_faults.pop(0)
        super().truncate_after(last)

    def reset(self, start: LogPosition) -> None:
        if self.change_faults:
            raise self.change_faults.pop(0)
        super().reset(start)

    def begin_trim(self, sequence: Sequence) -> Callable[[], Iterator[None]] | None:
        delete = super().begin_trim(sequence)

        def held() -> Iterator[None]:
            self.trim_goes_on.wait(TIMEOUT_S)
            if self.trim_faults:
                raise self.trim_faults.pop(0)
            if delete is not None:
                yield from delete()
            self.trimmed.set()

        return held

    def sync(self) -> None:
        super().sync()
        self.syncs += 1

    def begin_flush(self) -> Callable[[], None]:
        flush = super().begin_flush()

        def counted() -> None:
            flush()
            if self.flush_faults:
                raise self.flush_faults.pop(0)
            self.flushes += 1

        return counted


class Running:
    """A log writer and what it said."""

    def __init__(self, store: FaultyLog, fsync: str) -> None:
        self.store = store
        self.persisted: queue.Queue[LogPosition] = queue.Queue()
        self.failures: queue.Queue[BaseException] = queue.Queue()
        self.waits: queue.Queue[str] = queue.Queue()
        self.remembered: list[int] = []
        self.writer = LogWriter(
            store,
            self.remembered.append,
            fsync=fsync,
            fsync_interval_s=0.01,
            persisted=self.persisted.put,
            failed=self.failures.put,
            waiting=self.waits.put,
        )

    def wait_for(self, sequence: int) -> None:
        while self.persisted.get(timeout=TIMEOUT_S).sequence < sequence:
            pass


Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    made: list[Running] = []

    def begin(
        fsync: str = "off",
        faults: Seq[Exception] = (),
        before: Seq[object] = (),
        change_faults: Seq[Exception] = (),
        segment_bytes_max: int = SEGMENT_BYTES_MAX,
    ) -> Running:
        store = FaultyLog(tmp_path / "log", segment_bytes_max)
        store.open()
        store.append_faults = list(faults)
        store.change_faults = list(change_faults)
        running = Running(store, fsync)
        for work in before:
            running.writer.put(work)  # type: ignore[arg-type]
        running.writer.start()
        made.append(running)
        return running

    yield begin
    for running in made:
        assert running.writer.stop(TIMEOUT_S)


def reopened(tmp_path: Path) -> list[int]:
    store = LogSegments(tmp_path / "log")
    try:
        return [found.sequence for found in store.open()]
    finally:
        store.close()


def test_what_waits_together_is_one_append_and_one_answer(start: Start, tmp_path: Path) -> None:
    running = start(before=[Persist((entry(1), entry(2))), Persist((entry(3),))])
    assert running.persisted.get(timeout=TIMEOUT_S) == position(3)
    assert running.store.appended == [3]
    assert running.writer.stop(TIMEOUT_S)
    assert reopened(tmp_path) == [1, 2, 3]


def test_every_write_is_flushed_before_it_is_answered(start: Start) -> None:
    running = start("every")
    for sequence in (1, 2, 3):
        running.writer.put(Persist((entry(sequence),)))
        running.wait_for(sequence)
        assert running.store.syncs >= sequence


def test_the_interval_flushes_also_when_nothing_more_comes(start: Start) -> None:
    running = start("interval")
    running.writer.put(Persist((entry(1),)))
    running.wait_for(1)
    deadline = time.monotonic() + TIMEOUT_S
    while not running.store.flushes:
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_a_failed_flush_ends_the_thread_and_is_reported(start: Start) -> None:
    running = start("interval")
    running.store.flush_faults = [StorageError("the disk is gone")]
    running.writer.put(Persist((entry(1),)))
    running.wait_for(1)
    assert str(running.failures.get(timeout=TIMEOUT_S)) == "the disk is gone"


def test_off_never_flushes(start: Start) -> None:
    running = start("off")
    running.writer.put(Persist((entry(1),)))
    running.wait_for(1)
    running.writer.put(Persist((entry(2),)))
    running.wait_for(2)
    assert running.store.syncs == 0


def test_changes_of_the_log_keep_their_place_between_writes(start: Start, tmp_path: Path) -> None:
    running = start(
        before=[Persist((entry(1), entry(2))), TruncateLog(position(1)), Persist((entry(2),)), RememberWitness(7)]
    )
    running.wait_for(2)
    assert running.writer.stop(TIMEOUT_S)
    assert running.remembered == [7]
    assert reopened(tmp_path) == [1, 2]


def test_a_reset_log_starts_anew(start: Start, tmp_path: Path) -> None:
    running = start(before=[Persist((entry(1),)), ResetLog(position(10)), Persist((entry(11),))])
    running.wait_for(11)
    assert running.writer.stop(TIMEOUT_S)
    assert reopened(tmp_path) == [11]


def test_what_a_snapshot_covers_is_deleted_beside_the_writes_and_before_another_change(
    start: Start, tmp_path: Path
) -> None:
    running = start(segment_bytes_max=100)
    store = running.store
    store.trim_goes_on.clear()
    for number in range(1, 6):
        running.writer.put(Persist((entry(number),)))
        running.wait_for(number)
    running.writer.put(TrimLog(Sequence(4)))
    running.writer.put(Persist((entry(6),)))
    running.wait_for(6)
    running.writer.put(ResetLog(position(9)))
    running.writer.put(Persist((entry(10),)))
    with pytest.raises(queue.Empty):
        running.persisted.get(timeout=0.1)
    assert not store.trimmed.is_set()
    store.trim_goes_on.set()
    running.wait_for(10)
    assert store.trimmed.is_set()
    assert running.writer.stop(TIMEOUT_S)
    assert reopened(tmp_path) == [10]


def test_a_node_that_ends_has_deleted_what_it_let_go_of(start: Start, tmp_path: Path) -> None:
    running = start(segment_bytes_max=100)
    for number in range(1, 6):
        running.writer.put(Persist((entry(number),)))
        running.wait_for(number)
    running.writer.put(TrimLog(Sequence(4)))
    assert running.writer.stop(TIMEOUT_S)
    assert reopened(tmp_path) == [5]


def test_a_deletion_that_fails_ends_the_thread_and_is_reported(start: Start) -> None:
    running = start()
    running.store.trim_faults.append(StorageError("cannot delete"))
    running.writer.put(Persist((entry(1),)))
    running.writer.put(TrimLog(Sequence(1)))
    assert "cannot delete" in str(running.failures.get(timeout=TIMEOUT_S))


def test_a_full_disk_is_waited_out_and_said_once(start: Start) -> None:
    full = [StoreUnavailable("the disk is full")] * 2
    running = start(faults=full, before=[Persist((entry(1),))])
    running.wait_for(1)
    assert running.waits.get(timeout=TIMEOUT_S) == "the disk is full"
    assert running.waits.get(timeout=TIMEOUT_S) == ""
    assert running.waits.empty()


@pytest.mark.parametrize("change", [TruncateLog(position(1)), ResetLog(position(1))], ids=["cut", "reset"])
def test_a_change_of_the_log_waits_for_room_too(start: Start, change: object) -> None:
    full = [StoreUnavailable("the disk is full")] * 2
    running = start(change_faults=full, before=[Persist((entry(1), entry(2))), change, Persist((entry(2),))])
    running.wait_for(2)
    running.wait_for(2)
    assert [running.waits.get(timeout=TIMEOUT_S) for _ in range(2)] == ["the disk is full", ""]
    assert running.failures.empty()


def test_a_version_of_the_witness_is_remembered_when_there_is_room(start: Start) -> None:
    running = start(before=[Persist((entry(1),))])
    full = [StoreUnavailable("the disk is full")] * 2

    def remember(version: int) -> None:
        if full:
            raise full.pop()
        running.remembered.append(version)

    running.wait_for(1)
    running.writer._remember_witness = remember
    running.writer.put(RememberWitness(7))
    running.writer.put(Persist((entry(2),)))
    running.wait_for(2)
    assert running.remembered == [7]
    assert [running.waits.get(timeout=TIMEOUT_S) for _ in range(2)] == ["the disk is full", ""]


def test_a_broken_disk_ends_the_thread_and_is_reported(start: Start) -> None:
    running = start(faults=[StorageError("broken")], before=[Persist((entry(1),))])
    assert str(running.failures.get(timeout=TIMEOUT_S)) == "broken"
    assert running.persisted.empty()


def test_a_small_append_is_written_before_the_call_returns(start: Start, tmp_path: Path) -> None:
    running = start()
    running.writer.put(Persist((entry(1),)))
    running.wait_for(1)
    wait_until_idle(running)
    assert running.writer.append(Persist((entry(2), entry(3)))) == position(3)
    assert running.store.appended == [1, 2]
    assert running.persisted.empty()
    assert running.writer.stop(TIMEOUT_S)
    assert reopened(tmp_path) == [1, 2, 3]


def test_an_append_overtakes_nothing(start: Start, tmp_path: Path) -> None:
    running = start(before=[Persist((entry(1),))])
    running.writer.append(Persist((entry(2),)))
    running.writer.append(Persist((entry(3),)))
    assert running.writer.stop(TIMEOUT_S)
    assert reopened(tmp_path) == [1, 2, 3]


@pytest.mark.parametrize(("fsync", "first"), [("every", 1), ("off", 1)])
def test_what_needs_a_flush_or_a_new_segment_is_for_the_thread(start: Start, fsync: str, first: int) -> None:
    running = start(fsync)
    assert running.writer.append(Persist((entry(first),))) is None
    running.wait_for(first)


def test_a_slow_append_sends_the_next_ones_to_the_thread(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    running = start()
    running.writer.put(Persist((entry(1),)))
    running.wait_for(1)
    wait_until_idle(running)
    monkeypatch.setattr("eiha.node.log_writer.AT_ONCE_SLOW_S", 0.0)
    assert running.writer.append(Persist((entry(2),))) == position(2)
    assert running.writer.append(Persist((entry(3),))) is None
    running.wait_for(3)


def test_a_disk_that_is_full_for_an_append_is_waited_for_by_the_thread(start: Start) -> None:
    running = start()
    running.writer.put(Persist((entry(1),)))
    running.wait_for(1)
    wait_until_idle(running)
    running.store.append_faults = [StoreUnavailable("no space"), StoreUnavailable("no space")]
    assert running.writer.append(Persist((entry(2),))) is None
    running.wait_for(2)
    assert running.waits.get(timeout=TIMEOUT_S) == "no space"


def test_a_broken_disk_is_reported_by_an_append_and_nothing_more_is_written(start: Start) -> None:
    running = start()
    running.writer.put(Persist((entry(1),)))
    running.wait_for(1)
    wait_until_idle(running)
    running.store.append_faults = [StorageError("the disk is gone")]
    assert running.writer.append(Persist((entry(2),))) is None
    assert str(running.failures.get(timeout=TIMEOUT_S)) == "the disk is gone"
    assert running.writer.append(Persist((entry(3),))) is None
    assert running.store.appended == [1]


def test_what_was_appended_at_once_is_flushed_in_time_too(start: Start) -> None:
    running = start("interval")
    running.writer.put(Persist((entry(1),)))
    running.wait_for(1)
    wait_until_idle(running)
    before = running.store.flushes
    running.writer.append(Persist((entry(2),)))
    deadline = time.monotonic() + TIMEOUT_S
    while running.store.flushes <= before:
        assert time.monotonic() < deadline
        time.sleep(0.002)


def wait_until_idle(running: Running) -> None:
    """The thread answers before it has finished its turn."""
    deadline = time.monotonic() + TIMEOUT_S
    while not running.writer.idle:
        assert time.monotonic() < deadline
        time.sleep(0.001)
