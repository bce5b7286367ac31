"""What of an entry is quarantined does not reach its plan, and is kept as error rows; a suspended plan gets nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from eiha.engine.error_rows import ERRORS_SINK
from eiha.engine.runtime import EngineRuntime
from eiha.errors import PlanFailed
from eiha.events.rows import columns_to_batch
from eiha.events.schema import Attribute, AttributeType, Schema
from eiha.events.wire import encode
from eiha.kernel.ids import ClientId, ClientSequence, Epoch, LogTimeMs, Sequence
from eiha.protocol.log_entry import (
    DeployPlan,
    EntryBody,
    LogEntry,
    Publication,
    Publications,
    Quarantine,
    RowRange,
    TableStatement,
    TimeTick,
)
from eiha.protocol.outputs import AppliedEntry
from tests.poison_functions import RAISES

SCHEMA = Schema((Attribute("name", AttributeType.STRING), Attribute("number", AttributeType.LONG)))
DEFINITION = "define stream S (name string, number long); "
SUMMING = DEFINITION + "define table T (number long); from S select name, sum(number) as total insert into Out;"
COUNTING = DEFINITION + "from S select count() as events insert into Counted;"
KEEPING = DEFINITION + "from S#window.poison:keep() select number insert into Kept;"


class Log:
    def __init__(self, **plans: str) -> None:
        self.engine = EngineRuntime()
        self.sequence = 0
        for name, text in plans.items():
            assert self.apply(DeployPlan(name, text)).faults == ()

    def apply(self, body: EntryBody, *quarantined: Quarantine, at_ms: int = 1_000) -> AppliedEntry:
        self.sequence += 1
        return self.engine.apply(LogEntry(Epoch(1), Sequence(self.sequence), LogTimeMs(at_ms), body), quarantined)

    def publish(
        self, *quarantined: Quarantine, numbers: tuple[int, ...] = (1, 2, 3), stream: str = "S"
    ) -> AppliedEntry:
        return self.apply(Publications((publication(numbers, stream),)), *quarantined)

    def next(self, plan: str, *rows: RowRange, suspends: bool = False) -> Quarantine:
        return Quarantine(Sequence(self.sequence + 1), plan, rows, suspends, "killed", "SIGSEGV")


def publication(numbers: tuple[int, ...], stream: str = "S") -> Publication:
    batch = columns_to_batch([[f"n{each}" for each in numbers], list(numbers)], len(numbers), SCHEMA)
    return Publication(ClientId("c"), ClientSequence(7), stream, len(numbers), encode(batch))


def values(applied: AppliedEntry, plan: str) -> list[Any]:
    """The last column of what the plan put out."""
    found = [each for each in applied.outputs if each.plan == plan and each.sink == "processed"]
    return [value for each in found for value in each.batch.columns[-1].to_list()]


def errors(applied: AppliedEntry) -> list[tuple[Any, ...]]:
    """Plan, stream, cause, row number and event of each error row, with its ordinal."""
    found: list[tuple[Any, ...]] = []
    for each in applied.outputs:
        if each.sink == ERRORS_SINK:
            stream, cause, _, _, _, numbers, events, _ = (column.to_list() for column in each.batch.columns)
            rows = zip(stream, cause, numbers, map(json.loads, events), strict=True)
            found += [(each.plan, *row) for row in rows]
    return found


def test_an_entry_is_left_out_for_one_plan_and_others_see_it() -> None:
    log = Log(summing=SUMMING, counting=COUNTING)
    applied = log.publish(log.next("summing"))
    assert (values(applied, "summing"), values(applied, "counting")) == ([], [1, 2, 3])
    assert errors(applied) == [
        ("summing", "S", "killed", row, {"name": f"n{row + 1}", "number": row + 1}) for row in range(3)
    ]
    assert "entry 3 left out for plan 'summing': SIGSEGV" in applied.faults
    assert values(log.publish(), "summing") == [1, 3, 6]


def test_rows_are_left_out_and_the_others_are_taken() -> None:
    log = Log(summing=SUMMING, counting=COUNTING)
    applied = log.publish(log.next("summing", RowRange(0, 1, 2)))
    assert (values(applied, "summing"), values(applied, "counting")) == ([1, 4], [1, 2, 3])
    assert errors(applied) == [("summing", "S", "killed", 1, {"name": "n2", "number": 2})]


def test_rows_that_two_quarantines_name_are_kept_once() -> None:
    log = Log(summing=SUMMING)
    applied = log.publish(log.next("summing", RowRange(0, 0, 2)), log.next("summing", RowRange(0, 1, 9)))
    assert values(applied, "summing") == []
    assert [row for _, _, _, row, _ in errors(applied)] == [0, 1, 2]


def test_an_entry_that_no_plan_sees_is_kept_for_each_that_would_have() -> None:
    log = Log(summing=SUMMING, counting=COUNTING, other="define stream R (x int); from R select x insert into Out;")
    applied = log.publish(log.next(""), numbers=(5,))
    event = {"name": "n5", "number": 5}
    assert errors(applied) == [(plan, "S", "killed", 0, event) for plan in ("summing", "counting")]
    assert [each.sink for each in applied.outputs] == [ERRORS_SINK] * 2


def test_a_quarantine_of_another_entry_changes_nothing() -> None:
    log = Log(summing=SUMMING)
    other = Quarantine(Sequence(99), "summing", (), suspends=False, cause="raised", reason="")
    assert values(log.publish(other), "summing") == [1, 3, 6]


def test_a_suspended_plan_gets_nothing_until_it_is_deployed_anew() -> None:
    log = Log(summing=SUMMING)
    log.publish(numbers=(1,))
    first = log.publish(log.next("summing", suspends=True), numbers=(10,))
    assert [cause for _, _, cause, _, _ in errors(first)] == ["killed"]
    assert log.engine.suspended() == {"summing": "SIGSEGV"}
    later = log.publish(numbers=(100,))
    assert [cause for _, _, cause, _, _ in errors(later)] == ["suspended"]
    assert "not carried out" in log.apply(TableStatement("r", "summing", "select 1L as number insert into T")).refusal

    restored = EngineRuntime()
    restored.restore(log.engine.snapshot())
    assert restored.suspended() == log.engine.suspended()
    assert restored.digest() == log.engine.digest()

    log.apply(DeployPlan("summing", SUMMING))
    assert log.engine.suspended() == {}
    assert values(log.publish(numbers=(1_000,)), "summing") == [1_001]


def test_a_deployment_that_is_left_out_leaves_the_plan_as_it_was() -> None:
    log = Log(summing=SUMMING)
    applied = log.apply(DeployPlan("summing", COUNTING), log.next("summing"))
    assert applied.faults
    assert values(log.publish(numbers=(4,)), "summing") == [4]


def test_what_nobody_expected_names_its_plan_and_going_back_makes_it_good() -> None:
    log = Log(summing=SUMMING, keeping=KEEPING)
    before = log.engine.snapshot()
    bad = log.next("keeping", RowRange(0, 1, 2))
    with pytest.raises(PlanFailed) as caught:
        log.publish(numbers=(1, RAISES, 2))
    assert caught.value.plan == "keeping"
    assert caught.value.reason.startswith("RuntimeError")
    log.engine.restore(before)
    log.sequence -= 1
    applied = log.publish(bad, numbers=(1, RAISES, 2))
    assert (values(applied, "keeping"), values(applied, "summing")) == ([1, 2], [1, RAISES + 1, RAISES + 3])
    assert log.apply(TimeTick(), at_ms=2_000).faults == ()


def test_what_cannot_be_read_is_kept_as_it_came() -> None:
    log = Log(summing=SUMMING)
    damaged = Publication(ClientId("c"), ClientSequence(1), "S", 1, b"\xc1")
    [(plan, stream, cause, _, event)] = errors(log.apply(Publications((damaged,))))
    assert (plan, stream, cause, event) == ("summing", "S", "undecodable", {"payload_base64": "wQ=="})
    [(plan, stream, cause, _, _)] = errors(log.publish(stream="Unknown"))
    assert (plan, stream, cause) == ("", "Unknown", "undecodable")


def test_a_publication_for_one_plan_reaches_no_other() -> None:
    log = Log(summing=SUMMING, counting=COUNTING)
    applied = log.publish(stream="summing:S")
    assert (values(applied, "summing"), values(applied, "counting")) == ([1, 3, 6], [])
    left_out = log.publish(log.next(""), stream="summing:S", numbers=(1,))
    assert [(plan, stream) for plan, stream, *_ in errors(left_out)] == [("summing", "S")]
