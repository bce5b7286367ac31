"""In which order a turn's effects reach peer, log and engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from eiha.ha.effects import Apply, Persist, RestoreSnapshot, RoleChanged, Send, TruncateLog
from eiha.ha.inputs import Channel
from eiha.kernel.ids import Epoch, LinkId, LogPosition, LogTimeMs, Sequence
from eiha.node.interpreter import FOLLOWER_ENTRIES_MAX, FOLLOWER_PAUSE_S, Interpreter, Shells
from eiha.protocol.log_entry import LogEntry, TimeTick
from eiha.protocol.peer_messages import Committed


def entry(number: int) -> LogEntry:
    return LogEntry(Epoch(1), Sequence(number), LogTimeMs(0), TimeTick(), b"x")


class Recorder:
    """The shells for peer, log and engine; notes what they are told, in order."""

    def __init__(self, *, at_once: bool, role: str = "active") -> None:
        self.told: list[str] = []
        self.at_once = at_once
        self.persisted: list[LogPosition] = []
        shells: Any = dict.fromkeys(Shells.__dataclass_fields__)
        shells |= {"links": {Channel.EVENT_SYNC: self}, "log": self, "engine": self}
        ignored: Any = None
        self.later: list[tuple[float, Callable[[], None]]] = []
        self.interpreter = Interpreter(
            Shells(**shells),
            later=lambda seconds, call: self.later.append((seconds, call)),
            persisted=self.persisted.append,
            role_changed=lambda _change: None,
            fact=ignored,
            halt=ignored,
        )
        self.becomes(role)

    def becomes(self, role: str) -> None:
        self.interpreter.carry_out(RoleChanged("", role, "", ""))

    def send(self, _link: LinkId, _message: object) -> None:
        self.told.append("sent")

    def flush(self) -> None:
        self.told.append("flushed")

    def append(self, work: Persist) -> LogPosition | None:
        self.told.append(f"append {[each.sequence for each in work.entries]}")
        return work.entries[-1].position if self.at_once else None

    def put(self, work: object) -> None:
        self.told.append(type(work).__name__)


APPLY = Apply((entry(1),), digest=False, quarantined=(), suspects=False)


def test_the_peer_gets_an_entry_before_this_node_writes_its_own_log() -> None:
    recorder = Recorder(at_once=True)
    for effect in (Persist((entry(1),)), Persist((entry(2),)), Send(Channel.EVENT_SYNC, LinkId(1), Committed(1, 1, 1))):  # type: ignore[arg-type]
        recorder.interpreter.carry_out(effect)
    recorder.interpreter.settled()
    assert recorder.told == ["sent", "flushed", "append [1, 2]"]
    assert recorder.persisted == [entry(2).position]


def test_the_engine_is_woken_last_and_not_before_what_follows_from_the_write() -> None:
    recorder = Recorder(at_once=True)
    recorder.interpreter.carry_out(APPLY)
    recorder.interpreter.carry_out(Persist((entry(1),)))
    recorder.interpreter.settled()
    assert recorder.told == ["append [1]"]
    recorder.interpreter.settled()
    assert recorder.told[1:] == ["Apply"]


def test_the_engine_does_not_wait_for_a_write_that_a_thread_does() -> None:
    recorder = Recorder(at_once=False)
    recorder.interpreter.carry_out(APPLY)
    recorder.interpreter.carry_out(Persist((entry(1),)))
    recorder.interpreter.settled()
    assert recorder.told == ["append [1]", "Apply"]
    assert recorder.persisted == []


def test_what_else_is_done_to_the_log_keeps_its_place_among_the_appends() -> None:
    recorder = Recorder(at_once=False)
    for effect in (Persist((entry(1),)), TruncateLog(entry(1).position), Persist((entry(2),))):
        recorder.interpreter.carry_out(effect)
    recorder.interpreter.settled()
    assert recorder.told == ["append [1]", "TruncateLog", "append [2]"]


def test_only_the_link_that_was_sent_over_is_flushed_and_only_once() -> None:
    recorder = Recorder(at_once=True)
    for _ in range(2):
        recorder.interpreter.carry_out(Send(Channel.EVENT_SYNC, LinkId(1), Committed(1, 1, 1)))  # type: ignore[arg-type]
    recorder.interpreter.settled()
    recorder.interpreter.settled()
    assert recorder.told == ["sent", "sent", "flushed"]


def test_the_engine_of_a_node_that_follows_is_woken_a_moment_later_for_all_that_came_meanwhile() -> None:
    recorder = Recorder(at_once=True, role="passive")
    for _ in range(3):
        recorder.interpreter.carry_out(APPLY)
        recorder.interpreter.settled()
    assert recorder.told == []
    ((seconds, wake),) = recorder.later
    assert seconds == FOLLOWER_PAUSE_S
    wake()
    assert recorder.told == ["Apply"] * 3
    recorder.interpreter.carry_out(APPLY)
    recorder.interpreter.settled()
    assert len(recorder.later) == 2, "the next entry waits for a moment of its own"


def test_what_is_more_than_a_few_entries_or_no_entry_does_not_wait() -> None:
    many = Apply((entry(1),) * (FOLLOWER_ENTRIES_MAX + 1), digest=False, quarantined=(), suspects=False)
    for work in (many, RestoreSnapshot(None)):
        recorder = Recorder(at_once=True, role="joining")
        recorder.interpreter.carry_out(APPLY)
        recorder.interpreter.carry_out(work)
        recorder.interpreter.settled()
        assert recorder.told == ["Apply", type(work).__name__]


def test_a_node_that_becomes_active_wakes_its_engine_at_once_with_what_waited() -> None:
    recorder = Recorder(at_once=True, role="passive")
    recorder.interpreter.carry_out(APPLY)
    recorder.interpreter.settled()
    recorder.becomes("active")
    recorder.interpreter.settled()
    assert recorder.told == ["Apply"]
    recorder.later[0][1]()
    assert recorder.told == ["Apply"], "nothing is given twice"
