"""Each example of the function reference gives what the reference says, alone, in batches, and beside nulls."""

from __future__ import annotations

import pytest

from eiha.engine.expressions.functions import _FUNCTIONS
from eiha.engine.expressions.java_text import object_text
from eiha.plan.functions import FUNCTIONS
from eiha.plan.namespaces import tables
from tests.unit.engine.plan_rows import as_batch, one_by_one

EXAMPLES = [(expression, value) for signature in tables.SCALARS for expression, value in signature.examples]


@pytest.mark.parametrize(("expression", "value"), EXAMPLES, ids=[expression for expression, _ in EXAMPLES])
def test_an_example_gives_what_it_says(expression: str, value: str) -> None:
    text = f"define stream S (a int); from S select {expression} as v insert into Out;"
    for events in (one_by_one(text, [(1,)]), as_batch(text, [(1,)])):
        ((_, (found,)),) = events
        assert _text(found) == value
    assert [_text(values[0]) for _, values in as_batch(text, [(1,), (2,), (1,)])] == [value] * 3


def _text(value: object) -> str:
    return object_text(value)


def test_every_function_that_plans_may_call_has_an_array_form() -> None:
    assert set(FUNCTIONS) - set(_FUNCTIONS) == {"ifThenElse"}


def test_every_scalar_function_shows_an_example_unless_it_reads_the_clock() -> None:
    bare = {each.name for each in tables.SCALARS if not each.examples}
    assert bare == {"time:currentDate", "time:currentTime", "time:currentTimestamp", "time:utcTimestamp", "math:rand"}
