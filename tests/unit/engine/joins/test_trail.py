from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from eiha.engine import jit
from eiha.engine.expressions.rows import Rows
from eiha.engine.joins.side import Asked, Held
from eiha.engine.joins.trail import Trail
from eiha.engine.joins.trail_search import search
from eiha.events.column import make_column
from eiha.events.schema import Attribute, AttributeType, Schema

SCHEMA = Schema((Attribute("n", AttributeType.LONG),))

Steps = list[tuple[list[tuple[int, bool, int | None]], int, list[int]]]
"""Rows (word, whether it can be found, value), how many leave, words asked for."""


def no_rows() -> Rows:
    raise AssertionError("a trail does not look at the rows that ask")


def steps() -> st.SearchStrategy[Steps]:
    word = st.integers(-3, 3).map(lambda number: number * 2**40)
    row = st.tuples(word, st.booleans(), st.sampled_from([None, 1, 2, 3]))
    return st.lists(
        st.tuples(st.lists(row, max_size=70), st.integers(0, 90), st.lists(word, max_size=5)), min_size=1, max_size=8
    )


def check(steps: Steps, keyed: bool) -> None:
    trail = Trail(SCHEMA, keyed=keyed)
    held: list[tuple[int, bool, int | None]] = []
    for rows, leave, asked in steps:
        before = len(held)
        held += rows
        valid = np.array([value is not None for _, _, value in rows], dtype=np.bool_)
        values = np.array([value or 0 for _, _, value in rows], dtype=np.int64)
        words = np.array([word for word, _, _ in rows], dtype=np.int64)
        first = trail.append(
            (make_column(AttributeType.LONG, values, valid),),
            len(rows),
            words if keyed else None,
            np.array([can for _, can, _ in rows], dtype=np.bool_),
        )
        assert first - trail.start == before
        # each word asks for more of what came than the one before
        stops = [min(before + 20 * (position + 1), len(held)) for position in range(len(asked))]
        lows = [position % 3 for position in range(len(asked))]
        found = [
            (
                position,
                [at for at in range(low, stop) if not keyed or (held[at][1] and held[at][0] == word)],
            )
            for position, (word, low, stop) in enumerate(zip(asked, lows, stops, strict=True))
        ]
        bounds = Held(np.array(lows, dtype=np.int64) + trail.start, np.array(stops, dtype=np.int64) + trail.start)
        question = Asked(len(asked), no_rows, np.array(asked, dtype=np.int64), None, bounds)
        pairs = [
            (row, number - trail.start)
            for rows_asking, numbers in search(trail, question)
            for row, number in zip(rows_asking.tolist(), numbers.tolist(), strict=True)
        ]
        assert pairs == [(position, at) for position, places in found for at in places]
        trail.drop_to(min(trail.start + leave, trail.stop))
        held = held[leave:]
        (column,) = trail
        assert [
            value if there else None
            for value, there in zip(column.values.tolist(), column.mask().tolist(), strict=True)
        ] == [value for _, _, value in held]
        assert trail.capacity <= max(64, 64 * (len(held) + 70))


@given(steps=steps(), keyed=st.booleans())
@settings(deadline=None, max_examples=60)
def test_a_trail_finds_what_a_list_finds(steps: Steps, keyed: bool) -> None:
    check(steps, keyed)
    with jit.interpreted():
        check(steps, keyed)


def test_a_trail_shrinks_when_its_rows_have_left() -> None:
    trail = Trail(SCHEMA, keyed=True)
    column = make_column(AttributeType.LONG, np.arange(5000, dtype=np.int64), None)
    trail.append((column,), 5000, np.arange(5000, dtype=np.int64), None)
    trail.drop_to(4990)
    trail.append((column.slice(0, 1),), 1, np.zeros(1, dtype=np.int64), None)
    assert trail.capacity == 64
    (held,) = trail
    assert held.values.tolist() == [*range(4990, 5000), 0]
