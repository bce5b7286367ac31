"""Patterns and sequences put out what a search from each beginning finds: in either mode, from any cut or snapshot.

The search is written case by case from the meaning of the words, not from how matches wait.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eiha.engine import jit
from eiha.engine.expressions.rows import EntryIdentity
from eiha.engine.lower import lower
from eiha.engine.plan_runtime import PlanRuntime
from eiha.engine.snapshot import decode_state, encode_state
from eiha.events.batch import EventBatch
from eiha.events.column import make_column
from eiha.events.schema import AttributeType
from eiha.events.strings import StringTable
from eiha.plan.compilation import compile_plan

DEFINITIONS = "@app:playback " + "".join(f"define stream {each} (k int, n int); " for each in "ABC")
AFTER_ALL_MS = 1_000_000


@dataclass(frozen=True)
class Event:
    ts: int
    stream: str
    k: int | None
    n: int | None


Values = tuple[object, ...]
Found = tuple[int, Values]
"""Timestamp and what is selected."""
Search = Callable[[list[Event]], list[Found]]


def at_least(left: int | None, right: int | None) -> bool:
    return left is not None and right is not None and left >= right


def above(left: int | None, right: int | None) -> bool:
    return left is not None and right is not None and left > right


def equal(left: int | None, right: int | None) -> bool:
    return left is not None and left == right


def beginnings(events: list[Event], stream: str) -> list[int]:
    return [place for place, event in enumerate(events) if event.stream == stream]


def first_after(events: list[Event], start: int, wanted: Callable[[Event], bool]) -> int | None:
    return next((place for place in range(start + 1, len(events)) if wanted(events[place])), None)


def in_order(found: list[tuple[int, int | tuple[int, int], int, Values]]) -> list[Found]:
    """Of (place of completion, since when it waited, timestamp, values): those first that waited longest."""
    return [(ts, values) for _, _, ts, values in sorted(found, key=lambda each: each[:2])]


# --- searches


def counted_in_the_middle(events: list[Event], least: int, most: int) -> list[Found]:
    found = []
    for start in beginnings(events, "A"):
        taken: list[Event] = []
        for place in range(start + 1, len(events)):
            event = events[place]
            if event.stream == "C" and len(taken) >= least and at_least(event.n, events[start].n):
                values = (events[start].n, tuple(each.n for each in taken), event.n)
                found.append((place, start, event.ts, values))
                break
            if event.stream == "B" and len(taken) < most and equal(event.k, events[start].k):
                taken.append(event)
    return in_order(found)


def counted_at_the_start(events: list[Event], least: int, most: int) -> list[Found]:
    """The next one begins after the event with which one has enough."""
    places = beginnings(events, "A")
    found = []
    for first in range(0, len(places), least):
        mine = places[first:]
        if len(mine) < least:
            break
        end = first_after(events, mine[least - 1], lambda event: event.stream == "B")
        if end is not None:
            taken = [place for place in mine if place < end][:most]
            values = (events[taken[0]].n, events[taken[-1]].n, len(taken) > 2, events[end].n)
            found.append((end, mine[0], events[end].ts, values))
    return in_order(found)


def counted_at_the_end(events: list[Event], least: int) -> list[Found]:
    found = []
    for start in beginnings(events, "A"):
        taken = [place for place in range(start + 1, len(events)) if events[place].stream == "B"][:least]
        if len(taken) == least:
            values = (events[start].n, tuple(events[place].n for place in taken))
            found.append((taken[-1], start, events[taken[-1]].ts, values))
    return in_order(found)


def both_after(events: list[Event]) -> list[Found]:
    found = []
    for start in beginnings(events, "A"):
        mine = events[start]
        left = first_after(events, start, lambda event, own=mine: event.stream == "B" and equal(event.k, own.k))
        right = first_after(events, start, lambda event, own=mine: event.stream == "C" and above(event.n, own.n))
        if left is not None and right is not None:
            end = max(left, right)
            found.append((end, start, events[end].ts, (mine.n, events[left].n, events[right].n)))
    return in_order(found)


def either_after(events: list[Event]) -> list[Found]:
    found = []
    for start in beginnings(events, "A"):
        mine = events[start]
        end = first_after(
            events,
            start,
            lambda event, own=mine: (event.stream == "B" and equal(event.k, own.k)) or event.stream == "C",
        )
        if end is not None:
            is_left = events[end].stream == "B"
            left, right = (events[end].n, None) if is_left else (None, events[end].n)
            found.append((end, start, events[end].ts, (mine.n, left, right, not is_left)))
    return in_order(found)


def without(events: list[Event]) -> list[Found]:
    found = []
    for start in beginnings(events, "A"):
        mine = events[start]
        end = first_after(events, start, lambda event: event.stream == "C")
        spoilt = first_after(events, start, lambda event, own=mine: event.stream == "B" and equal(event.k, own.k))
        if end is not None and (spoilt is None or end < spoilt):
            found.append((end, start, events[end].ts, (mine.n, events[end].n)))
    return in_order(found)


def silence(events: list[Event]) -> list[Found]:
    """An event that comes just when the wait is over comes too late to spoil it."""
    found = []
    for start in beginnings(events, "A"):
        mine = events[start]
        spoilt = first_after(events, start, lambda event, own=mine: event.stream == "B" and equal(event.k, own.k))
        if spoilt is None or events[spoilt].ts >= mine.ts + 20:
            found.append((mine.ts + 20, start, mine.ts + 20, (mine.n,)))
    return in_order(found)


def silence_then(events: list[Event]) -> list[Found]:
    found = []
    for start in beginnings(events, "A"):
        mine = events[start]
        spoilt = first_after(events, start, lambda event: event.stream == "B")
        end = first_after(
            events,
            start,
            lambda event, own=mine: event.stream == "C" and event.ts >= own.ts + 20 and event.n is not None,
        )
        if end is not None and (spoilt is None or events[spoilt].ts >= mine.ts + 20):
            found.append((end, start, events[end].ts, (mine.n, events[end].n)))
    return in_order(found)


def chain_within(events: list[Event]) -> list[Found]:
    found = []
    for start in beginnings(events, "A"):
        mine = events[start]
        middle = first_after(events, start, lambda event, own=mine: event.stream == "B" and above(event.n, own.n))
        end = None if middle is None else first_after(events, middle, lambda event: event.stream == "C")
        if middle is not None and end is not None and events[end].ts - mine.ts <= 15:
            found.append((end, (middle, start), events[end].ts, (mine.n, events[middle].n, events[end].n)))
    return in_order(found)


def in_a_row(events: list[Event], fits: list[Callable[[list[Event]], bool]]) -> list[Found]:
    """All named streams count as one: those that the sequence does not read are left out by the caller."""
    found = []
    for start in range(len(events) - len(fits) + 1):
        row = events[start : start + len(fits)]
        if all(fit(row[: place + 1]) for place, fit in enumerate(fits)):
            found.append((row[-1].ts, tuple(event.n for event in row)))
    return found


def rising_pairs(events: list[Event]) -> list[Found]:
    return in_a_row(
        [event for event in events if event.stream == "A"],
        [lambda row: above(row[0].n, 1), lambda row: above(row[1].n, row[0].n)],
    )


def peaks_within(events: list[Event]) -> list[Found]:
    return in_a_row(
        [event for event in events if event.stream == "A"],
        [
            lambda _: True,
            lambda row: above(row[1].n, row[0].n),
            lambda row: above(row[1].n, row[2].n) and row[2].ts - row[0].ts <= 15,
        ],
    )


def two_streams_in_a_row(events: list[Event]) -> list[Found]:
    return in_a_row(
        [event for event in events if event.stream in "AB"],
        [lambda row: row[0].stream == "A", lambda row: row[1].stream == "B" and equal(row[1].k, row[0].k)],
    )


def runs(events: list[Event]) -> list[Found]:
    """``every A+, B``: a run of A that a B ends, from its first event."""
    found = []
    run: list[Event] = []
    for event in events:
        if event.stream == "A":
            run.append(event)
        elif event.stream == "B":
            if run:
                found.append((event.ts, (run[0].n, run[-1].n, len(run) > 2, event.n)))
            run = []
    return found


def exact_pairs_then(events: list[Event]) -> list[Found]:
    """``every A<2>, B``: two A and a B, tried from the first A of a run on, two by two."""
    found = []
    run: list[Event] = []
    for event in [each for each in events if each.stream in "AB"]:
        if event.stream == "A":
            run = [event] if len(run) == 2 else [*run, event]
        else:
            if len(run) == 2:
                found.append((event.ts, (run[0].n, run[1].n, event.n)))
            run = []
    return found


CASES: dict[str, tuple[str, Search]] = {
    "a counted step in the middle": (
        "every e1=A -> e2=B[k == e1.k]<1:2> -> e3=C[n >= e1.n] select e1.n as a, e2.n as b, e3.n as c",
        lambda events: counted_in_the_middle(events, 1, 2),
    ),
    "a counted step at the start": (
        "every e1=A<2:3> -> e2=B select e1[0].n as a, e1[last].n as b, not (e1[2] is null) as c, e2.n as d",
        lambda events: counted_at_the_start(events, 2, 3),
    ),
    "a counted step at the end": (
        "every e1=A -> e2=B<2:> select e1.n as a, e2.n as b",
        lambda events: counted_at_the_end(events, 2),
    ),
    "and": ("every e1=A -> e2=B[k == e1.k] and e3=C[n > e1.n] select e1.n as a, e2.n as b, e3.n as c", both_after),
    "or": (
        "every e1=A -> e2=B[k == e1.k] or e3=C select e1.n as a, e2.n as b, e3.n as c, e2 is null as d",
        either_after,
    ),
    "and not": ("every e1=A -> not B[k == e1.k] and e2=C select e1.n as a, e2.n as b", without),
    "and not, swapped": ("every e1=A -> e2=C and not B[k == e1.k] select e1.n as a, e2.n as b", without),
    "not for, at the end": ("every e1=A -> not B[k == e1.k] for 20 milliseconds select e1.n as a", silence),
    "not for, in the middle": (
        "every e1=A -> not B for 20 milliseconds -> e2=C[not (n is null)] select e1.n as a, e2.n as b",
        silence_then,
    ),
    "within": (
        "every e1=A -> e2=B[n > e1.n] -> e3=C within 15 milliseconds select e1.n as a, e2.n as b, e3.n as c",
        chain_within,
    ),
    "a sequence of one stream": ("every e1=A[n > 1], e2=A[n > e1.n] select e1.n as a, e2.n as b", rising_pairs),
    "a sequence with within": (
        "every e1=A, e2=A[n > e1.n], e3=A[n < e2.n] within 15 milliseconds select e1.n as a, e2.n as b, e3.n as c",
        peaks_within,
    ),
    "a sequence of two streams": ("every e1=A, e2=B[k == e1.k] select e1.n as a, e2.n as b", two_streams_in_a_row),
    "a sequence with +": (
        "every e1=A+, e2=B select e1[0].n as a, e1[last].n as b, not (e1[2] is null) as c, e2.n as d",
        runs,
    ),
    "a sequence with a count": ("every e1=A<2>, e2=B select e1[0].n as a, e1[1].n as b, e2.n as c", exact_pairs_then),
}

ANY_ORDER = frozenset({"a counted step in the middle"})

UNSEARCHED = (
    "e1=A -> e2=B<0:2> -> e3=C select e1.n as a, e2.n as b, e3.n as c",
    "every (e1=A -> e2=B or e3=C) within 20 milliseconds select e1.n as a, e2.n as b, e3.n as c",
    "every (e1=A -> not B for 10 milliseconds) select e1.n as a",
    "every e1=A -> not B for 10 milliseconds and e2=C select e1.n as a, e2.n as b",
    "every e1=A -> e2=C or not B for 10 milliseconds select e1.n as a, e2.n as b",
    "not A for 10 milliseconds -> e1=B select e1.n as a",
    "every e1=A<2:3> -> e2=B within 20 milliseconds select e1.n as a, e2.n as b",
    "every e1=A and e2=B -> e3=C[n > e1.n] within 20 milliseconds select e1.n as a, e2.n as b, e3.n as c",
    "every e1=A?, e2=B select e1.n as a, e2.n as b",
    "every e1=A, e2=A[n >= e2[last].n or e2[last].n is null]+, e3=A[n < e2[last].n] select e1.n as a, e2.n as b",
    "every e1=A, e2=B* , e3=C select e1.n as a, e2.n as b, e3.n as c",
    "every e1=A, not B for 10 milliseconds select e1.n as a",
    "every e1=A, e2=B and e3=C select e1.n as a, e2.n as b, e3.n as c",
    "e1=A, e2=A[e2[0].k == e1.k]<1:2>, e3=B select e1.n as a, e2.n as b, e3.n as c",
)
"""Forms for which only cuts, snapshots and modes are compared."""


# --- running


def start(query: str, strings: StringTable) -> PlanRuntime:
    plan = compile_plan(f"{DEFINITIONS} from {query} insert into Out;", name="p")
    return lower(plan, strings, EntryIdentity("p"), keep=frozenset({"Out"}))


def batch_of(events: list[Event], runtime: PlanRuntime) -> EventBatch:
    columns = []
    for name in ("k", "n"):
        values = [getattr(event, name) for event in events]
        filled = np.array([0 if value is None else value for value in values], dtype=np.int32)
        columns.append(make_column(AttributeType.INT, filled, np.array([value is not None for value in values])))
    timestamps = np.array([event.ts for event in events], dtype=np.int64)
    return EventBatch(runtime.plan.stream(events[0].stream).schema, timestamps, tuple(columns))


def pieces(events: list[Event], cuts: frozenset[int]) -> list[list[Event]]:
    """Runs of one stream, cut where the stream changes and at ``cuts``."""
    places = [
        place for place in range(1, len(events)) if place in cuts or events[place].stream != events[place - 1].stream
    ]
    return [events[first:last] for first, last in pairwise([0, *places, len(events)]) if first < last]


def run(
    query: str,
    events: list[Event],
    cuts: frozenset[int] = frozenset(),
    *,
    carry: bool = False,
    after_all_ms: int = AFTER_ALL_MS,
) -> list[Found]:
    strings = StringTable()
    runtime = start(query, strings)
    out: list[Found] = []
    for piece in pieces(events, cuts):
        runtime.publish(piece[0].stream, batch_of(piece, runtime), 0)
        if carry:
            out += taken(runtime)
            state = encode_state(runtime.snapshot())
            runtime = start(query, strings)
            runtime.restore(decode_state(state))
    runtime.advance(after_all_ms)
    assert runtime.take_faults() == ()
    return out + taken(runtime)


def taken(runtime: PlanRuntime) -> list[Found]:
    batch = runtime.take_outputs().get("Out")
    if batch is None:
        return []
    rows = []
    for row in range(len(batch)):
        values = tuple(
            None if column.valid is not None and not column.valid[row] else column.values[row : row + 1].tolist()[0]
            for column in batch.columns
        )
        rows.append((int(batch.timestamps[row]), values))
    return rows


@st.composite
def scripts(draw: st.DrawFn) -> list[Event]:
    now = 1000
    events = []
    for _ in range(draw(st.integers(0, 30))):
        now += draw(st.sampled_from([0, 1, 4, 9, 20]))
        stream = draw(st.sampled_from("AAABBC"))
        events.append(
            Event(now, stream, draw(st.sampled_from([None, 0, 1])), draw(st.sampled_from([None, 0, 1, 2, 3, 4])))
        )
    return events


def settled(name: str, found: list[Found]) -> list[Found]:
    """While a counted step collects, matches overtake one another: there the order within a moment is left out."""
    return sorted(found, key=lambda each: (each[0], repr(each[1]))) if name in ANY_ORDER else found


@pytest.mark.parametrize("name", CASES)
@given(events=scripts())
@settings(deadline=None, max_examples=20)
def test_what_is_found_is_what_a_search_from_each_beginning_finds(name: str, events: list[Event]) -> None:
    query, search = CASES[name]
    expectation = settled(name, search(events))
    assert settled(name, run(query, events)) == expectation
    with jit.interpreted():
        assert settled(name, run(query, events)) == expectation


@pytest.mark.parametrize("query", [*(query for query, _ in CASES.values()), *UNSEARCHED])
@given(events=scripts(), cuts=st.frozensets(st.integers(1, 30)))
@settings(deadline=None, max_examples=10)
def test_neither_cuts_nor_snapshots_change_what_is_found(query: str, events: list[Event], cuts: frozenset[int]) -> None:
    whole = run(query, events)
    assert run(query, events, cuts) == whole
    assert run(query, events, cuts, carry=True) == whole
