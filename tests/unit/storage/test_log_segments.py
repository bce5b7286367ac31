"""The on-disk log against a model, and against every way its files can be hurt."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from eiha.errors import CorruptFile, StorageError, StoreUnavailable
from eiha.kernel.ids import LOG_START, Epoch, LogPosition, LogTimeMs, Sequence
from eiha.protocol.entry_codec import encode_entry
from eiha.protocol.log_entry import DeployPlan, LogEntry, TimeTick
from eiha.storage import segment_file
from eiha.storage.log_record import SEGMENT_HEADER_BYTES
from eiha.storage.log_segments import LogSegments


def entry(sequence: int, epoch: int = 1, text: str = "") -> LogEntry:
    body = DeployPlan("p", text) if text else TimeTick()
    return LogEntry(Epoch(epoch), Sequence(sequence), LogTimeMs(sequence * 10), body)


def entries(first: int, count: int, epoch: int = 1, text: str = "") -> list[LogEntry]:
    return [entry(n, epoch, text) for n in range(first, first + count)]


def position(sequence: int, epoch: int = 1) -> LogPosition:
    return LogPosition(Sequence(sequence), Epoch(epoch))


def written(directory: Path, count: int, text: str = "define stream S (a int);") -> list[LogEntry]:
    items = entries(1, count, text=text)
    log = LogSegments(directory)
    log.open()
    log.append(items)
    log.close()
    return items


def segment_paths(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.log"))


def test_what_was_appended_is_there_after_a_reopen_with_its_bytes(tmp_path: Path) -> None:
    items = written(tmp_path, 5)
    log = LogSegments(tmp_path)
    recovered = log.open()
    assert list(recovered) == items
    assert [e.encoded for e in recovered] == [encode_entry(e) for e in items]
    assert log.end == position(5)
    assert log.torn is None
    log.close()


def test_a_group_is_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = LogSegments(tmp_path)
    log.open()
    log.append(entries(1, 1))
    sizes: list[int] = []

    def counting(descriptor: int, data: bytes, offset: int) -> None:
        sizes.append(len(data))
        os.pwrite(descriptor, data, offset)

    monkeypatch.setattr(segment_file, "write_fully_at", counting)
    log.append(entries(2, 50))
    assert len(sizes) == 1
    log.close()


def test_segments_are_bounded_and_whole_ones_are_trimmed(tmp_path: Path) -> None:
    log = LogSegments(tmp_path, segment_bytes_max=300)
    log.open()
    for n in range(1, 41):
        log.append([entry(n, text="x" * 50)])
    count = len(segment_paths(tmp_path))
    assert count >= 8
    log.trim_through(Sequence(20))
    assert len(segment_paths(tmp_path)) < count
    log.close()
    recovered = LogSegments(tmp_path).open()
    assert recovered[0].sequence <= 21
    assert recovered[-1].sequence == 40


def test_segments_are_deleted_a_piece_at_a_time_while_appends_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eiha.storage.segment_file.FREED_BYTES", 100)
    log = LogSegments(tmp_path, segment_bytes_max=300)
    log.open()
    for n in range(1, 21):
        log.append([entry(n, text="x" * 50)])
    delete = log.begin_trim(Sequence(20))
    assert delete is not None
    assert log.begin_trim(Sequence(20)) is None
    before = len(segment_paths(tmp_path))
    steps = 0
    for steps, _ in enumerate(delete(), 1):
        log.append([entry(20 + steps, text="x" * 50)])
    assert steps > 2 * before
    log.close()
    recovered = LogSegments(tmp_path).open()
    assert recovered[-1].sequence == 20 + steps
    assert recovered[0].sequence > 15


def test_a_crash_while_segments_are_deleted_leaves_the_end_of_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eiha.storage.segment_file.FREED_BYTES", 100)
    log = LogSegments(tmp_path, segment_bytes_max=300)
    log.open()
    for n in range(1, 41):
        log.append([entry(n, text="x" * 50)])
    delete = log.begin_trim(Sequence(30))
    assert delete is not None
    left = [segment_paths(tmp_path)]
    for step, _ in enumerate(delete()):
        copy = tmp_path.with_name(f"crashed-{step}")
        copy.mkdir()
        for path in segment_paths(tmp_path):
            (copy / path.name).write_bytes(path.read_bytes())
        recovered = LogSegments(copy).open()
        assert [each.sequence for each in recovered] == list(range(recovered[0].sequence, 41))
        left.append(segment_paths(tmp_path))
    assert len(left[-1]) < len(left[0])
    log.close()


def test_trimming_everything_keeps_the_place_in_the_log(tmp_path: Path) -> None:
    log = LogSegments(tmp_path)
    log.open()
    log.append(entries(1, 10))
    log.trim_through(Sequence(10))
    log.append(entries(11, 1))
    assert log.end == position(11)
    log.close()


def test_cut_entries_are_kept_in_quarantine(tmp_path: Path) -> None:
    log = LogSegments(tmp_path, segment_bytes_max=200)
    log.open()
    for n in range(1, 21):
        log.append([entry(n, text="plan text")])
    log.truncate_after(position(7))
    log.append(entries(8, 2, epoch=2))
    log.close()
    recovered = LogSegments(tmp_path).open()
    assert [e.position for e in recovered] == [position(n) for n in range(1, 8)] + [position(8, 2), position(9, 2)]
    kept = LogSegments(tmp_path / "quarantine").open()
    assert [e.sequence for e in kept] == list(range(8, 21))


def test_truncating_at_an_entry_of_another_epoch_is_refused(tmp_path: Path) -> None:
    log = LogSegments(tmp_path)
    log.open()
    log.append(entries(1, 5))
    with pytest.raises(StorageError, match="does not hold"):
        log.truncate_after(position(3, epoch=2))
    log.close()
    assert len(LogSegments(tmp_path).open()) == 5


def test_the_whole_log_can_be_cut(tmp_path: Path) -> None:
    log = LogSegments(tmp_path)
    log.open()
    log.append(entries(1, 5))
    log.truncate_after(LOG_START)
    log.append(entries(1, 1, epoch=3))
    log.close()
    assert [e.position for e in LogSegments(tmp_path).open()] == [position(1, 3)]


def test_after_a_reset_the_log_goes_on_after_the_given_position(tmp_path: Path) -> None:
    log = LogSegments(tmp_path)
    log.open()
    log.append(entries(1, 5))
    log.reset(position(100, 4))
    log.close()
    log = LogSegments(tmp_path)
    assert log.open() == ()
    assert log.end == position(100, 4)
    log.append(entries(101, 1, epoch=4))
    log.close()


def test_a_second_process_cannot_use_the_directory(tmp_path: Path) -> None:
    log = LogSegments(tmp_path)
    log.open()
    with pytest.raises(StorageError, match=f"in use by process {os.getpid()}"):
        LogSegments(tmp_path).open()
    log.close()
    LogSegments(tmp_path).open()


@pytest.mark.parametrize("lost", range(1, 80, 3))
def test_a_torn_last_record_is_dropped_and_reported(tmp_path: Path, lost: int) -> None:
    items = written(tmp_path, 3)
    (path,) = segment_paths(tmp_path)
    size = path.stat().st_size
    os.truncate(path, size - lost)
    log = LogSegments(tmp_path)
    recovered = log.open()
    whole = 2 if lost <= (size - SEGMENT_HEADER_BYTES) // 3 else 1
    if lost % ((size - SEGMENT_HEADER_BYTES) // 3):
        assert list(recovered) == items[:whole]
        assert log.torn is not None
        assert log.torn.path == path
    log.append([entry(len(recovered) + 1)])
    log.close()
    assert len(LogSegments(tmp_path).open()) == len(recovered) + 1


def test_a_last_record_of_unwritten_sectors_is_torn(tmp_path: Path) -> None:
    items = written(tmp_path, 3, text="x" * 2000)
    (path,) = segment_paths(tmp_path)
    data = bytearray(path.read_bytes())
    data[-1500:] = bytes(1500)
    path.write_bytes(data)
    log = LogSegments(tmp_path)
    assert list(log.open()) == items[:2]
    assert log.torn is not None


def test_a_flipped_bit_anywhere_is_never_taken_for_data(tmp_path: Path) -> None:
    items = written(tmp_path, 3)
    (path,) = segment_paths(tmp_path)
    whole = path.read_bytes()
    for offset in range(len(whole)):
        damaged = bytearray(whole)
        damaged[offset] ^= 0x10
        path.write_bytes(damaged)
        log = LogSegments(tmp_path)
        with pytest.raises(CorruptFile) as caught:
            log.open()
        assert str(path) in str(caught.value)
        assert "byte" in str(caught.value)
        assert "move the directory" in str(caught.value)
    path.write_bytes(whole)
    assert list(LogSegments(tmp_path).open()) == items


def test_a_missing_segment_is_an_error(tmp_path: Path) -> None:
    log = LogSegments(tmp_path, segment_bytes_max=200)
    log.open()
    for n in range(1, 21):
        log.append([entry(n)])
    log.close()
    segment_paths(tmp_path)[1].unlink()
    with pytest.raises(CorruptFile, match="the segment before ends with"):
        LogSegments(tmp_path).open()


def test_a_torn_record_in_an_earlier_segment_is_damage(tmp_path: Path) -> None:
    log = LogSegments(tmp_path, segment_bytes_max=200)
    log.open()
    for n in range(1, 21):
        log.append([entry(n)])
    log.close()
    first = segment_paths(tmp_path)[0]
    os.truncate(first, first.stat().st_size - 3)
    with pytest.raises(CorruptFile, match=first.name):
        LogSegments(tmp_path).open()


@pytest.mark.parametrize("size", [0, 1, SEGMENT_HEADER_BYTES - 1])
def test_a_segment_that_was_never_begun_is_dropped(tmp_path: Path, size: int) -> None:
    items = written(tmp_path, 3)
    segment_paths(tmp_path)[0].with_name("00000000000000000004.log").write_bytes(bytes(size))
    log = LogSegments(tmp_path)
    assert list(log.open()) == items
    log.append([entry(4)])
    log.close()
    assert len(LogSegments(tmp_path).open()) == 4


def test_a_full_disk_is_told_and_harms_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = LogSegments(tmp_path)
    log.open()
    log.append(entries(1, 3))

    def half_then_full(descriptor: int, data: bytes, offset: int) -> None:
        os.pwrite(descriptor, data[: len(data) // 2], offset)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(segment_file, "write_fully_at", half_then_full)
        with pytest.raises(StoreUnavailable, match="make room"):
            log.append(entries(4, 3))
    log.append(entries(4, 1))
    log.close()
    log = LogSegments(tmp_path)
    assert [e.sequence for e in log.open()] == [1, 2, 3, 4]
    assert log.torn is None


def test_after_a_failed_flush_the_log_refuses_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = LogSegments(tmp_path)
    log.open()
    log.append(entries(1, 1))

    def failing(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", failing)
        with pytest.raises(StorageError, match="check the disk"):
            log.sync()
    for call in (log.sync, lambda: log.append(entries(2, 1)), lambda: log.trim_through(Sequence(1))):
        with pytest.raises(StorageError, match="earlier failure"):
            call()
    log.close()


def test_after_a_flush_beside_the_writes_failed_the_log_refuses_everything_and_leaks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = LogSegments(tmp_path, segment_bytes_max=SEGMENT_HEADER_BYTES + 1)
    log.open()
    for sequence in (1, 2, 3):  # a segment each
        log.append(entries(sequence, 1))
    before = len(list(Path("/proc/self/fd").iterdir()))
    flush = log.begin_flush()
    log.append(entries(4, 1))  # appends go on meanwhile

    def failing(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", failing)
        with pytest.raises(StorageError, match="check the disk"):
            flush()
    assert len(list(Path("/proc/self/fd").iterdir())) == before + 1  # the fourth segment's own
    with pytest.raises(StorageError, match="earlier failure"):
        log.append(entries(5, 1))
    log.close()


@given(st.lists(st.binary(min_size=0, max_size=40), max_size=4), st.integers(0, 200))
@settings(max_examples=150, deadline=None)
def test_garbage_in_a_segment_never_crashes_recovery(pieces: list[bytes], cut: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        items = written(directory, 2)
        (path,) = segment_paths(directory)
        data = path.read_bytes()
        path.write_bytes(data[: max(0, len(data) - cut)] + b"".join(pieces))
        log = LogSegments(directory)
        try:
            recovered = log.open()
        except CorruptFile:
            return
        assert list(recovered) == items[: len(recovered)]


class LogAgainstModel(RuleBasedStateMachine):
    """Random appends, cuts, trims, resets and crashes; a crash keeps a prefix of the unsynced bytes."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.directory = Path(self.folder.name)
        self.model: list[LogEntry] = []
        self.end = LOG_START
        self.epoch = 1
        self.log = LogSegments(self.directory, segment_bytes_max=400)
        assert self.log.open() == ()

    @rule(count=st.integers(1, 6), size=st.integers(0, 90))
    def append(self, count: int, size: int) -> None:
        items = entries(self.end.sequence + 1, count, self.epoch, "x" * size)
        self.log.append(items)
        self.model += items
        self.end = items[-1].position

    @rule()
    def new_epoch(self) -> None:
        self.epoch += 1

    @rule()
    def sync(self) -> None:
        self.log.sync()

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def truncate(self, data: st.DataObject) -> None:
        keep = data.draw(st.integers(1, len(self.model)))
        self.model = self.model[:keep]
        self.end = self.model[-1].position
        self.log.truncate_after(self.end)

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def trim(self, data: st.DataObject) -> None:
        through = data.draw(st.integers(0, self.end.sequence))
        self.log.trim_through(Sequence(through))

    @rule(ahead=st.integers(0, 5))
    def reset(self, ahead: int) -> None:
        self.end = LogPosition(Sequence(self.end.sequence + ahead), Epoch(self.epoch))
        self.log.reset(self.end)
        self.model = []

    @rule()
    def restart(self) -> None:
        self.log.close()
        self._reopen()

    @precondition(lambda self: self.model)
    @rule(count=st.integers(1, 4), data=st.data())
    def crash_while_appending(self, count: int, data: st.DataObject) -> None:
        self.log.sync()
        last = max(self.directory.glob("*.log"))
        durable = last.stat().st_size
        items = entries(self.end.sequence + 1, count, self.epoch, "y" * 30)
        self.log.append(items)
        self.log.close()
        newest = max(self.directory.glob("*.log"))
        if newest == last:
            size = newest.stat().st_size
            os.truncate(newest, data.draw(st.integers(durable, size)))
        else:
            os.truncate(newest, data.draw(st.integers(0, newest.stat().st_size)))
        self.model += items
        self._reopen()

    def _reopen(self) -> None:
        self.log = LogSegments(self.directory, segment_bytes_max=400)
        recovered = list(self.log.open())
        if recovered:
            first = recovered[0].sequence
            expected = [e for e in self.model if e.sequence >= first][: len(recovered)]
            assert recovered == expected
            lost = len([e for e in self.model if e.sequence > recovered[-1].sequence])
            assert lost <= 4
            self.model = recovered
            self.end = recovered[-1].position
        else:
            self.model = []
        assert self.log.end.sequence == self.end.sequence
        self.end = self.log.end

    @invariant()
    def the_end_is_the_models_end(self) -> None:
        if hasattr(self, "log"):
            assert self.log.end.sequence == self.end.sequence

    def teardown(self) -> None:
        if hasattr(self, "log"):
            self.log.close()
            self.folder.cleanup()


LogAgainstModel.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestLogAgainstModel = LogAgainstModel.TestCase


def test_zeros_before_a_whole_record_are_damage_and_not_a_torn_end(tmp_path: Path) -> None:
    written(tmp_path, 3, text="x" * 2000)
    (path,) = segment_paths(tmp_path)
    data = bytearray(path.read_bytes())
    record = (len(data) - SEGMENT_HEADER_BYTES) // 3
    data[SEGMENT_HEADER_BYTES + record : SEGMENT_HEADER_BYTES + 2 * record] = bytes(record)
    path.write_bytes(data)
    with pytest.raises(CorruptFile, match=f"byte {SEGMENT_HEADER_BYTES + record}"):
        LogSegments(tmp_path).open()
