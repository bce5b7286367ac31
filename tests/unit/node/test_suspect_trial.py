from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eiha.engine.runtime import EngineRuntime
from eiha.events.schema import AttributeType
from eiha.events.wire import WireBatch, WireColumn, encode
from eiha.kernel.ids import ClientId, ClientSequence, Epoch, LogTimeMs, Sequence
from eiha.node.suspect_trial import WAITING_FACTOR, Harm, SuspectTrial, halves, minus
from eiha.protocol.log_entry import (
    DeployPlan,
    EntryBody,
    LogEntry,
    Publication,
    Publications,
    Quarantine,
    RowRange,
    TimeTick,
)
from tests.poison_functions import ABORTS, HANGS, RAISES

TOUCHING = "define stream S (x long); from S select poison:touch(x) as x insert into Out;"
KEEPING = "define stream S (x long); from S#window.poison:keep() select x insert into Kept;"
LIMIT_S = 0.9


def entry(sequence: int, body: EntryBody) -> LogEntry:
    return LogEntry(Epoch(1), Sequence(sequence), LogTimeMs(1_000 * sequence), body)


def publication(*values: int) -> Publication:
    column = WireColumn(AttributeType.LONG, np.array(values, dtype=np.int64))
    return Publication(
        ClientId("c"), ClientSequence(1), "S", len(values), encode(WireBatch(len(values), None, (column,)))
    )


def rows(sequence: int, *values: int) -> LogEntry:
    return entry(sequence, Publications((publication(*values),)))


@pytest.fixture
def engine() -> EngineRuntime:
    made = EngineRuntime()
    made.apply(entry(1, DeployPlan("touching", TOUCHING)))
    made.apply(entry(2, DeployPlan("keeping", KEEPING)))
    return made


@pytest.fixture
def trial(engine: EngineRuntime) -> SuspectTrial:
    return SuspectTrial(engine, limit_s=LIMIT_S, going_on=lambda: True)


def nothing(_: LogEntry) -> tuple[Quarantine, ...]:
    return ()


def test_entries_without_harm_all_survive_and_this_engine_is_as_it_was(
    engine: EngineRuntime, trial: SuspectTrial
) -> None:
    before = engine.snapshot()
    assert trial.survivors((rows(3, 1, 2), rows(4, 3)), nothing) == (2, None)
    assert engine.snapshot() == before


@pytest.mark.parametrize(
    ("number", "cause", "reason"),
    [(ABORTS, "killed", "SIGABRT"), (RAISES, "raised", "RuntimeError"), (HANGS, "hung", "not done within")],
)
def test_what_does_harm_is_named_with_what_it_did(trial: SuspectTrial, number: int, cause: str, reason: str) -> None:
    first = () if cause == "hung" else (rows(3, 1),)
    count, harm = trial.survivors((*first, rows(4, number), rows(5, 2)), nothing)
    assert harm is not None
    assert (count, harm.cause) == (len(first), cause)
    assert reason in harm.reason


def test_a_child_that_waits_for_ever_is_ended_too(engine: EngineRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EngineRuntime, "apply", lambda *_: time.sleep(3_600))
    trial = SuspectTrial(engine, limit_s=0.05, going_on=lambda: True)
    count, harm = trial.survivors((rows(3, 1),), nothing)
    assert harm is not None
    assert (count, harm.cause, harm.reason) == (0, "hung", f"not done within {0.05 * WAITING_FACTOR:g} s")


def test_what_hangs_after_others_went_well_is_judged_in_another_trial(trial: SuspectTrial) -> None:
    assert trial.survivors((rows(3, 1), rows(4, HANGS)), nothing) == (1, None)


def test_the_plan_that_kills_and_its_rows_are_found(engine: EngineRuntime, trial: SuspectTrial) -> None:
    items = (publication(1, 2, 3), publication(4, ABORTS, 5, 6, ABORTS, ABORTS))
    bad = entry(3, Publications(items))
    found = trial.verdict(bad, (), Harm("killed", "", "SIGABRT"))
    assert (found.plan, found.suspends, found.cause) == ("touching", False, "killed")
    assert found.rows == (RowRange(1, 1, 2), RowRange(1, 4, 5), RowRange(1, 5, 6))
    outputs = [each for each in engine.apply(bad, (found,)).outputs if each.sink == "processed"]
    by_plan = {each.plan: each.batch.columns[0].to_list() for each in outputs}
    assert by_plan == {"touching": [1, 2, 3, 4, 5, 6], "keeping": [1, 2, 3, 4, ABORTS, 5, 6, ABORTS, ABORTS]}


def test_what_fails_without_any_rows_suspends_the_plan(engine: EngineRuntime, trial: SuspectTrial) -> None:
    harm = Harm("raised", "keeping", "RuntimeError")
    tick = entry(3, TimeTick())
    assert trial.verdict(tick, (), harm) == Quarantine(Sequence(3), "keeping", (), True, "raised", "RuntimeError")


def test_a_deployment_that_does_harm_is_left_out_and_nothing_is_suspended(trial: SuspectTrial) -> None:
    found = trial.verdict(entry(3, DeployPlan("other", "text")), (), Harm("raised", "other", "x"))
    assert (found.plan, found.rows, found.suspends) == ("other", (), False)


def test_a_search_that_nobody_waits_for_ends_with_all_rows(engine: EngineRuntime) -> None:
    trial = SuspectTrial(engine, limit_s=LIMIT_S, going_on=lambda: False)
    found = trial.verdict(rows(3, 1, ABORTS), (), Harm("killed", "touching", "x"))
    assert (found.plan, found.rows, trial.children) == ("touching", (), 0)


ranges = st.lists(
    st.builds(lambda p, f, n: RowRange(p, f, f + n), st.integers(0, 2), st.integers(0, 8), st.integers(1, 5)),
    max_size=4,
)


def numbers(listed: list[RowRange]) -> list[tuple[int, int]]:
    return [(each.publication, row) for each in listed for row in range(each.first, each.end)]


@given(ranges, ranges)
def test_minus_is_the_difference_of_sets(some: list[RowRange], taken: list[RowRange]) -> None:
    assert set(numbers(minus(some, taken))) == set(numbers(some)) - set(numbers(taken))


@given(ranges, st.integers(0, 30))
def test_halves_are_the_first_rows_and_the_others(some: list[RowRange], count: int) -> None:
    left, right = halves(some, count)
    assert numbers(left) + numbers(right) == numbers(some)
    assert len(numbers(left)) == min(count, len(numbers(some)))
