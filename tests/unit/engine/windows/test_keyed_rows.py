"""``unique:`` windows, ``hopping`` and ``reorder:kslack`` against what a child would write, one row at a time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from eiha.engine.windows.expression import ExpressionWindow
from eiha.engine.windows.extension_factory import make_extension_window
from eiha.engine.windows.hopping import HoppingWindow
from eiha.engine.windows.length import LengthWindow
from eiha.engine.windows.reorder import KSlack
from eiha.engine.windows.unique import UniqueWindow
from eiha.plan.nodes import Window
from eiha.plan.refusals import Refusals
from eiha.plan.scopes import StreamScope
from eiha.plan.window_expressions import with_condition
from eiha.siddhiql.span import NO_SPAN
from tests.unit.engine.windows.row_by_row import SCHEMA, Call, Oracle, Row, as_rows, cut, run_operator, run_oracle
from tests.unit.engine.windows.test_window_laws import constant, few_names, names

Chunk = list[tuple[str, Row]]


class UniqueRows(Oracle):
    """Keyed by name; without a time."""

    def __init__(self, most: int | None, first: bool) -> None:
        super().__init__(playback=True)
        self.most = most
        self.first = first

    def chunk(self, now: int, rows: list[Row]) -> list[Chunk]:
        out: Chunk = []
        for row in rows:
            same = [each for each in self.held if each[1][0] == row[1][0]]
            if self.first and same:
                continue
            if same:
                self.leave(same[0], now, out)
            elif self.most is not None and len(self.held) >= self.most:
                self.leave(self.held[0], now, out)
            self.held.append(row)
            out.append(("CURRENT", row))
        return [out]

    def leave(self, row: Row, now: int, out: Chunk) -> None:
        self.held = [each for each in self.held if each is not row]
        out.append(("EXPIRED", (now, row[1])))


class SlackRows(Oracle):
    """By stamp; without a timeout."""

    def __init__(self) -> None:
        super().__init__(playback=True)
        self.slack = self.greatest = 0
        self.fresh: list[int] = []
        self.waiting: list[Row] = []

    def chunk(self, now: int, rows: list[Row]) -> list[Chunk]:
        out: Chunk = []
        for row in rows:
            self.waiting.append(row)
            self.fresh.append(row[1][2])
            if row[1][2] > self.greatest:
                self.greatest = row[1][2]
                self.slack = max(self.slack, self.greatest - min(self.fresh))
                self.fresh = []
                due = [each for each in self.waiting if each[1][2] <= self.greatest - self.slack]
                self.waiting = [each for each in self.waiting if each[1][2] > self.greatest - self.slack]
                out += [("CURRENT", each) for each in sorted(due, key=lambda each: each[1][2])]
        return [out]


@pytest.mark.parametrize(("most", "first"), [(None, False), (None, True), (1, False), (3, False)])
@given(calls=few_names())
@settings(deadline=None, max_examples=30)
def test_a_key_has_one_row(most: int | None, first: bool, calls: list[Call]) -> None:
    calls = [call for call in calls if call.chunks]
    window = UniqueWindow(SCHEMA, (0,), names(), playback=True, most=most, first=first)
    oracle = UniqueRows(most, first)
    expected = run_oracle(oracle, calls)
    assert run_operator(window, calls) == expected
    assert [values for *_, values in as_rows(window.content(), None)] == [values for _, values in oracle.held]


@given(calls=few_names())
@settings(deadline=None, max_examples=30)
def test_rows_wait_for_as_long_as_one_was_late(calls: list[Call]) -> None:
    calls = [call for call in calls if call.chunks]
    assert run_operator(KSlack(SCHEMA, 2, playback=True), calls) == run_oracle(SlackRows(), calls)


@pytest.mark.parametrize("playback", [True, False])
def test_each_hop_puts_out_the_latest_rows(playback: bool) -> None:
    def at(now: int) -> Call:
        return Call(now, [[(now, (1, None, now))]])

    window = HoppingWindow(SCHEMA, 30, 20, playback=playback)
    out = run_operator(window, [at(1_000), at(1_010), at(1_025), Call(1_040), Call(1_060), Call(1_200)])
    found: dict[int, list[tuple[str, int]]] = {}
    for _, kind, timestamp, (_, _, stamp) in out:
        found.setdefault(timestamp if kind != "CURRENT" else 0, []).append((kind, stamp))
    first, second, third = (1_025, 1_040, 1_060) if playback else (1_020, 1_040, 1_060)
    assert found[0] == [("CURRENT", each) for each in (1_000, 1_010, 1_025)]
    assert found[first] == [("RESET", 1_000)]
    assert found[second] == [("EXPIRED", 1_000), ("EXPIRED", 1_010), ("RESET", 1_025)]
    assert found[third] == [("EXPIRED", 1_025)]


@pytest.mark.parametrize("compared", ["count() <= 3", "count() < 4"])
@given(calls=few_names())
@settings(deadline=None, max_examples=20)
def test_an_expression_that_counts_rows_is_a_length(compared: str, calls: list[Call]) -> None:
    refusals = Refusals("")
    arguments = with_condition(
        "expression", (constant(compared),), NO_SPAN, StreamScope("S", SCHEMA, refusals), refusals
    )
    made = make_extension_window(Window("expression", arguments), SCHEMA, True, names())
    assert isinstance(made, LengthWindow)
    expected = run_operator(ExpressionWindow(SCHEMA, arguments[1:], names(), playback=True), calls)
    assert run_operator(made, cut(calls)) == expected
