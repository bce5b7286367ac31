from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from eiha.ha.event_log import EventLog, common_point
from eiha.kernel.ids import LOG_START, Epoch, LogPosition, LogTimeMs, Sequence
from eiha.protocol.log_entry import LogEntry, TimeTick


def entry(epoch: int, sequence: int) -> LogEntry:
    return LogEntry(Epoch(epoch), Sequence(sequence), LogTimeMs(0), TimeTick(), b"x" * (sequence % 5 + 1))


def log_of(epochs: list[int]) -> EventLog:
    log = EventLog()
    for index, epoch in enumerate(epochs):
        log.append(entry(epoch, index + 1))
    return log


@st.composite
def two_histories(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """Two logs as promotions make them: each epoch has one author, who continues some prefix of either log."""
    logs: list[list[int]] = [[], []]
    for epoch in range(1, draw(st.integers(1, 6))):
        author = draw(st.integers(0, 1))
        other = 1 - author
        common = 0
        while common < min(map(len, logs)) and logs[0][common] == logs[1][common]:
            common += 1
        logs[author] += [epoch] * draw(st.integers(1, 4))
        if draw(st.booleans()):
            upto = draw(st.integers(common, len(logs[author])))
            logs[other] = logs[author][:upto]
    return logs[0], logs[1]


@given(two_histories())
@settings(max_examples=300)
def test_the_common_point_is_where_the_logs_part(logs: tuple[list[int], list[int]]) -> None:
    mine, theirs = map(log_of, logs)
    expected = 0
    while expected < min(map(len, logs)) and logs[0][expected] == logs[1][expected]:
        expected += 1
    found = common_point(mine, theirs.epoch_starts, theirs.end)
    assert found.sequence == expected
    assert mine.holds(found)
    assert theirs.holds(found)


def test_a_log_that_was_trimmed_still_knows_where_it_and_another_part() -> None:
    mine, theirs = log_of([1, 1, 2, 2, 2]), log_of([1, 1, 2])
    mine.mark_committed(Sequence(4))
    mine.trim_through(Sequence(4))
    assert common_point(mine, theirs.epoch_starts, theirs.end) == LogPosition(Sequence(3), Epoch(2))


def test_what_follows_a_gap_or_an_older_epoch_is_a_programming_error() -> None:
    log = log_of([1, 2])
    with pytest.raises(AssertionError):
        log.append(entry(2, 4))
    with pytest.raises(AssertionError):
        log.append(entry(1, 3))


def test_persisted_is_about_the_very_entries_that_are_in_the_log_now() -> None:
    log = log_of([1, 1, 1])
    log.truncate_after(LogPosition(Sequence(1), Epoch(1)))
    log.append(entry(2, 2))
    assert not log.mark_persisted(LogPosition(Sequence(3), Epoch(1)))
    assert not log.mark_persisted(LogPosition(Sequence(2), Epoch(1)))
    assert log.mark_persisted(LogPosition(Sequence(2), Epoch(2)))


def test_nothing_committed_is_cut() -> None:
    log = log_of([1, 1, 1])
    log.mark_committed(Sequence(2))
    with pytest.raises(AssertionError):
        log.truncate_after(LogPosition(Sequence(1), Epoch(1)))


def test_a_log_that_starts_behind_a_snapshot_learns_the_history_with_it() -> None:
    log = EventLog()
    log.reset(LogPosition(Sequence(10), Epoch(4)), ())
    log.append(entry(4, 11))
    log.append(entry(5, 12))
    assert log.holds(LogPosition(Sequence(10), Epoch(4)))
    log.adopt_history(((Epoch(1), Sequence(1)), (Epoch(4), Sequence(7))))
    assert log.epoch_starts == ((1, 1), (4, 7), (5, 12))
    assert [log.epoch_at(Sequence(n)) for n in (6, 7, 11, 12, 13)] == [1, 4, 4, 5, None]


class LogAgainstAList(RuleBasedStateMachine):
    """The log does what a plain list of all entries would."""

    def __init__(self) -> None:
        super().__init__()
        self.log = EventLog()
        self.model: list[LogEntry] = []
        self.base = 0
        self.epoch = 1

    @rule(more=st.integers(0, 1))
    def append(self, more: int) -> None:
        self.epoch += more
        added = entry(self.epoch, len(self.model) + 1)
        self.model.append(added)
        self.log.append(added)

    @rule(data=st.data())
    def commit(self, data: st.DataObject) -> None:
        through = data.draw(st.integers(self.log.committed_through, len(self.model)))
        self.log.mark_committed(Sequence(through))

    @rule(data=st.data())
    def truncate(self, data: st.DataObject) -> None:
        last = data.draw(st.integers(max(self.log.committed_through, self.base), len(self.model)))
        position = self.model[last - 1].position if last else LOG_START
        assert self.log.truncate_after(position) == len(self.model) - last
        del self.model[last:]
        self.epoch += 1

    @precondition(lambda self: self.log.committed_through > self.base)
    @rule(data=st.data())
    def trim(self, data: st.DataObject) -> None:
        self.base = data.draw(st.integers(self.base, self.log.committed_through))
        self.log.trim_through(Sequence(self.base))

    @invariant()
    def same(self) -> None:
        log, model = self.log, self.model
        assert log.end == (model[-1].position if model else LOG_START)
        assert log.base.sequence == self.base
        assert log.entries(Sequence(self.base), log.end.sequence) == model[self.base :]
        assert log.retained_bytes == sum(len(e.encoded) for e in model[self.base :])
        for held in model[max(0, self.base - 1) :]:
            assert log.holds(held.position)
        assert log.uncommitted_entries == len(model) - log.committed_through


TestLogAgainstAList = LogAgainstAList.TestCase
TestLogAgainstAList.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
