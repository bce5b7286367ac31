"""The rows of a table by key: found at once or by a search, the answer is that of a plain dictionary."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eiha.engine.tables.row_index import RowIndex
from eiha.events.column import Column
from eiha.events.schema import Attribute, AttributeType, Schema
from eiha.events.strings import StringTable

KEYS = [f"key{number}" for number in range(8)]


def _column(type_: AttributeType, values: list[int], strings: StringTable) -> Column:
    if type_ is AttributeType.STRING:
        values = [strings.intern(KEYS[value]) for value in values]
    return Column(type_, np.array(values, dtype=type_.dtype))


@pytest.mark.parametrize("type_", [AttributeType.STRING, AttributeType.INT])
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["upsert", "unlink"]), st.lists(st.integers(0, 7), min_size=1, max_size=12)),
        max_size=30,
    )
)
def test_keys_are_found_where_their_rows_are(type_: AttributeType, steps: list[tuple[str, list[int]]]) -> None:
    strings = StringTable()
    index = RowIndex(Schema((Attribute("key", type_),)), (0,), strings, is_unique=True)
    places: dict[int, int] = {}
    used = 0
    for act, keys in steps:
        if act == "unlink":
            gone = [places.pop(key) for key in dict.fromkeys(keys) if key in places]
            index.unlink(np.array(gone, dtype=np.int64))
            continue
        index.reserve(used + len(keys), np.array(sorted(places.values()), dtype=np.int64))
        found, is_new = index.find_or_link([_column(type_, keys, strings)], used, null_is_a_key=True)
        expected_new = []
        for key in keys:
            expected_new.append(key not in places)
            if key not in places:
                places[key] = used
                used += 1
        assert found.tolist() == [places[key] for key in keys]
        assert ([False] * len(keys) if is_new is None else is_new.tolist()) == expected_new
        outer, rows = index.equal([_column(type_, list(range(8)), strings)])
        assert dict(zip(outer.tolist(), rows.tolist(), strict=True)) == places
