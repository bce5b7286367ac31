"""Every window does, compiled and interpreted, whole and in pieces, what the row-by-row one does."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eiha.engine import jit
from eiha.engine.windows.factory import make_window
from eiha.engine.windows.findable import FindableWindow
from eiha.errors import PlanSemanticError, UnsupportedConstruct
from eiha.events.schema import AttributeType
from eiha.events.strings import StringTable
from eiha.plan.expressions import AttributeRef, Expression, Literal
from eiha.plan.nodes import Window
from eiha.siddhiql.span import Span
from tests.unit.engine.windows.row_by_row import (
    SCHEMA,
    Call,
    Oracle,
    Row,
    as_rows,
    cut,
    run_operator,
    run_oracle,
    scripts,
)

Put = list[tuple[str, Row]]


def integer(value: int) -> Literal:
    return Literal(value, AttributeType.INT)


def flag(value: bool) -> Literal:
    return Literal(value, AttributeType.BOOL)


STAMP = AttributeRef(0, 2, "stamp", AttributeType.LONG)


def expired(rows: list[Row], at: int) -> Put:
    return [("EXPIRED", (at, values)) for _, values in rows]


def current(rows: list[Row]) -> Put:
    return [("CURRENT", row) for row in rows]


class Length(Oracle):
    def __init__(self, playback: bool, length: int) -> None:
        super().__init__(playback)
        self.length = length

    def chunk(self, now: int, rows: list[Row]) -> list[Put]:
        out: Put = []
        for row in rows:
            if self.length == 0:
                out += expired([row], row[0])
            elif len(self.held) == self.length:
                out += expired([self.held.pop(0)], now)
            if self.length:
                self.held.append(row)
            out += current([row])
        return [out]


class LengthBatch(Oracle):
    def __init__(self, playback: bool, length: int, streams: bool) -> None:
        super().__init__(playback)
        self.length, self.streams = length, streams
        self.before: list[Row] = []

    def content(self) -> list[Row]:
        return self.held if self.streams else self.before

    def chunk(self, now: int, rows: list[Row]) -> list[Put]:
        chunks: list[Put] = []
        for row in rows:
            if self.streams:
                out: Put = []
                if len(self.held) == self.length:
                    out = [*expired(self.held, now), ("RESET", (now, self.held[0][1]))]
                    self.held = []
                self.held.append(row)
                chunks.append([*out, ("CURRENT", row)])
                continue
            self.held.append(row)
            if len(self.held) == self.length:
                chunks.append([*expired(self.before, now), ("RESET", (now, self.held[0][1])), *current(self.held)])
                self.before, self.held = self.held, []
        return chunks


class Time(Oracle):
    def __init__(self, playback: bool, length: int) -> None:
        super().__init__(playback)
        self.length = length
        self.record = -(10**9)
        self.queue: list[int] = []

    def leave(self, now: int) -> Put:
        out: Put = []
        while self.held and self.held[0][0] + self.length <= now:
            out += expired([self.held.pop(0)], now)
        return out

    def timers(self, now: int) -> list[Put]:
        chunks: list[Put] = []
        while self.queue and self.queue[0] <= now:
            at = now if self.playback else max(self.queue[0], self.clock)
            self.queue.pop(0)
            self.clock = max(self.clock, at)
            chunks.append(self.leave(at))
        return [chunk for chunk in chunks if chunk]

    def chunk(self, now: int, rows: list[Row]) -> list[Put]:
        out: Put = []
        for row in rows:
            out += self.leave(now)
            if row[0] > self.record:
                self.record = row[0]
                self.queue.append(row[0] + self.length)
            self.held.append(row)
            out += current([row])
        return [out]


class TimeLength(Oracle):
    """Rows wait in a list; timers in another, whoever set them."""

    def __init__(self, playback: bool, length: int, most: int) -> None:
        super().__init__(playback)
        self.length, self.most = length, most
        self.record = -(10**9)
        self.queue: list[int] = []

    def leave(self, now: int) -> Put:
        out: Put = []
        while self.held and self.held[0][0] + self.length <= now:
            out += expired([self.held.pop(0)], now)
        return out

    def timers(self, now: int) -> list[Put]:
        chunks: list[Put] = []
        while self.queue and self.queue[0] <= now:
            at = now if self.playback else max(self.queue[0], self.clock)
            self.queue.pop(0)
            self.clock = max(self.clock, at)
            chunks.append(self.leave(at))
        return [chunk for chunk in chunks if chunk]

    def chunk(self, now: int, rows: list[Row]) -> list[Put]:
        out: Put = []
        for row in rows:
            out += self.leave(now)
            if self.held and len(self.held) >= self.most:
                out += expired([self.held.pop(0)], now)
            if row[0] > self.record:
                self.record = row[0]
                self.queue.append(row[0] + self.length)
            if self.most:
                self.held.append(row)
            out += current([row])
        return [out]


class Delay(Time):
    def chunk(self, now: int, rows: list[Row]) -> list[Put]:
        out = super().chunk(now, rows)[0]
        return [[("CURRENT", row) for kind, row in out if kind == "EXPIRED"]]

    def timers(self, now: int) -> list[Put]:
        return [[("CURRENT", row) for _, row in chunk] for chunk in super().timers(now)]


class Batch(Oracle):
    def __init__(self, playback: bool, length: int) -> None:
        super().__init__(playback)
        self.length = length
        self.before: list[Row] = []
        self.reset: Row | None = None

    def content(self) -> list[Row]:
        return self.before

    def chunk(self, now: int, rows: list[Row]) -> list[Put]:
        chunks: list[Put] = []
        size = self.length or len(rows)
        leaving, self.before = self.before, rows
        for begin in range(0, len(rows), size):
            piece = rows[begin : begin + size]
            chunks.append([*expired(leaving, now), *([("RESET", self.reset)] if self.reset else []), *current(piece)])
            leaving, self.reset = [], piece[0]
        return chunks


class ExternalTime(Oracle):
    def __init__(self, playback: bool, length: int) -> None:
        super().__init__(playback)
        self.length = length

    def chunk(self, now: int, rows: list[Row]) -> list[Put]:
        out: Put = []
        for row in rows:
            while self.held and self.held[0][1][2] + self.length <= row[1][2]:
                out += expired([self.held.pop(0)], row[1][2])
            self.held.append(row)
            out += current([row])
        return [out]


class TimeBatch(Oracle):
    def __init__(self, playback: bool, length: int, start: int | None, streams: bool) -> None:
        super().__init__(playback)
        self.length, self.start, self.streams = length, start, streams
        self.before: list[Row] = []
        self.end: int | None = None

    def content(self) -> list[Row]:
        return self.held if self.streams else self.before

    def finish(self, at: int) -> Put:
        if self.streams:
            out = expired(self.held, at) + ([("RESET", self.held[0])] if self.held else [])
            self.held = []
            return out
        out = expired(self.before, at)
        if self.held:
            out += [("RESET", self.held[0]), *current(self.held)]
        self.before, self.held = self.held, []
        return out

    def timers(self, now: int) -> list[Put]:
        chunks: list[Put] = []
        while self.end is not None and self.end <= now:
            at = now if self.playback else max(self.end, self.clock)
            self.clock = max(self.clock, at)
            chunks.append(self.finish(at))
            self.end += self.length
        return [chunk for chunk in chunks if chunk]

    def chunk(self, now: int, rows: list[Row]) -> list[Put]:
        if self.end is None:
            self.end = now + self.length - (0 if self.start is None else (now - self.start) % self.length)
        ends = now >= self.end
        if ends:
            self.end += self.length
        out: Put = []
        if self.streams:
            out += self.finish(now) if ends else []
            self.held += rows
            return [out + current(rows)]
        self.held += rows
        return [self.finish(now)] if ends else []


CASES: dict[str, tuple[str, tuple[Expression, ...], Callable[[bool], Oracle]]] = {
    "length 0": ("length", (integer(0),), lambda playback: Length(playback, 0)),
    "length 1": ("length", (integer(1),), lambda playback: Length(playback, 1)),
    "length 3": ("length", (integer(3),), lambda playback: Length(playback, 3)),
    "lengthBatch 1": ("lengthBatch", (integer(1),), lambda playback: LengthBatch(playback, 1, False)),
    "lengthBatch 3": ("lengthBatch", (integer(3),), lambda playback: LengthBatch(playback, 3, False)),
    "lengthBatch 3 streaming": (
        "lengthBatch",
        (integer(3), flag(True)),
        lambda playback: LengthBatch(playback, 3, True),
    ),
    "time 0": ("time", (integer(0),), lambda playback: Time(playback, 0)),
    "time 10": ("time", (integer(10),), lambda playback: Time(playback, 10)),
    "time 60": ("time", (integer(60),), lambda playback: Time(playback, 60)),
    "timeBatch 10": ("timeBatch", (integer(10),), lambda playback: TimeBatch(playback, 10, None, False)),
    "timeBatch 30 from 5": (
        "timeBatch",
        (integer(30), integer(5)),
        lambda playback: TimeBatch(playback, 30, 5, False),
    ),
    "timeBatch 30 streaming": (
        "timeBatch",
        (integer(30), flag(True)),
        lambda playback: TimeBatch(playback, 30, None, True),
    ),
    "timeLength 60 3": (
        "timeLength",
        (integer(60), integer(3)),
        lambda playback: TimeLength(playback, 60, 3),
    ),
    "timeLength 20 0": (
        "timeLength",
        (integer(20), integer(0)),
        lambda playback: TimeLength(playback, 20, 0),
    ),
    "delay 15": ("delay", (integer(15),), lambda playback: Delay(playback, 15)),
    "batch": ("batch", (), lambda playback: Batch(playback, 0)),
    "batch 2": ("batch", (integer(2),), lambda playback: Batch(playback, 2)),
    "externalTime 10": ("externalTime", (STAMP, integer(10)), lambda playback: ExternalTime(playback, 10)),
}


def strings() -> StringTable:
    """Names as the scripts number them."""
    return StringTable(f"name{number * 7 % 100}" for number in range(100))


def make(case: str, playback: bool) -> FindableWindow:
    name, arguments, _ = CASES[case]
    return make_window(Window(name, arguments), SCHEMA, playback, strings=strings())


@pytest.mark.parametrize("playback", [True, False], ids=["playback", "live"])
@pytest.mark.parametrize("case", CASES)
@given(calls=scripts())
@settings(deadline=None, max_examples=12)
def test_a_window_puts_out_what_feeding_rows_one_by_one_gives(case: str, playback: bool, calls: list[Call]) -> None:
    expectation = run_oracle(CASES[case][2](playback), calls)
    assert run_operator(make(case, playback), calls) == expectation
    with jit.interpreted():
        assert run_operator(make(case, playback), calls) == expectation


@pytest.mark.parametrize("case", CASES)
@given(calls=scripts(caused=False), playback=st.booleans())
@settings(deadline=None, max_examples=12)
def test_neither_cuts_nor_a_carried_state_change_what_comes_out(case: str, playback: bool, calls: list[Call]) -> None:
    whole = run_operator(make(case, playback), calls)
    assert run_operator(make(case, playback), cut(calls)) == whole
    assert run_operator(make(case, playback), cut(calls), lambda: make(case, playback)) == whole


@pytest.mark.parametrize("case", [case for case in CASES if "atch" in case])
@given(calls=scripts(), playback=st.booleans())
@settings(deadline=None, max_examples=12)
def test_without_a_wish_for_expired_rows_only_they_are_missing(case: str, playback: bool, calls: list[Call]) -> None:
    name, arguments, _ = CASES[case]
    operator = make_window(Window(name, arguments), SCHEMA, playback, strings=strings(), wants_expired=False)
    with_expired = run_operator(make(case, playback), calls)

    def without_numbers(rows: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
        # a reset carries the values of some row of its chunk
        return [row[1:] if row[1] != "RESET" else ("RESET",) for row in rows if row[1] != "EXPIRED"]

    assert without_numbers(run_operator(operator, calls)) == without_numbers(with_expired)  # type: ignore[arg-type]


@pytest.mark.parametrize("playback", [True, False], ids=["playback", "live"])
@pytest.mark.parametrize("case", CASES)
@given(calls=scripts())
@settings(deadline=None, max_examples=12)
def test_a_search_finds_the_rows_that_a_window_holds(case: str, playback: bool, calls: list[Call]) -> None:
    oracle, window = CASES[case][2](playback), make(case, playback)
    for call in calls:
        run_oracle(oracle, [call])
        run_operator(window, [call])
        found = [(timestamp, values) for _, _, timestamp, values in as_rows(window.content(), None)]
        assert found == oracle.content()


SPAN = Span(3, 17, 0, 0)
TEXT = Literal("x", AttributeType.STRING)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("length", (), "length does not take 0 arguments; valid: length"),
        ("length", (Literal(2, AttributeType.LONG),), "the length must be an int constant, not the long 2"),
        ("length", (AttributeRef(0, 1, "price", AttributeType.DOUBLE),), "not the double attribute 'price'"),
        ("lengthBatch", (integer(3), integer(1)), "stream.current.event must be true or false, not the int 1"),
        ("time", (Literal(200.0, AttributeType.DOUBLE),), "the time must be an int or long constant"),
        ("time", (integer(1), integer(2)), "does not take 2 arguments"),
        ("timeBatch", (integer(400), TEXT), "the start time must be an int or long constant, not the string 'x'"),
        ("timeBatch", (integer(0),), "the time must be above 0"),
        ("externalTime", (integer(100), integer(100)), "the timestamp must be a long attribute, not the int 100"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_with_the_valid_forms(
    name: str, arguments: tuple[Expression, ...], message: str
) -> None:
    with pytest.raises(PlanSemanticError, match=r"line 3, column 17.*valid: ") as caught:
        make_window(Window(name, arguments, SPAN), SCHEMA, True, strings=strings())
    assert message in caught.value.message


def test_a_window_that_does_not_exist_yet_is_named() -> None:
    with pytest.raises(UnsupportedConstruct) as caught:
        make_window(Window("nosuch", (TEXT,), SPAN), SCHEMA, True, strings=strings())
    assert caught.value.construct == "window.nosuch"
