from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from eiha.engine.operators.kept_rows import kept_rows
from eiha.events.batch import EventBatch, concatenate_batches
from eiha.events.column import Column, make_column
from eiha.events.repeated import repeated
from eiha.events.schema import Attribute, AttributeType, Schema

TYPES = (AttributeType.INT, AttributeType.BOOL, AttributeType.DOUBLE, AttributeType.OBJECT, AttributeType.STRING)
SCHEMA = Schema(tuple(Attribute(each.value, each) for each in TYPES))


def _batch(rows: int, *, numbered: bool, keyed: bool, stamped: bool) -> EventBatch:
    numbers = np.arange(rows)
    valid = numbers % 3 != 1
    columns = tuple(
        make_column(each, numbers.astype(each.dtype), valid if place % 2 else None) for place, each in enumerate(TYPES)
    )
    return EventBatch(
        SCHEMA,
        numbers + 5 if stamped else repeated(17, rows),
        columns,
        (numbers % 2).astype(np.uint8) if numbered else None,
        numbers // 2 * 1024 if numbered else None,
        False,
        numbers * 7 if keyed else None,
    )


def _same(one: EventBatch, other: EventBatch) -> None:
    assert one.timestamps.tolist() == other.timestamps.tolist()
    assert one.chunk_numbers().tolist() == other.chunk_numbers().tolist()
    assert one.kind_array().tolist() == other.kind_array().tolist()
    assert (one.keys is None) == (other.keys is None)
    assert one.keys is None or other.keys is None or one.keys.tolist() == other.keys.tolist()
    for mine, its in zip(one.columns, other.columns, strict=True):
        assert mine.type is its.type
        assert mine.values.tolist() == its.values.tolist()
        assert mine.mask().tolist() == its.mask().tolist()


@given(
    mask=st.lists(st.booleans(), max_size=40),
    again=st.lists(st.booleans(), min_size=40, max_size=40),
    forms=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    early=st.booleans(),
)
def test_kept_rows_are_those_that_taking_their_positions_gives(
    mask: list[bool], again: list[bool], forms: tuple[bool, bool, bool], early: bool
) -> None:
    batch = _batch(len(mask), numbered=forms[0], keyed=forms[1], stamped=forms[2])
    passes = np.array(mask, dtype=np.bool_)
    kept = kept_rows(batch, passes, int(passes.sum()))
    expected = batch.take(np.flatnonzero(passes))
    if early:
        _same(kept, expected)
    more = np.array(again[: len(kept)], dtype=np.bool_)
    twice = kept_rows(kept, more, int(more.sum()))
    _same(twice, expected.take(np.flatnonzero(more)))
    _same(kept, expected)
    _same(kept.take(np.arange(len(kept))[::2]), expected.take(np.arange(len(kept))[::2]))


def test_kept_rows_stay_numbered_with_other_columns_and_other_keys() -> None:
    batch = _batch(9, numbered=False, keyed=True, stamped=True)
    passes = np.arange(9) % 3 == 2
    kept = kept_rows(batch, passes, 3)
    other = kept.of_columns(
        Schema((Attribute("n", AttributeType.INT),)), (Column(AttributeType.INT, np.arange(3, dtype=np.int32)),)
    )
    assert other.chunk_numbers().tolist() == [2048, 5120, 8192]
    plain = replace(kept, keys=None)
    assert plain.keys is None
    assert plain.chunk_numbers().tolist() == [2048, 5120, 8192]
    assert kept_rows(plain, np.array([True, False, True]), 2).chunk_numbers().tolist() == [2048, 8192]
    assert len(concatenate_batches([kept, kept])) == 6
