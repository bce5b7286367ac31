from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eiha.engine import jit
from tests.unit.engine.joins.plain_join import STREAMS, Call, Condition, Event, Fed, PlainJoin, PlainWindow, Values, cut

WINDOWS = {
    "": PlainWindow,
    "#window.length(1)": lambda: PlainWindow(length=1),
    "#window.length(4)": lambda: PlainWindow(length=4),
    "#window.length(200)": lambda: PlainWindow(length=200),
    "#window.time(30)": lambda: PlainWindow(time=30),
    "#window.time(7)": lambda: PlainWindow(time=7),
    "#window.externalTime(ts, 20)": lambda: PlainWindow(external=20),
}

KINDS = {
    "join": (False, False),
    "left outer join": (True, False),
    "right outer join": (False, True),
    "full outer join": (True, True),
}


def less(a: float | None, b: float | None) -> bool:
    return a is not None and b is not None and a < b


CONDITIONS: dict[str, Condition] = {
    "on x.k == y.k": lambda x, y: x[0] is not None and x[0] == y[0],
    "on x.k == y.k and x.v == y.v": lambda x, y: None not in (x[0], x[1]) and x[:2] == y[:2],
    "on x.v == y.ts": lambda x, y: x[1] is not None and x[1] == y[3],
    "on x.w == y.w": lambda x, y: x[2] is not None and x[2] == y[2],
    "on x.k == y.k and x.v < y.v": lambda x, y: x[0] is not None and x[0] == y[0] and less(x[1], y[1]),
    "on x.v < y.v or x.k == y.k": lambda x, y: less(x[1], y[1]) or (x[0] is not None and x[0] == y[0]),
    "on not (x.k == y.k)": lambda x, y: x[0] is None or x[0] != y[0],
    "on x.v > 1": lambda x, y: less(1, x[1]),
    "": lambda x, y: True,
}


@dataclass(frozen=True)
class Joining:
    """One join: its text and the same in plain Python."""

    app: str
    plain: PlainJoin
    kinds: tuple[str, ...]


@st.composite
def joins(draw: st.DrawFn) -> Joining:
    own = draw(st.booleans())
    streams = ("L", "L" if own else "R")
    windows = [draw(st.sampled_from(sorted(WINDOWS))) for _ in streams]
    filters = [draw(st.booleans()) and bool(window) for window in windows]
    kind, condition = draw(st.sampled_from(sorted(KINDS))), draw(st.sampled_from(sorted(CONDITIONS)))
    only = draw(st.sampled_from([None, None, 0, 1]))
    events = draw(st.sampled_from(["current", "expired", "all"]))
    sides = [
        f"{stream}{'[v != 2]' if filtered else ''}{window} as {name}{' unidirectional' if only == side else ''}"
        for side, (stream, window, filtered, name) in enumerate(zip(streams, windows, filters, "xy", strict=True))
    ]
    app = (
        f"@app:playback {STREAMS} from {sides[0]} {kind} {sides[1]} {condition} "
        f"select x.k as a, x.v as b, y.k as c, y.v as d insert {events} events into Out;"
    )
    plain = PlainJoin(
        streams,
        (WINDOWS[windows[0]](), WINDOWS[windows[1]]()),
        tuple([(lambda values: values[1] != 2) if each else (lambda values: True) for each in filters]),  # type: ignore[arg-type]
        KINDS[kind],
        (only != 1, only != 0),
        CONDITIONS[condition],
    )
    wanted = {"current": ("CURRENT",), "expired": ("EXPIRED",), "all": ("CURRENT", "EXPIRED")}[events]
    return Joining(app, plain, wanted)


@st.composite
def inputs(draw: st.DrawFn, lateness: tuple[int, ...] = (0,)) -> list[Call]:
    now = 1000
    calls: list[Call] = []
    for _ in range(draw(st.integers(1, 8))):
        events: list[Event] = []
        for _ in range(draw(st.integers(1, 12))):
            now += draw(st.sampled_from([0, 0, 1, 3, 9, 40]))
            key = draw(st.sampled_from([None, "a", "a", "b", "c"]))
            number = draw(st.sampled_from([None, 0, 1, 2, 3]))
            share = draw(st.sampled_from([None, 0.0, -0.0, 0.5]))
            values: Values = (key, number, share, draw(st.sampled_from([now, now - 15, 1, 2])))
            events.append((now - draw(st.sampled_from(lateness)), values))
        calls.append(Call(draw(st.sampled_from("LR")), events))
    return calls


@given(joining=joins(), calls=inputs())
@settings(deadline=None, max_examples=80)
def test_a_join_puts_out_what_joining_one_event_at_a_time_gives(joining: Joining, calls: list[Call]) -> None:
    expected = [
        (at, values)
        for call in calls
        for event in call.events
        for kind, at, values in joining.plain.event(call.stream, event)
        if kind in joining.kinds
    ]
    assert Fed(joining.app).feed(calls) == expected


@given(joining=joins(), calls=inputs((0, 0, 0, 4, 30)), sizes=st.lists(st.integers(1, 5), min_size=1, max_size=3))
@settings(deadline=None, max_examples=40)
def test_cuts_snapshots_and_interpretation_change_nothing(
    joining: Joining, calls: list[Call], sizes: list[int]
) -> None:
    whole = Fed(joining.app).feed(calls)
    assert Fed(joining.app).feed(cut(calls, sizes)) == whole
    assert Fed(joining.app).feed(calls, saves=lambda number: number % 2 == 1) == whole
    with jit.interpreted():
        assert Fed(joining.app).feed(cut(calls, sizes), saves=lambda number: number % 3 == 1) == whole


ANY_WINDOW = [
    "",
    "#window.length(3)",
    "#window.time(25)",
    "#window.timeLength(25, 3)",
    "#window.lengthBatch(3)",
    "#window.lengthBatch(2, true)",
    "#window.timeBatch(20)",
    "#window.batch()",
    "#window.sort(3, v)",
    "#window.delay(12)",
    "#window.session(15 milliseconds)",
    "#window.externalTimeBatch(ts, 20)",
    "#window.frequent(2, k)",
]

SELECTS = [
    "select x.k as a, x.v as b, y.k as c, y.v as d",
    "select x.k as a, sum(y.v) as s, count() as n group by x.k",
    "select max(y.v) as m, min(x.w) as w, count() as n",
    "select x.k as a, y.v as d having y.w is null or y.v > 0",
    "select x.v as b, y.v as d order by d desc, b limit 2",
    "select y is null as n, x is null as m, y.v as d",
    "select x.k as a, sum(y.v) as s group by x.k, y.k having s > 1L order by a limit 3 offset 1",
]


@given(
    left=st.sampled_from(ANY_WINDOW),
    right=st.sampled_from(ANY_WINDOW),
    kind=st.sampled_from(sorted(KINDS)),
    condition=st.sampled_from(sorted(CONDITIONS)),
    select=st.sampled_from(SELECTS),
    events=st.sampled_from(["current", "expired", "all"]),
    own=st.booleans(),
    calls=inputs((0, 0, 0, 4, 30)),
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=3),
)
@settings(deadline=None, max_examples=60)
def test_windows_of_all_kinds_may_be_cut_and_carried_anywhere(
    left: str,
    right: str,
    kind: str,
    condition: str,
    select: str,
    events: str,
    own: bool,
    calls: list[Call],
    sizes: list[int],
) -> None:
    app = (
        f"@app:playback {STREAMS} from L{left} as x {kind} {'L' if own else 'R'}{right} as y {condition} "
        f"{select} insert {events} events into Out;"
    )
    whole = Fed(app).feed(calls)
    assert Fed(app).feed(cut(calls, sizes)) == whole
    assert Fed(app).feed(calls, saves=lambda number: number % 2 == 1) == whole


def test_a_chunk_of_many_rows_gives_a_span_for_each() -> None:
    """More spans than there are chunk numbers."""
    app = (
        f"{STREAMS} from L#window.lengthBatch(3000) as x join R#window.length(2) as y on x.k == y.k "
        "select count() as n insert into Out;"
    )
    rows: list[Event] = [(1000 + number, ("a", number, 0.5, number)) for number in range(3000)]
    partners: list[Event] = [(1, ("a", 1, 0.5, 1)), (2, ("a", 2, 0.5, 2))]
    out = Fed(app).feed([Call("R", partners), Call("L", rows)])
    assert [values for _, values in out] == [(2 * number,) for number in range(1, 3001)]


@pytest.mark.parametrize("stream", ["R", "L"])
def test_a_unidirectional_join_puts_out_for_its_own_side_only(stream: str) -> None:
    sides = "L#window.length(5) as x unidirectional join R#window.length(5) as y"
    app = f"{STREAMS} from {sides} select x.v insert into Out;"
    event: Event = (5, ("a", 1, 0.5, 1))
    other = "L" if stream == "R" else "R"
    out = Fed(app).feed([Call(other, [event]), Call(stream, [event])])
    assert [values for _, values in out] == ([(1,)] if stream == "L" else [])
