"""Tables with many rows grow and shrink a few rows at a time, and nobody can tell."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eiha.engine.snapshot import state_digest
from eiha.engine.tables import stored_rows
from eiha.engine.tables.stored_rows import MOVED_A_ROW, MOVED_MIN, PACKED_A_ROW, SPREAD_MIN
from eiha.engine.tables.table import Table
from eiha.events.column import Column, Indices, make_column
from eiha.events.schema import Attribute, AttributeType, Schema
from eiha.events.strings import StringTable
from eiha.plan.nodes import TableDefinition

SCHEMA = Schema(
    (
        Attribute("id", AttributeType.LONG),
        Attribute("group", AttributeType.INT),
        Attribute("big", AttributeType.BOOL),
        Attribute("notes", AttributeType.OBJECT),
    )
)
DEFINITION = TableDefinition("T", SCHEMA, primary_key=(0,), indexes=(1,))


def columns_of(ids: list[int], salt: int) -> list[Column]:
    """Rows whose values follow from their ids and ``salt``; every seventh group is null."""
    numbers = np.array(ids, dtype=np.int64)
    notes = np.empty(len(ids), dtype=np.object_)
    notes[:] = [f"{number} {salt}" for number in ids]
    return [
        Column(AttributeType.LONG, numbers),
        make_column(AttributeType.INT, ((numbers + salt) % 5).astype(np.int32), (numbers + salt) % 7 != 0),
        Column(AttributeType.BOOL, (numbers + salt) % 2 == 0),
        Column(AttributeType.OBJECT, notes),
    ]


def found(table: Table, ids: list[int]) -> list[list[str]]:
    """The notes of the rows that the indexes have for each id and for each group."""
    texts = []
    for index, keys in zip(
        table.indexes, (columns_of(ids, 0)[0], Column(AttributeType.INT, np.arange(5, dtype=np.int32))), strict=True
    ):
        outer, places = index.equal([keys])
        notes = table.take(places)[3].values.tolist()
        texts.append([f"{key}: {note}" for key, note in zip(outer.tolist(), notes, strict=True)])
    return texts


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["insert", "insert", "insert", "delete", "overwrite"]), st.integers(1, 60), st.integers(0, 9)
    ),
    min_size=1,
    max_size=40,
)
SHRINKING = st.lists(
    st.tuples(
        st.sampled_from(["insert", "delete", "delete", "delete", "overwrite"]), st.integers(1, 40), st.integers(0, 9)
    ),
    min_size=5,
    max_size=25,
)


@settings(max_examples=40, deadline=None)
@given(steps=STEPS)
def test_a_table_that_grows_step_by_step_is_the_one_that_grew_at_once(steps: list[tuple[str, int, int]]) -> None:
    with in_small_steps():
        grow(steps)


@settings(max_examples=40, deadline=None)
@given(first=st.integers(200, 500), steps=SHRINKING)
def test_a_table_that_shrinks_step_by_step_is_the_one_that_never_had_more(
    first: int, steps: list[tuple[str, int, int]]
) -> None:
    with in_small_steps():
        grow([("insert", first, 1), *steps])


@contextmanager
def in_small_steps() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored_rows, "SPREAD_MIN", 64)
        patch.setattr(stored_rows, "MOVED_MIN", 1)
        patch.setattr(stored_rows, "MOVED_A_ROW", 3)
        yield


def grow(steps: list[tuple[str, int, int]]) -> None:
    """Take the steps; after each, compare with a table that got the same rows at once."""
    table, next_id = Table(DEFINITION, StringTable()), 0
    for verb, count, salt in steps:
        places = table.places()
        if verb == "insert":
            table.insert(columns_of(list(range(next_id, next_id + count)), salt))
            next_id += count
        elif verb == "delete":
            table.delete(places[salt :: 1 + 60 // count][:count].copy())
        else:
            chosen = places[salt :: 1 + 60 // count][:count].copy()
            ids = table.take(chosen)[0].values.tolist()
            fresh = columns_of(ids, salt)
            assert table.overwrite(chosen, {1: fresh[1], 2: fresh[2], 3: fresh[3]})
        whole = Table(DEFINITION, StringTable())
        whole.restore(table.snapshot())
        assert state_digest(table.snapshot()) == state_digest(whole.snapshot())
        asked = list(range(0, next_id + 3, 2))
        assert found(table, asked)[0] == found(whole, asked)[0]
        assert sorted(found(table, asked)[1]) == sorted(found(whole, asked)[1])


@pytest.mark.parametrize("batch", [1_000, 4_096])
def test_no_entry_moves_more_than_a_few_rows_for_each_that_it_brings(batch: int) -> None:
    table, bound = Table(DEFINITION, StringTable()), max(MOVED_MIN, MOVED_A_ROW * batch)
    rows, widened = table._rows, 0
    for first in range(0, 5 * SPREAD_MIN, batch):
        columns = columns_of(list(range(first, first + batch)), 0)
        capacity, moved, used = rows.capacity, rows.moved, rows.used
        table.insert(columns)
        if rows.capacity > capacity >= SPREAD_MIN:
            widened += 1
            assert used - moved <= bound, "what was left to be moved"
        elif rows.next_capacity:
            assert rows.moved - moved <= bound
    assert widened == 3


@pytest.mark.parametrize("is_from_the_front", [True, False])
def test_no_deletion_moves_more_than_a_few_rows_for_each_that_goes_and_room_is_given_back(
    monkeypatch: pytest.MonkeyPatch, *, is_from_the_front: bool
) -> None:
    table = Table(DEFINITION, StringTable())
    table.insert(columns_of(list(range(4 * SPREAD_MIN)), 0))
    rows, batch, most = table._rows, 1_000, 0
    capacity = rows.capacity

    def taken(places: Indices) -> tuple[Column, ...]:
        nonlocal most
        if rows.used >= SPREAD_MIN:  # fewer are moved together at once
            most = max(most, len(places))
        return take(places)

    take = rows.take
    with monkeypatch.context() as patch:
        patch.setattr(stored_rows.StoredRows, "take", lambda self, places: taken(places))
        while len(table) > 2 * batch:
            places = table.places()
            moved = rows.moved
            table.delete(places[:batch].copy() if is_from_the_front else places[:: len(places) // batch][:batch].copy())
            assert rows.moved - moved <= max(MOVED_MIN, MOVED_A_ROW * batch)
    assert 0 < most <= max(MOVED_MIN, PACKED_A_ROW * batch)
    assert rows.used < SPREAD_MIN
    assert rows.capacity < capacity // 2
    whole = Table(DEFINITION, StringTable())
    whole.restore(table.snapshot())
    asked = list(range(0, 4 * SPREAD_MIN, 97))
    assert found(table, asked)[0] == found(whole, asked)[0]


def test_a_table_that_was_restored_has_time_to_grow() -> None:
    table = Table(DEFINITION, StringTable())
    table.insert(columns_of(list(range(2 * SPREAD_MIN - 10)), 0))
    restored = Table(DEFINITION, StringTable())
    restored.restore(table.snapshot())
    assert restored._rows.capacity == 4 * SPREAD_MIN
    restored.insert(columns_of([1 << 40], 0))
    assert restored._rows.moved == 0


def test_an_index_that_is_asked_for_while_a_table_grows_has_all_rows_afterwards() -> None:
    table = Table(DEFINITION, StringTable())
    rows = table._rows
    for first in range(0, 3 * SPREAD_MIN, 4_096):
        table.insert(columns_of(list(range(first, first + 4_096)), 0))
        if rows.next_capacity and len(table.indexes) == 2:
            table.index((2,))
    assert rows.capacity > 2 * SPREAD_MIN
    outer, _ = table.indexes[2].equal([Column(AttributeType.BOOL, np.array([True, False]))])
    assert np.bincount(outer).tolist() == [len(table) // 2, len(table) // 2]
