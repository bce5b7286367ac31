from __future__ import annotations

import pytest

from eiha.embedded import Plan

STREAM = "define stream S (n int);"


@pytest.mark.parametrize(
    ("window", "rate", "moments"),
    [
        ("time(1 sec)", "output every 1 sec", [(2_000, [1]), (3_000, [1])]),
        ("time(2 sec)", "output every 1 sec", [(2_000, [1]), (3_000, [1])]),
        ("timeBatch(1 sec)", "output every 1 sec", [(3_000, [1]), (4_000, [1])]),
        ("timeBatch(2 sec)", "output every 1 sec", [(3_000, [1]), (5_000, [1])]),
        ("delay(1 sec)", "output last every 1 sec", [(3_000, [1])]),
    ],
)
def test_a_period_that_ends_as_a_row_leaves_is_over_first_unless_the_window_set_its_timer_before_it(
    window: str, rate: str, moments: list[tuple[int, list[int]]]
) -> None:
    plan = Plan(STREAM + f"from S#window.{window} select n {rate} insert all events into Out;")
    found = []
    outputs = [(1_000, plan.send("S", [(1,)], now_ms=1_000))]
    outputs += [(moment, plan.advance(moment)) for moment in (2_000, 3_000, 4_000, 5_000)]
    for moment, out in outputs:
        if "Out" in out:
            found.append((moment, [row[0] for row in out["Out"].rows()]))
    assert found == moments
