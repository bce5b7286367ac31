"""What Python packages register is called from plans: functions, aggregators, stream processors, windows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eiha.errors import ExtensionError, PlanSemanticError
from eiha.extensions import aggregator, scalar_function, stream_processor, window
from eiha.plan.compilation import compile_plan
from eiha.plan.registry import REGISTRY
from tests.unit.engine.plan_rows import as_batch, faults_of, one_by_one

HEAD = "define stream S (a int, t string, d double); "


class Median:
    def __init__(self) -> None:
        self.held: list[int] = []

    def add(self, value: int | None) -> None:
        self.held.append(value or 0)

    def remove(self, value: int | None) -> None:
        self.held.remove(value or 0)

    def value(self) -> float | None:
        ordered = sorted(self.held)
        return None if not ordered else float(ordered[len(ordered) // 2])

    def snapshot(self) -> Any:
        return self.held

    def restore(self, state: Any) -> None:
        self.held = list(state)


class Pairs:
    """Puts rows out two by two; a row that waits alone for 10 ms goes alone."""

    def __init__(self, patience_ms: int = 10) -> None:
        self.waiting: list[Any] = []
        self.due: int | None = None
        self.patience_ms = patience_ms

    def receive(self, row: tuple[Any, ...], now_ms: int) -> list[tuple[tuple[Any, ...], bool]]:
        self.waiting.append(row)
        if len(self.waiting) < 2:
            self.due = now_ms + self.patience_ms
            return []
        return self.fire(now_ms)

    def fire(self, now_ms: int) -> list[tuple[tuple[Any, ...], bool]]:
        put = [(row, False) for row in self.waiting]
        self.waiting, self.due = [], None
        return put

    def timer_ms(self) -> int | None:
        return self.due

    def snapshot(self) -> Any:
        return [self.due, [list(row) for row in self.waiting]]

    def restore(self, state: Any) -> None:
        self.due, self.waiting = state[0], [tuple(row) for row in state[1]]


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    @scalar_function("esb:fee", "amount double, kind string? -> double", deterministic=True)
    def fee(amount: float, kind: str = "cash") -> float:
        if amount < 0:
            raise ValueError("negative")
        return amount * (0.5 if kind == "card" else 0.25)

    @scalar_function("esb:or_null", "x int -> int", deterministic=True, on_error="null")
    def or_null(x: int) -> int:
        return 6 // x

    @scalar_function("esb:scaled", "x number, text string -> double", deterministic=True, columnar=True)
    def scaled(x: Any, text: Any) -> Any:
        return x * np.array([float(len(each)) for each in np.ma.getdata(text)])

    @stream_processor("esb:words", "text string", adds="word string, place int", deterministic=True)
    def words(text: str | None) -> list[tuple[str, int]]:
        return [(word, place) for place, word in enumerate((text or "").split())]

    aggregator("esb:median", "value int -> double", deterministic=True)(Median)
    window("esb:pairs", "patience int|long?", deterministic=True)(Pairs)
    yield
    for name in ("esb:fee", "esb:or_null", "esb:scaled", "esb:words", "esb:median", "esb:pairs"):
        REGISTRY.remove(name)


def values_of(query: str, rows: list[tuple[Any, ...]]) -> list[list[Any]]:
    found = [values for _, values in one_by_one(HEAD + query, rows)]
    assert [values for _, values in as_batch(HEAD + query, rows)] == found
    return found


def test_a_function_gets_values_and_null_arguments_give_null() -> None:
    rows = [(1, "card", 8.0), (2, "x", 8.0), (3, None, 8.0), (4, "card", None)]
    assert values_of("from S select esb:fee(d, t) as v, esb:fee(d) as w insert into Out;", rows) == [
        [4.0, 2.0],
        [2.0, 2.0],
        [None, 2.0],
        [None, None],
    ]


def test_what_a_function_raises_drops_its_event_and_says_why() -> None:
    rows = [(1, "x", 4.0), (2, "x", -4.0), (3, "x", 8.0)]
    text = "from S select a, esb:fee(d) as v insert into Out;"
    assert values_of(text, rows) == [[1, 1.0], [3, 2.0]]
    (fault,) = faults_of(HEAD + text, rows)
    assert "esb:fee" in fault
    assert "negative" in fault


def test_a_function_may_give_null_for_what_it_raises() -> None:
    rows = [(2, "", 0.0), (0, "", 0.0), (3, "", 0.0)]
    assert values_of("from S select esb:or_null(a) as v insert into Out;", rows) == [[3], [None], [2]]


def test_a_columnar_function_gets_arrays_masked_where_there_are_nulls() -> None:
    rows = [(2, "ab", 0.0), (None, "abc", 0.0), (3, "c", 0.0)]
    assert values_of("from S select esb:scaled(a, t) as v insert into Out;", rows) == [[4.0], [None], [3.0]]


def test_an_aggregator_follows_groups_and_windows() -> None:
    rows = [(5, "x", 0.0), (1, "y", 0.0), (7, "x", 0.0), (6, "x", 0.0)]
    text = "from S#window.length(3) select t, esb:median(a) as m group by t insert into Out;"
    assert values_of(text, rows) == [["x", 5.0], ["y", 1.0], ["x", 7.0], ["x", 7.0]]


def test_a_stream_processor_gives_any_number_of_rows() -> None:
    rows = [(1, "a b", 0.0), (2, "", 0.0), (3, "c", 0.0)]
    text = "from S#esb:words(t) select a, word, place insert into Out;"
    assert values_of(text, rows) == [[1, "a", 0], [1, "b", 1], [3, "c", 0]]


@settings(max_examples=20)
@given(
    rows=st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["x", "y z"]), st.just(0.0)), max_size=10),
    cut=st.integers(0, 10),
)
@pytest.mark.parametrize(
    "query",
    [
        "from S#window.length(3) select t, esb:median(a) as m group by t insert all events into Out;",
        "from S#window.esb:pairs(3) select a, t insert into Out;",
        "from S#esb:words(t)#window.esb:pairs() select word, count() as n insert into Out;",
    ],
)
def test_state_of_foreign_code_goes_on_after_a_restore(query: str, rows: list[tuple[Any, ...]], cut: int) -> None:
    alone = one_by_one(HEAD + query, rows)
    assert one_by_one(HEAD + query, rows, restore_after=cut) == alone


def test_a_window_sets_timers() -> None:
    text = "define stream S (a int); @info(name='q') from S#window.esb:pairs(1) select a insert into Out;"
    # the rows are 1 ms apart: the timer of each fires before the next one comes
    assert one_by_one(text, [(1,), (2,), (3,)]) == [[1001, [1]], [1002, [2]]]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("from S select esb:fee(t) as v insert into Out;", "valid: esb:fee(<double> amount[, <string> kind])"),
        ("from S select esb:fe(d) as v insert into Out;", "esb:fee"),
        ("from S#window.esb:pairs(a) select a insert into Out;", "must be constants"),
        ("from S#esb:words(a) select word insert into Out;", "text takes string, not int"),
    ],
)
def test_a_wrong_call_is_refused_with_what_is_valid(query: str, words: str) -> None:
    with pytest.raises(PlanSemanticError) as caught:
        compile_plan(HEAD + query)
    assert words in str(caught.value)
    assert caught.value.line == 1


def test_a_function_that_is_not_deterministic_is_refused_with_the_reason() -> None:
    with pytest.raises(ExtensionError, match="apply the same log"):
        scalar_function("esb:now", "-> long", deterministic=False)


def test_registrations_that_cannot_be_are_refused() -> None:
    with pytest.raises(ExtensionError, match="namespace:name"):
        scalar_function("fee", "-> long", deterministic=True)
    with pytest.raises(ExtensionError, match="comes along"):
        scalar_function("str:length", "text string -> int", deterministic=True)
    with pytest.raises(ExtensionError, match="does not read"):
        scalar_function("esb:x", "text strin -> int", deterministic=True)
    with pytest.raises(ExtensionError, match="has no remove"):
        aggregator("esb:y", "x int -> int", deterministic=True)(type("Half", (), {"add": lambda self: None}))
    with pytest.raises(ExtensionError, match="twice"):
        scalar_function("esb:fee", "-> double", deterministic=True)(lambda: 1.0)


def test_a_result_of_another_type_is_a_fault() -> None:
    scalar_function("esb:liar", "-> int", deterministic=True)(lambda: "text")
    try:
        (fault,) = faults_of(HEAD + "from S select esb:liar() as v insert into Out;", [(1, "x", 0.0)])
    finally:
        REGISTRY.remove("esb:liar")
    assert "'text', which is no int" in fault
