"""Questions to what a plan holds, and statements that change its tables.

A question changes nothing, not even the ids of strings, so a node may answer it alone. A statement acts as a row of
a query would, so both nodes of a pair must get it at the same place of the log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol, assert_never

import numpy as np

from eiha.engine.aggregators.key_index import GroupIndex
from eiha.engine.answer import Answer
from eiha.engine.expressions.compile_expression import compile_column, compile_condition
from eiha.engine.expressions.rows import EntryIdentity, Rows, Scope
from eiha.engine.faults import EngineFault
from eiha.engine.operator import RowClock
from eiha.engine.operators.select import Select
from eiha.engine.operators.stateless import rows_of
from eiha.engine.tables.actions import make_table_action
from eiha.engine.tables.conditions import compile_table_condition
from eiha.engine.tables.in_table import in_tables
from eiha.engine.tables.table import Table
from eiha.events.batch import EventBatch
from eiha.events.schema import AttributeType, Schema
from eiha.events.strings import StringOverlay, StringTable
from eiha.plan.bind_on_demand import compile_on_demand
from eiha.plan.expressions import TABLE_ROW, AttributeRef, Expression
from eiha.plan.granularities import Granularity, granularity_of_text
from eiha.plan.nodes import AggregationRange, OutputEvents, Plan, Selector
from eiha.plan.on_demand import Held, Question, Statement
from eiha.plan.rewrites.map_expressions import map_expression
from eiha.plan.within import moment_ms, span_ms

_NO_TIME = -1
"""The timestamp of all rows of an answer."""


class HeldRows(Protocol):
    """A named window that can be asked what is in it."""

    def content(self) -> EventBatch:
        """Its rows; columns may be views."""


class Buckets(Protocol):
    """An aggregation that can be asked for its buckets."""

    def find(self, start_ms: int, end_ms: int, granularity: Granularity, now_ms: int) -> EventBatch:
        """The buckets of ``granularity`` that begin in this span, end exclusive."""


class OnDemand:
    """Answers for one plan.

    Args:
        plan: that runs.
        strings: its string table.
        identity: told which entry is being applied.
        tables: by name.
        windows: by name; filled when the plan's windows are made.
        aggregations: by name.
    """

    __slots__ = ("_aggregations", "_identity", "_plan", "_strings", "_tables", "_windows")

    def __init__(
        self,
        plan: Plan,
        strings: StringTable,
        identity: EntryIdentity,
        tables: Mapping[str, Table],
        windows: Mapping[str, HeldRows],
        aggregations: Mapping[str, Buckets],
    ) -> None:
        self._plan = plan
        self._strings = strings
        self._identity = identity
        self._tables = tables
        self._windows = windows
        self._aggregations = aggregations

    def bind(self, text: str) -> Question | Statement:
        """What ``text`` means for the plan. Raises ``PlanError``."""
        return compile_on_demand(text, self._plan)

    def ask(self, bound: Question | Statement, now_ms: int) -> Answer:
        """The answer to a question, or the change that a statement asks for.

        Raises:
            EngineFault: a row cannot be evaluated; a statement has changed nothing then, but for rows before that one.
        """
        match bound:
            case Question():
                return self._answer(bound, now_ms)
            case Statement():
                return self._carry_out(bound, now_ms)
            case _:
                assert_never(bound)

    # --- questions

    def _answer(self, question: Question, now_ms: int) -> Answer:
        strings = StringOverlay(self._strings)
        scope = Scope(strings, EntryIdentity(), in_table=in_tables(self._tables, may_index=False))
        rows = self._found(question, scope, now_ms)
        rows = replace(
            rows,
            timestamps=np.full(len(rows), _NO_TIME),
            kinds=None,
            chunks=np.zeros(len(rows), np.int64),
            collapses=True,
        )
        selector = question.selector
        rows = _one_key_a_group(rows, selector, strings)
        whole = replace(selector, limit=None, offset=None)
        out = _selected(Select(whole, OutputEvents.CURRENT, scope, expires=False), rows, now_ms)
        if not len(out) or selector.limit == 0:
            return Answer(question.schema, None, strings)
        first = selector.offset or 0
        stop = None if selector.limit is None else first + selector.limit
        columns = tuple(column.take(np.arange(len(out))[first:stop]) for column in out.columns[: len(question.schema)])
        shown = EventBatch(question.schema, out.timestamps[first:stop], columns)
        return Answer(question.schema, shown, strings)

    def _found(self, question: Question, scope: Scope, now_ms: int) -> EventBatch:
        """The rows that the condition lets pass, in order."""
        match question.held:
            case Held.TABLE:
                return self._found_in_table(question, scope, now_ms)
            case Held.WINDOW:
                rows = self._windows[question.source].content()
            case Held.AGGREGATION:
                assert question.buckets is not None
                start_ms, end_ms, granularity = _asked_buckets(question.buckets, scope)
                rows = self._aggregations[question.source].find(start_ms, end_ms, granularity, now_ms)
            case _:
                assert_never(question.held)
        if question.on is None or not len(rows):
            return rows
        passes = compile_condition(question.on, scope)(rows_of(rows, _clock(rows, now_ms)))
        if isinstance(passes, bool):
            passes = np.full(len(rows), passes)
        return rows.take(np.flatnonzero(passes))

    def _found_in_table(self, question: Question, scope: Scope, now_ms: int) -> EventBatch:
        table = self._tables[question.source]
        if question.on is None:
            return table.content()
        condition = compile_table_condition(_of_table(question.on), table, scope, TABLE_ROW, may_index=False)
        asks = Rows(1, ((),), np.full(1, _NO_TIME), np.full(1, now_ms))
        _, places = condition.matches(asks)
        return EventBatch(table.schema, np.full(len(places), _NO_TIME), table.take(places))

    # --- statements

    def _carry_out(self, statement: Statement, now_ms: int) -> Answer:
        table = self._tables[statement.output.target]
        scope = Scope(self._strings, self._identity, in_table=in_tables(self._tables, may_index=False))
        row = EventBatch(Schema(()), np.full(1, _NO_TIME), (), chunks=np.zeros(1, dtype=np.int64), collapses=True)
        if statement.selector is not None:
            row = _selected(Select(statement.selector, OutputEvents.CURRENT, scope, expires=False), row, now_ms)
        if len(row):
            action = make_table_action(statement.output, table, scope, may_index=False)
            action.apply(row, _clock(row, now_ms))
        return Answer(statement.schema, None, self._strings, is_statement=True)


def _one_key_a_group(rows: EventBatch, selector: Selector, strings: StringTable) -> EventBatch:
    """``rows`` with the key of each group as its first row has it: null and 'null' are one group."""
    keys = [each.attribute for each in selector.group_by if isinstance(each, AttributeRef)]
    if not len(rows) or all(
        rows.columns[key].type is not AttributeType.STRING or rows.columns[key].valid is None for key in keys
    ):
        return rows
    groups = GroupIndex(tuple(rows.columns[key].type for key in keys), strings)
    numbers = groups.find(tuple(rows.columns[key] for key in keys))
    _, first, inverse = np.unique(numbers, return_index=True, return_inverse=True)
    origins = first.take(inverse.reshape(-1))
    return replace(
        rows,
        columns=tuple(
            column.take(origins) if position in keys else column for position, column in enumerate(rows.columns)
        ),
    )


def _selected(select: Select, rows: EventBatch, now_ms: int) -> EventBatch:
    return select.process(rows, _clock(rows, now_ms))


def _clock(rows: EventBatch, now_ms: int) -> RowClock:
    return RowClock(np.full(len(rows), now_ms, dtype=np.int64))


def _of_table(condition: Expression) -> Expression:
    """``condition`` over rows of the table as ``compile_table_condition`` has them: a question has no other row."""

    def change(node: Expression) -> Expression:
        return replace(node, source=TABLE_ROW) if isinstance(node, AttributeRef) else node

    return map_expression(condition, change)


def _asked_buckets(buckets: AggregationRange, scope: Scope) -> tuple[int, int, Granularity]:
    """The span of time and the granularity that constants name; bind has looked at them."""
    granularity = granularity_of_text(str(_constant(buckets.per, scope)))
    if granularity is None:
        raise EngineFault(f"there are no buckets of {_constant(buckets.per, scope)!r}")
    start = _constant(buckets.start, scope)
    if buckets.end is None:
        return (*span_ms(str(start)), granularity)
    return _moment(start), _moment(_constant(buckets.end, scope)), granularity


def _moment(value: object) -> int:
    return moment_ms(value) if isinstance(value, str) else int(str(value))


def _constant(expression: Expression, scope: Scope) -> object:
    column = compile_column(expression, scope)(Rows(1, ((),), np.full(1, _NO_TIME), np.full(1, _NO_TIME)))
    value = column.values[0].item()
    return scope.strings.text(value) if column.type is AttributeType.STRING else value
