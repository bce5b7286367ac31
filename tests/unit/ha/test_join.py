from __future__ import annotations

from eiha.ha.event_log import EventLog
from eiha.ha.join import FollowLog, NeedSnapshot, decide_join
from eiha.kernel.ids import LOG_START, Epoch, Incarnation, LogPosition, LogTimeMs, Sequence
from eiha.protocol.log_entry import LogEntry, TimeTick
from eiha.protocol.peer_messages import JoinRequest

# epochs 1 1 1 2 2 | 4 4: the active's log through entry 7
EPOCHS = (1, 1, 1, 2, 2, 4, 4)


def active_log(trimmed: int = 0) -> EventLog:
    log = EventLog()
    for index, epoch in enumerate(EPOCHS):
        log.append(LogEntry(Epoch(epoch), Sequence(index + 1), LogTimeMs(0), TimeTick(), b"x"))
    log.mark_committed(log.end.sequence)
    log.trim_through(Sequence(trimmed))
    return log


def request(end: tuple[int, int], starts: tuple[tuple[int, int], ...], state: int = 0) -> JoinRequest:
    return JoinRequest(
        Incarnation("b.1"),
        Sequence(1),
        LogPosition(Sequence(end[0]), Epoch(end[1])),
        tuple((Epoch(epoch), Sequence(first)) for epoch, first in starts),
        Sequence(state),
    )


def test_a_log_that_is_a_prefix_is_followed_from_its_end() -> None:
    decision = decide_join(active_log(), request((5, 2), ((1, 1), (2, 4)), state=5))
    assert decision == FollowLog(LogPosition(Sequence(5), Epoch(2)))


def test_the_tail_of_another_epoch_is_cut() -> None:
    decision = decide_join(active_log(), request((9, 3), ((1, 1), (2, 4), (3, 6)), state=4))
    assert decision == FollowLog(LogPosition(Sequence(5), Epoch(2)))


def test_an_empty_node_follows_from_the_start_while_memory_reaches_that_far() -> None:
    blank = request((0, 0), ())
    assert decide_join(active_log(), blank) == FollowLog(LOG_START)
    assert isinstance(decide_join(active_log(trimmed=1), blank), NeedSnapshot)


def test_a_state_beyond_the_common_point_cannot_go_back() -> None:
    decision = decide_join(active_log(), request((9, 3), ((1, 1), (2, 4), (3, 6)), state=6))
    assert isinstance(decision, NeedSnapshot)
    assert "6" in decision.reason


def test_a_log_that_memory_just_reaches_is_followed() -> None:
    ask = request((5, 2), ((1, 1), (2, 4)))
    assert isinstance(decide_join(active_log(trimmed=5), ask), FollowLog)
    assert isinstance(decide_join(active_log(trimmed=6), ask), NeedSnapshot)
