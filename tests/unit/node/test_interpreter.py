"""In which order a turn's effects reach peer, log and engine."""

from __future__ import annotations

from typing import Any

from eiha.ha.effects import Apply, Persist, Send, TruncateLog
from eiha.ha.inputs import Channel
from eiha.kernel.ids import Epoch, LinkId, LogPosition, LogTimeMs, Sequence
from eiha.node.interpreter import Interpreter, Shells
from eiha.protocol.log_entry import LogEntry, TimeTick
from eiha.protocol.peer_messages import Committed


def entry(number: int) -> LogEntry:
    return LogEntry(Epoch(1), Sequence(number), LogTimeMs(0), TimeTick(), b"x")


class Recorder:
    """The shells for peer, log and engine; notes what they are told, in order."""

    def __init__(self, *, at_once: bool) -> None:
        self.told: list[str] = []
        self.at_once = at_once
        self.persisted: list[LogPosition] = []
        shells: Any = dict.fromkeys(Shells.__dataclass_fields__)
        shells |= {"links": {Channel.EVENT_SYNC: self}, "log": self, "engine": self}
        ignored: Any = None
        self.interpreter = Interpreter(
            Shells(**shells), persisted=self.persisted.append, role_changed=ignored, fact=ignored, halt=ignored
        )

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
    for effect in (Persist((entry(1),)), Persist((entry(2),)), Send(Channel.EVENT_SYNC, LinkId(1), Committed(1, 1))):  # type: ignore[arg-type]
        recorder.interpreter.carry_out(effect)
    recorder.interpreter.settled()
    assert recorder.told == ["sent", "flushed", "append [1, 2]"]
    assert recorder.persisted == [entry(2).position]


def test_the_engine_is_woken_last_and_not_before_what_follows_from_the_write() -> None:
    recorder = Recorder(at_once=True)
    recorder.interpreter.carry_out(APPLY)
    recorder.interpreter.carry_out(Persist((entry(1),)))
    recorder.interpreter.settled()
    assert recorder.told == ["flushed", "append [1]"]
    recorder.interpreter.settled()
    assert recorder.told[2:] == ["flushed", "Apply"]


def test_the_engine_does_not_wait_for_a_write_that_a_thread_does() -> None:
    recorder = Recorder(at_once=False)
    recorder.interpreter.carry_out(APPLY)
    recorder.interpreter.carry_out(Persist((entry(1),)))
    recorder.interpreter.settled()
    assert recorder.told == ["flushed", "append [1]", "Apply"]
    assert recorder.persisted == []


def test_what_else_is_done_to_the_log_keeps_its_place_among_the_appends() -> None:
    recorder = Recorder(at_once=False)
    for effect in (Persist((entry(1),)), TruncateLog(entry(1).position), Persist((entry(2),))):
        recorder.interpreter.carry_out(effect)
    recorder.interpreter.settled()
    assert recorder.told == ["append [1]", "TruncateLog", "flushed", "append [2]"]
