from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from eiha.engine.aggregators.key_index import GroupIndex, LongIndex, ValueIndex
from eiha.events.column import Column, make_column
from eiha.events.schema import AttributeType
from eiha.events.strings import StringTable

keys_strategy = st.lists(
    st.one_of(st.integers(-4, 4), st.sampled_from([2**63 - 1, -(2**63), 2**32, 2**52, -(2**40)])), max_size=80
)


@given(st.lists(keys_strategy, max_size=6))
def test_equal_keys_have_equal_numbers_in_order_of_first_sight(batches: list[list[int]]) -> None:
    index, known = LongIndex(), {}
    for batch in batches:
        numbers = index.find(np.array(batch, dtype=np.int64)).tolist()
        assert numbers == [known.setdefault(key, len(known)) for key in batch]
        fresh = LongIndex()
        fresh.restore(index.keys())
        index = fresh
    assert index.count == len(known)


def strings_column(values: list[str | None], strings: StringTable) -> Column:
    ids = np.array([0 if value is None else strings.intern(value) for value in values], dtype=np.int32)
    return make_column(AttributeType.STRING, ids, np.array([value is not None for value in values]))


def test_a_null_string_and_the_text_null_are_one_group() -> None:
    strings = StringTable()
    index = GroupIndex((AttributeType.STRING,), strings)
    groups = index.find((strings_column(["a", None, "null", "a"], strings),)).tolist()
    assert groups[1] == groups[2]
    assert groups[0] == groups[3] != groups[1]


@given(st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.one_of(st.none(), st.integers(0, 3))), max_size=40))
def test_groups_of_two_columns_are_the_pairs(pairs: list[tuple[str | None, int | None]]) -> None:
    strings = StringTable()
    index = GroupIndex((AttributeType.STRING, AttributeType.INT), strings)
    numbers = np.array([pair[1] or 0 for pair in pairs], dtype=np.int32)
    present = np.array([pair[1] is not None for pair in pairs], dtype=np.bool_)
    second = make_column(AttributeType.INT, numbers, present if pairs else None)
    groups = index.find((strings_column([pair[0] for pair in pairs], strings) if pairs else _no_strings(), second))
    by_pair: dict[Any, int] = {}
    for pair, group in zip(pairs, groups.tolist(), strict=True):
        assert by_pair.setdefault(pair, group) == group
        assert group < index.count
    assert len(set(by_pair.values())) == len(by_pair)


def _no_strings() -> Column:
    return Column(AttributeType.STRING, np.empty(0, dtype=np.int32))


def test_doubles_differ_as_their_texts_do() -> None:
    index = ValueIndex(AttributeType.DOUBLE, StringTable())
    values = np.array([0.0, -0.0, np.nan, -np.nan, 0.0])
    numbers = index.find(Column(AttributeType.DOUBLE, values)).tolist()
    assert numbers[0] != numbers[1]
    assert numbers[2] == numbers[3]
    assert numbers[0] == numbers[4]
