from __future__ import annotations

import pytest

from eiha.ha.policy import Policy
from eiha.ha.switchover import Step, Switchover
from eiha.kernel.ids import MonotonicMs, Sequence

POLICY = Policy(switchover_timeout_ms=1_000, switchover_drain_ms=200)


def at(ms: int) -> MonotonicMs:
    return MonotonicMs(ms)


def begun() -> Switchover:
    made = Switchover(POLICY)
    made.begin(at(0), stop_after=False)
    return made


@pytest.mark.parametrize(("pending", "committed"), [(True, True), (False, False)])
def test_the_log_is_not_frozen_while_something_is_on_its_way(pending: bool, committed: bool) -> None:
    assert not begun().drained(pending=pending, all_committed=committed, publishing=False, now_ms=at(900))


def test_writes_to_sinks_are_waited_for_only_a_while() -> None:
    made = begun()
    assert not made.drained(pending=False, all_committed=True, publishing=True, now_ms=at(199))
    assert made.drained(pending=False, all_committed=True, publishing=True, now_ms=at(200))


def test_clients_are_served_while_an_engine_is_behind_and_not_for_ever() -> None:
    made = Switchover(Policy(switchover_approach_ms=500))
    assert not made.approached(behind=False, now_ms=at(0))
    made.approach(at(0), stop_after=True)
    assert not made.under_way
    assert not made.approached(behind=True, now_ms=at(499))
    assert made.approached(behind=False, now_ms=at(1))
    assert made.approached(behind=True, now_ms=at(500))
    assert not made.overdue(at(10_000))
    made.begin(at(500), stop_after=made.stop_after)
    assert made.under_way
    assert not made.approached(behind=False, now_ms=at(501))
    assert made.end()


def test_the_steps_in_order() -> None:
    made = begun()
    assert not made.log_is_frozen
    made.propose(Sequence(4))
    assert made.log_is_frozen
    made.hand_over()
    assert made.step is Step.HANDED_OVER
    made.end()
    assert not made.under_way


def test_a_step_out_of_turn_is_a_programming_error() -> None:
    with pytest.raises(AssertionError):
        begun().hand_over()
    with pytest.raises(AssertionError):
        begun().begin(at(1), stop_after=False)


def test_it_is_overdue_only_while_it_is_under_way() -> None:
    made = begun()
    assert not made.overdue(at(1_000))
    assert made.overdue(at(1_001))
    made.end()
    assert not made.overdue(at(1_001))
