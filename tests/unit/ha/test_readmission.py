from __future__ import annotations

from eiha.ha.policy import Policy
from eiha.ha.readmission import Readmission
from eiha.kernel.ids import MonotonicMs

POLICY = Policy(
    flapping_window_ms=1_000, flapping_allowed=2, flapping_hold_ms=100, flapping_hold_max_ms=350, slow_peer_hold_ms=40
)


def held(times_ms: list[int], *, slow: bool = False) -> list[int]:
    readmission = Readmission(POLICY)
    return [readmission.put_out(MonotonicMs(at), slow=slow) for at in times_ms]


def test_a_few_accidents_cost_nothing_and_further_ones_double_the_wait_up_to_a_limit() -> None:
    assert held([0, 10, 20, 30, 40, 50]) == [0, 0, 100, 200, 350, 350]


def test_accidents_that_are_long_ago_do_not_count() -> None:
    assert held([0, 10, 20, 2_000, 2_010]) == [0, 0, 100, 0, 0]


def test_a_slow_peer_waits_each_time() -> None:
    assert held([0, 2_000], slow=True) == [40, 40]


def test_the_wait_runs_out() -> None:
    readmission = Readmission(POLICY)
    for at in (0, 10, 20):
        readmission.put_out(MonotonicMs(at), slow=False)
    assert [readmission.held_ms(MonotonicMs(at)) for at in (20, 90, 120, 500)] == [100, 30, 0, 0]
    assert readmission.put_out_count == 3


def test_it_forgets_what_it_does_not_need() -> None:
    readmission = Readmission(POLICY)
    for at in range(10_000):
        readmission.put_out(MonotonicMs(0), slow=bool(at % 2))
    assert len(readmission._recent) < 50
    assert readmission.held_ms(MonotonicMs(0)) == 350
