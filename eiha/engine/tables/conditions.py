"""Which rows of a table satisfy a condition, for each of many outer rows at once.

``T.key == x and ...`` looks rows up in an index (that of the primary key, one that the plan defines, or one made for
the condition) and evaluates what is left of the condition on the pairs found; any other condition is evaluated on
all pairs, some thousands at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from eiha.engine.expressions.compile_expression import compile_column, compile_condition, may_fail
from eiha.engine.expressions.rows import Columns, Rows, Scope, TakenColumns
from eiha.engine.tables.row_index import RowIndex
from eiha.engine.tables.table import NO_PLACES, Table
from eiha.events.column import Column, Indices
from eiha.events.schema import AttributeType
from eiha.plan.attribute_refs import attribute_refs
from eiha.plan.expressions import AttributeRef, Compare, CompareOp, Expression, Logic, LogicOp

_PAIRS_AT_ONCE: Final = 65_536

_WHOLE_NUMBERS: Final = (AttributeType.INT, AttributeType.LONG)

ColumnOf = Callable[[Rows], Column]


@dataclass(frozen=True, slots=True)
class _KeyLookup:
    """``index``, and what its columns must equal: compiled and as written."""

    index: RowIndex
    keys: tuple[ColumnOf, ...]
    values: tuple[Expression, ...]

    def pairs(self, outer: Rows) -> tuple[Indices, Indices]:
        return self.index.equal([key(outer) for key in self.keys])


class TableCondition:
    """A condition on pairs of an outer row and a row of a table; made by ``compile_table_condition``.

    ``index``: by which rows are looked up; None: all rows are looked at. ``keys``: for each of its columns what that
    must equal. ``has_more``: whether the condition says more than that.
    """

    __slots__ = ("_lookup", "_rest", "_table", "has_more", "index", "keys")

    def __init__(self, table: Table, lookup: _KeyLookup | None, rest: Expression | None, scope: Scope) -> None:
        self._table = table
        self._lookup = lookup
        self._rest = None if rest is None else compile_condition(rest, scope)
        self.index = None if lookup is None else lookup.index
        self.keys = {} if lookup is None else dict(zip(lookup.index.columns, lookup.values, strict=True))
        self.has_more = rest is not None

    def matches(self, outer: Rows) -> tuple[Indices, Indices]:
        """The pairs for which the condition is true: indices of outer rows, rising, and for each the places of the
        rows of the table, rising.

        Raises:
            EngineFault: a pair cannot be evaluated.
        """
        if not len(self._table) or not outer.count:
            return NO_PLACES, NO_PLACES
        if self._lookup is not None:
            rows, places = self._lookup.pairs(outer)
            if self._rest is None or not len(rows):
                return rows, places
            return self._that_hold(outer, rows, places)
        return self._scan(outer)

    def exists(self, outer: Rows) -> npt.NDArray[np.bool_]:
        """For which outer rows the table has a row that satisfies the condition. Raises ``EngineFault``."""
        found = np.zeros(outer.count, dtype=np.bool_)
        found[self.matches(outer)[0]] = True
        return found

    def _scan(self, outer: Rows) -> tuple[Indices, Indices]:
        places = self._table.places()
        at_once = max(1, _PAIRS_AT_ONCE // len(places))
        found: list[tuple[Indices, Indices]] = []
        for first in range(0, outer.count, at_once):
            rows = np.arange(first, min(first + at_once, outer.count))
            found.append(self._that_hold(outer, np.repeat(rows, len(places)), np.tile(places, len(rows))))
        return np.concatenate([rows for rows, _ in found]), np.concatenate([places for _, places in found])

    def _that_hold(self, outer: Rows, rows: Indices, places: Indices) -> tuple[Indices, Indices]:
        assert self._rest is not None
        holds = self._rest(pairs_of(outer, rows, self._table.columns(), places))
        if isinstance(holds, bool):
            return (rows, places) if holds else (NO_PLACES, NO_PLACES)
        kept = np.flatnonzero(holds)
        return rows.take(kept), places.take(kept)


def compile_table_condition(
    condition: Expression, table: Table, scope: Scope, table_source: int, *, may_index: bool = True
) -> TableCondition:
    """``condition`` over outer rows and rows of ``table``.

    Args:
        condition: in it, references with ``source == table_source`` are columns of the table.
        table: it may get an index that suits the condition.
        scope: what other references mean in the outer rows.
        table_source: see above.
        may_index: false for a question that is asked once: only indexes that are there are used.
    """
    pair_scope = scope_of_pairs(scope, table_source)
    if may_fail(condition):
        # a pair that another part of the condition rules out must not be evaluated, nor one left out that fails
        return TableCondition(table, None, condition, pair_scope)
    conjuncts = _conjuncts(condition)
    equalities: dict[int, tuple[Expression, Expression]] = {}
    for each in conjuncts:
        equality = _equality(each, table_source)
        if equality is not None:
            equalities.setdefault(equality[0], (each, equality[1]))
    columns = _indexed_columns(table, tuple(sorted(equalities)), may_index=may_index)
    if columns is None:
        return TableCondition(table, None, condition, pair_scope)
    used = [equalities[column][0] for column in columns]
    values = tuple(equalities[column][1] for column in columns)
    lookup = _KeyLookup(table.index(columns), tuple(compile_column(each, scope) for each in values), values)
    rest: Expression | None = None
    for each in conjuncts:
        if not any(each is one for one in used):
            rest = each if rest is None else Logic(LogicOp.AND, rest, each)
    return TableCondition(table, lookup, rest, pair_scope)


def scope_of_pairs(scope: Scope, table_source: int) -> Scope:
    """What names mean in the rows of ``pairs_of``: the table's columns are the last source."""

    def attribute(reference: AttributeRef) -> ColumnOf:
        if reference.source != table_source:
            outside = scope.attribute(reference)
            # the outer rows may be pairs themselves, whose last source is another table
            return lambda rows: outside(replace(rows, columns=rows.columns[:-1]))
        position = reference.attribute
        return lambda rows: rows.columns[-1][position]

    return replace(scope, attribute=attribute)


def pairs_of(outer: Rows, rows: Indices, columns: Columns, places: Indices) -> Rows:
    """Each pair as a row: the outer row with the table's ``columns`` at ``places`` as one more source."""
    taken = outer.take(rows)
    return replace(taken, columns=(*taken.columns, TakenColumns(columns, places)))


def _conjuncts(condition: Expression) -> list[Expression]:
    if isinstance(condition, Logic) and condition.op is LogicOp.AND:
        return [*_conjuncts(condition.left), *_conjuncts(condition.right)]
    return [condition]


def _equality(condition: Expression, table_source: int) -> tuple[int, Expression] | None:
    """The table's column and the value that it must equal, if ``condition`` is of that form and an index can tell."""
    if not isinstance(condition, Compare) or condition.op is not CompareOp.EQUAL:
        return None
    for column, value in ((condition.left, condition.right), (condition.right, condition.left)):
        if not isinstance(column, AttributeRef) or column.source != table_source:
            continue
        if any(each.source == table_source for each in attribute_refs(value)):
            continue
        if column.type is value.type or (column.type in _WHOLE_NUMBERS and value.type in _WHOLE_NUMBERS):
            return column.attribute, value
    return None


def _indexed_columns(table: Table, columns: tuple[int, ...], *, may_index: bool) -> tuple[int, ...] | None:
    """The columns of the index to use, given those that a condition compares; None: no index helps."""
    if not columns:
        return None
    for index in table.indexes:
        covers = index is table.primary or len(index.columns) == len(columns) or not may_index
        if covers and set(index.columns) <= set(columns):
            return index.columns
    return columns if may_index else None
