"""Random plans give the same however their events are fed; a failure prints plan and events, and how to replay it."""

from __future__ import annotations

import pytest

from eiha.errors import PlanError
from tests.fuzz.draw_events import START_MS, Entry
from tests.fuzz.forms import FORMS
from tests.fuzz.judge import FuzzCase, difference, draw_case, report, shrunk
from tests.fuzz.plan_text import Block, Clause, PlanText, Statement

SEEDS = 160
GROUP = 10


@pytest.mark.parametrize("first", range(0, SEEDS, GROUP))
def test_random_plans_give_the_same_in_every_form(first: int) -> None:
    for seed in range(first, first + GROUP):
        case = draw_case(seed)
        try:
            found = difference(case)
        except PlanError:
            continue
        if found is not None:
            case = shrunk(case, found.form)
            found = difference(case, (FORMS[0], found.form)) or found
            pytest.fail(report(case, found), pytrace=False)


def test_nearly_all_random_plans_are_plans() -> None:
    refused = 0
    for seed in range(100):
        try:
            draw_case(seed)
            FuzzCase(seed, draw_case(seed).plan, ()).compiled()
        except PlanError:
            refused += 1
    assert refused <= 5


def test_the_case_of_a_seed_is_always_the_same() -> None:
    assert draw_case(7) == draw_case(7)
    assert draw_case(7) != draw_case(8)


def test_what_fails_is_made_small_and_can_be_pasted() -> None:
    query = Statement(
        (Clause("from In3"), Clause("[n > 0]", optional=True), Clause("select n, UUID() as u insert into Out"))
    )
    other = Statement((Clause("from In3 select d insert into Rest"),))
    plan = PlanText(True, ("define stream In3 (k string, n int, d double);",), (Block((query,)), Block((other,))))
    rows = tuple((START_MS + at, ("ab", at, 0.5)) for at in range(8))
    case = FuzzCase(1, plan, (Entry(START_MS, "In3", rows), Entry(START_MS + 10, None)))
    found = difference(case, FORMS[:1])
    assert found is not None, "what UUID() gives depends on the entry, so batches differ from single events"
    small = shrunk(case, found.form)
    assert len(small.plan.blocks) == 1
    assert "[n > 0]" not in small.plan.text()
    assert sum(len(entry.rows) for entry in small.feed) == 2
    assert "select n, UUID() as u insert into Out" in report(small, found)
