"""What a query does to a table with the rows that it puts out: insert, delete, update, update or insert.

Right is what one row at a time gives: each is tried against the table as those before it left it. Whole batches are
done at once where that is the same: when no row changes which rows of the table later ones meet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, assert_never

import numpy as np

from eiha.engine.expressions.compile_expression import compile_column, may_fail
from eiha.engine.expressions.rows import Rows, Scope
from eiha.engine.operator import RowClock
from eiha.engine.operators.stateless import rows_of
from eiha.engine.plan_parts import TableAction
from eiha.engine.tables.conditions import ColumnOf, TableCondition, compile_table_condition, pairs_of, scope_of_pairs
from eiha.engine.tables.row_index import RowIndex
from eiha.engine.tables.table import Table
from eiha.events.batch import EventBatch
from eiha.events.column import Column, Indices
from eiha.events.schema import AttributeType
from eiha.plan.attribute_refs import attribute_refs, tables_read
from eiha.plan.expressions import AttributeRef, Expression
from eiha.plan.nodes import DeleteFrom, InsertInto, QueryOutput, SetColumn, UpdateTable

_INEXACT: Final = (AttributeType.FLOAT, AttributeType.DOUBLE)

_OUTPUT_ROW: Final = 0
_TABLE_ROW: Final = 1
"""Sources in the expressions of an output clause, see ``SetColumn``."""


def make_table_action(output: QueryOutput, table: Table, scope: Scope, *, may_index: bool = True) -> TableAction:
    """What ``output`` does to ``table``. ``scope``: strings and names; sources are those of ``SetColumn``.

    ``may_index``: see ``compile_table_condition``.
    """
    if isinstance(output, InsertInto):
        return InsertRows(table)
    condition = compile_table_condition(output.on, table, scope, _TABLE_ROW, may_index=may_index)
    match output:
        case DeleteFrom():
            return DeleteRows(table, output, condition)
        case UpdateTable(or_insert=False):
            return UpdateRows(table, output, condition, scope)
        case UpdateTable():
            return UpdateOrInsertRows(table, output, condition, scope)
        case _:
            assert_never(output)


class InsertRows:
    """``insert into T``."""

    __slots__ = ("_table",)

    def __init__(self, table: Table) -> None:
        self._table = table

    def apply(self, batch: EventBatch, clock: RowClock) -> None:  # noqa: ARG002 - time does not matter
        """Add the rows."""
        if len(batch):
            self._table.insert(batch.columns)


class DeleteRows:
    """``delete T on condition``. A deletion does not change what else rows meet, so all act at once, unless they may
    fail or ask a table again.
    """

    __slots__ = ("_at_once", "_condition", "_table")

    def __init__(self, table: Table, output: DeleteFrom, condition: TableCondition) -> None:
        self._table = table
        self._condition = condition
        self._at_once = not _is_one_by_one([output.on])

    def apply(self, batch: EventBatch, clock: RowClock) -> None:
        """Delete what any row meets. Raises ``EngineFault``."""
        rows = rows_of(batch, clock)
        for part in [rows] if self._at_once else _single_rows(rows):
            self._table.delete(np.unique(self._condition.matches(part)[1]))


@dataclass(frozen=True, slots=True)
class _Assignment:
    """``column = value``; ``reads_row``: the value depends on the row that is changed."""

    column: int
    value: ColumnOf
    reads_row: bool


class UpdateRows:
    """``update T set ... on condition``.

    Columns are written in the order of the table, each assignment seeing what those before it wrote.
    """

    __slots__ = ("_at_once", "_condition", "_reads_rows", "_sets", "_table")

    def __init__(self, table: Table, output: UpdateTable, condition: TableCondition, scope: Scope) -> None:
        self._table = table
        self._condition = condition
        self._sets = _assignments(output.sets, scope, _kept_as_they_are(output, condition))
        self._reads_rows = any(each.reads_row for each in self._sets)
        written = {each.column for each in self._sets}
        is_key = table.primary is not None and not written.isdisjoint(table.primary.columns)
        self._at_once = not (_is_one_by_one(_evaluated(output)) or is_key) and written.isdisjoint(
            _columns_met(output.on)
        )

    def apply(self, batch: EventBatch, clock: RowClock) -> None:
        """Let each row write what it meets, in order. Raises ``EngineFault``."""
        rows = rows_of(batch, clock)
        for part in [rows] if self._at_once else _single_rows(rows):
            self.write_pairs(part, *self._condition.matches(part))

    def write_pairs(self, rows: Rows, outer: Indices, places: Indices) -> None:
        """Let the rows at ``outer``, in order, write the rows of the table at ``places``. Raises ``EngineFault``."""
        if not self._sets or not len(outer):
            return
        turns = _turns(places) if self._reads_rows else _last_ones(places)
        for turn in turns:
            if len(turn) < len(places):
                self._write(rows, outer.take(turn), places.take(turn))
            else:
                self._write(rows, outer, places)

    def _write(self, rows: Rows, outer: Indices, places: Indices) -> None:
        """Write places that differ."""
        table_columns = list(self._table.columns())
        changes: dict[int, Column] = {}
        for each in self._sets:
            if each.reads_row:
                column = each.value(pairs_of(rows, outer, table_columns, places))
            else:
                column = each.value(rows).take(outer)
            changes[each.column] = column
            if self._reads_rows and each is not self._sets[-1]:
                table_columns[each.column] = _with_written(table_columns[each.column], places, column)
        if not self._table.overwrite(places, changes):
            whole = [changes.get(position, column) for position, column in enumerate(self._table.take(places))]
            self._table.complain_of_update(whole, 0)


class UpdateOrInsertRows:
    """``update or insert into T set ... on condition``: a row that meets none is inserted whole.

    On exactly the primary key (``T.key == key``) null is a key like any other; elsewhere it equals nothing.
    """

    __slots__ = ("_at_once", "_condition", "_keys", "_reads_rows", "_table", "_update", "_written")

    def __init__(self, table: Table, output: UpdateTable, condition: TableCondition, scope: Scope) -> None:
        self._table = table
        self._update = UpdateRows(table, output, condition, scope)
        self._condition = condition
        self._keys = _keys_of_inserted(table, self._condition)
        kept = _kept_as_they_are(output, self._condition)
        self._written = _assignments(output.sets, scope, kept)
        self._reads_rows = any(each.reads_row for each in self._written)
        writes_key = self._keys is not None and any(each.column in self._keys.columns for each in self._written)
        self._at_once = not writes_key and not _is_one_by_one(_evaluated(output))

    def apply(self, batch: EventBatch, clock: RowClock) -> None:
        """Let each row write what it meets, or add itself, in order. Raises ``EngineFault``."""
        rows = rows_of(batch, clock)
        if self._keys is not None and self._at_once:
            self._by_key(self._keys, batch.columns, rows)
            return
        chunks = batch.chunk_numbers()
        fresh = last = -1
        for row, single in enumerate(_single_rows(rows)):
            if chunks[row] != last:
                fresh, last = self._table.reserve(1), chunks[row]
            outer, places = self._met_by(single)
            stood = places < fresh
            if stood.any() and not stood.all():
                # as recorded: the rows that a chunk adds are there for those of its rows that meet no other
                outer, places = outer[stood], places[stood]
            if len(outer):
                self._update.write_pairs(single, outer, places)
            else:
                self._table.insert(list(single.columns[_OUTPUT_ROW]))

    def _met_by(self, single: Rows) -> tuple[Indices, Indices]:
        keys = self._keys
        if keys is None or keys is not self._table.primary:
            return self._condition.matches(single)
        places = keys.first(keys.words([single.columns[_OUTPUT_ROW][position] for position in keys.columns]))
        places = places[places >= 0]
        return np.zeros(len(places), dtype=np.int64), places

    def _by_key(self, keys: RowIndex, columns: Sequence[Column], rows: Rows) -> None:
        """All rows at once: a key that is not there is inserted by the first row that has it, and met by later ones."""
        table = self._table
        used = table.reserve(rows.count)
        is_primary = keys is table.primary
        key_columns = [columns[position] for position in keys.columns]
        found, is_new = keys.find_or_link(key_columns, used, null_is_a_key=is_primary)
        if is_new is not None:
            fresh = np.flatnonzero(is_new)
            new_rows = columns if len(fresh) == rows.count else [column.take(fresh) for column in columns]
            table.add_linked(new_rows, len(fresh), keys)
            if len(fresh) == rows.count:
                return
        if is_primary:
            # there is at most one row, and null is a key like any other
            self._write_met(rows, None if is_new is None else np.flatnonzero(~is_new), found)
            return
        outer, places = keys.equal(key_columns, None if is_new is None else ~is_new)
        if len(outer) and (outer[1:] == outer[:-1]).any():
            self._update.write_pairs(rows, outer, places)
        else:
            found[outer] = places
            self._write_met(rows, outer, found)

    def _write_met(self, rows: Rows, meets: Indices | None, found: Indices) -> None:
        """Let the rows at ``meets`` (None: all) write the rows found for them."""
        indexed = {position for index in self._table.indexes for position in index.columns}
        if self._reads_rows or any(each.column in indexed for each in self._written):
            if meets is None:
                meets = np.arange(rows.count)
            self._update.write_pairs(rows, meets, found.take(meets))
            return
        places = found
        if meets is not None and len(meets) < rows.count:
            places = np.full(rows.count, -1, dtype=np.int64)
            places[meets] = found.take(meets)
        for each in self._written:
            self._table.write_in_order(each.column, places, each.value(rows))


def _keys_of_inserted(table: Table, condition: TableCondition) -> RowIndex | None:
    """The index by which rows are met, if ``condition`` only compares its columns with the same columns of the row that
    would be inserted, so that an inserted row is met by later rows of its key and by no others.
    """
    index = condition.index
    if index is None or condition.has_more or (table.primary is not None and index is not table.primary):
        return None
    for position, value in condition.keys.items():
        own = isinstance(value, AttributeRef) and value.source == _OUTPUT_ROW and value.attribute == position
        if not own or table.schema.attributes[position].type in _INEXACT:
            # NaN is a key like any other to an index, but equals nothing
            return None
    return index


def _evaluated(output: UpdateTable) -> list[Expression]:
    return [output.on, *(each.value for each in output.sets)]


def _is_one_by_one(expressions: list[Expression]) -> bool:
    """Whether rows must act singly: one may fail, so that those before it have acted, or asks a table again."""
    return any(may_fail(each) or any(True for _ in tables_read(each)) for each in expressions)


def _kept_as_they_are(output: UpdateTable, condition: TableCondition) -> frozenset[int]:
    """Columns whose assignment changes nothing: ``set T.key = key`` where ``T.key == key`` is demanded."""
    return frozenset(
        each.column for each in output.sets if _same_reference(each.value, condition.keys.get(each.column))
    )


def _same_reference(first: Expression, second: Expression | None) -> bool:
    return (
        isinstance(first, AttributeRef)
        and isinstance(second, AttributeRef)
        and (first.source, first.attribute) == (second.source, second.attribute)
        and first.type not in _INEXACT
    )


def _single_rows(rows: Rows) -> Iterator[Rows]:
    if rows.count == 1:
        yield rows
        return
    for row in range(rows.count):
        yield rows.take(np.array([row], dtype=np.int64))


def _columns_met(condition: Expression) -> frozenset[int]:
    """The table's columns that decide which rows a condition meets."""
    return frozenset(each.attribute for each in attribute_refs(condition) if each.source == _TABLE_ROW)


def _assignments(sets: tuple[SetColumn, ...], scope: Scope, left_out: frozenset[int]) -> tuple[_Assignment, ...]:
    made = []
    names = scope_of_pairs(scope, _TABLE_ROW)
    for each in sorted(sets, key=lambda one: one.column):
        if each.column not in left_out:
            reads_row = any(reference.source == _TABLE_ROW for reference in attribute_refs(each.value))
            made.append(_Assignment(each.column, compile_column(each.value, names if reads_row else scope), reads_row))
    return tuple(made)


def _turns(places: Indices) -> list[Indices]:
    """The positions of ``places`` in turns, in each of which no place stands twice; a place's own order is kept."""
    order = np.argsort(places, kind="stable")
    ordered = places.take(order)
    starts = np.concatenate(([True], ordered[1:] != ordered[:-1]))
    firsts = np.flatnonzero(starts)
    if len(firsts) == len(places):
        return [np.arange(len(places))]
    ranks = np.arange(len(places)) - np.repeat(firsts, np.diff(np.append(firsts, len(places))))
    by_rank = order.take(np.argsort(ranks, kind="stable"))
    bounds = np.cumsum(np.bincount(ranks))
    return [np.sort(turn) for turn in np.split(by_rank, bounds[:-1])]


def _last_ones(places: Indices) -> list[Indices]:
    """For each place the position of its last entry: where assignments do not read the row, only that one shows."""
    if len(places) == 1:
        return [np.zeros(1, dtype=np.int64)]
    _, from_end = np.unique(places[::-1], return_index=True)
    return [np.sort(len(places) - 1 - from_end)]


def _with_written(column: Column, places: Indices, written: Column) -> Column:
    """``column`` as it will be when ``written`` stands at ``places``."""
    values = column.values.copy()
    values[places] = written.values
    valid = column.valid
    if valid is not None or written.valid is not None:
        valid = column.mask().copy()
        valid[places] = written.mask()
    return Column(column.type, values, valid)
