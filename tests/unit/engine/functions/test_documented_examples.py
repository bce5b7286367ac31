"""Each example of the function reference gives what the reference says, alone, in batches, and beside nulls."""

from __future__ import annotations

from typing import Any

import pytest

from eiha.engine.expressions.functions import _FUNCTIONS
from eiha.engine.expressions.java_text import object_text
from eiha.plan.functions import FUNCTIONS
from tests.unit.engine.plan_rows import as_batch, one_by_one

EXAMPLES = [(expression, value) for signature in FUNCTIONS.values() for expression, value in signature.examples]


@pytest.mark.parametrize(("expression", "value"), EXAMPLES, ids=[expression for expression, _ in EXAMPLES])
def test_an_example_gives_what_it_says(expression: str, value: str) -> None:
    text = f"define stream S (a int); from S select {expression} as v insert into Out;"
    for events in (one_by_one(text, [(1,)]), as_batch(text, [(1,)])):
        ((_, (found,)),) = events
        assert _text(found) == value
    assert [_text(values[0]) for _, values in as_batch(text, [(1,), (2,), (1,)])] == [value] * 3


def _text(value: Any) -> str:
    return object_text(_plain(value))


def _plain(value: Any) -> Any:
    match value:
        case {"$set": members}:
            return frozenset(members)
        case {"$map": entries}:
            return {key: _plain(each) for key, each in entries}
        case {"$long": number} | {"$float": number}:
            return number
        case list():
            return [_plain(each) for each in value]
        case _:
            return value


def test_every_function_that_plans_may_call_has_an_array_form() -> None:
    assert set(FUNCTIONS) - set(_FUNCTIONS) == {"ifThenElse"}


def test_every_scalar_function_shows_an_example_unless_it_reads_the_clock() -> None:
    bare = {each.name for each in FUNCTIONS.values() if not each.examples}
    assert bare == {
        *("time:currentDate", "time:currentTime", "time:currentTimestamp", "time:utcTimestamp"),
        *("currentTimeMillis", "eventTimestamp", "UUID", "math:rand"),
    }
