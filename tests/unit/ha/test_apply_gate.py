"""What an engine is given after a failure, and what it leaves out."""

from __future__ import annotations

from eiha.ha.apply_gate import ApplyGate
from eiha.ha.effects import Apply
from eiha.kernel.ids import Epoch, LogTimeMs, Sequence
from eiha.protocol.log_entry import LogEntry, Quarantine, TimeTick


def _entry(sequence: int) -> LogEntry:
    return LogEntry(Epoch(1), Sequence(sequence), LogTimeMs(sequence), TimeTick())


def _quarantine(sequence: int, plan: str) -> Quarantine:
    return Quarantine(Sequence(sequence), plan, (), suspends=False, cause="raised", reason="")


def test_after_a_failure_only_work_that_begins_with_that_entry_is_taken() -> None:
    gate = ApplyGate()
    assert gate.takes(Apply((_entry(1), _entry(2))))
    gate.failed(_entry(2))
    assert not gate.takes(Apply((_entry(3),)))
    assert gate.takes(Apply((_entry(2),)))
    assert gate.takes(Apply((_entry(3),)))


def test_an_engine_with_another_state_takes_whatever_comes() -> None:
    gate = ApplyGate()
    gate.failed(_entry(2))
    gate.replaced()
    assert gate.takes(Apply((_entry(7),)))


def test_what_is_left_out_is_known_once_each_until_it_is_behind_a_durable_state() -> None:
    gate = ApplyGate()
    first, second = _quarantine(2, "a"), _quarantine(2, "b")
    gate.takes(Apply((_entry(2),), quarantined=(first,)))
    gate.takes(Apply((_entry(2),), quarantined=(first, second)))
    assert gate.quarantined(_entry(2)) == (first, second)
    assert gate.quarantined(_entry(3)) == ()
    gate.forget_through(Sequence(2))
    assert gate.quarantined(_entry(2)) == ()
