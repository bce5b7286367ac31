"""Where the attributes of the two sides lie: in the rows that a join keeps, and in those that it puts out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np

from eiha.engine.column_pruning import KeptColumns
from eiha.engine.expressions.rows import Rows, Scope
from eiha.engine.expressions.values import Constant, column_of
from eiha.events.column import Column
from eiha.events.schema import Attribute, AttributeType, Schema
from eiha.plan.attribute_refs import attribute_refs
from eiha.plan.expressions import LAST_EVENT, AttributeRef, EventIsNull, Expression
from eiha.plan.nodes import JoinInput, Query, Window
from eiha.plan.rewrites.map_expressions import map_expression

_READ_ARGUMENTS_ONLY = frozenset(
    {
        "batch",
        "delay",
        "externalTime",
        "externalTimeBatch",
        "length",
        "lengthBatch",
        "session",
        "sort",
        "time",
        "timeBatch",
        "timeLength",
    }
)
"""Windows that read the attributes among their arguments; others may read any attribute of a row."""

ONLY_EVENT = (0, LAST_EVENT)
"""The event indices that name the event of a side; others are null."""


@dataclass(frozen=True, slots=True)
class JoinLayout:
    """``kept``: for each side, the columns that anything reads. ``put_out``: (side, position among ``kept``) of each
    column that is put out; behind them lie two that tell whether left and right are missing, if ``tells_missing``.
    """

    kept: tuple[KeptColumns, KeptColumns]
    put_out: tuple[tuple[int, int], ...]
    schema: Schema
    tells_missing: bool


def join_layout(query: Query, join: JoinInput) -> JoinLayout:
    """What the join of ``query`` keeps and puts out."""
    selected = list(_of_selector(query))
    put_out = sorted({place for expression in selected for place in _places(expression)})
    conditions = [] if join.on is None else [join.on]
    if join.buckets is not None:
        conditions += [each for each in (join.buckets.start, join.buckets.end, join.buckets.per) if each is not None]
    read = {place for expression in conditions for place in _places(expression)} | set(put_out)
    for source, side in enumerate(join.sides):
        arguments = [argument for handler in side.handlers[-1:] for argument in getattr(handler, "arguments", ())]
        read |= {(source, position) for each in arguments for _, position in _places(each)}
        if any(isinstance(handler, Window) and handler.name not in _READ_ARGUMENTS_ONLY for handler in side.handlers):
            read |= {(source, position) for position in range(len(side.schema))}
    kept = [
        KeptColumns(side.schema, tuple(sorted(position for where, position in read if where == source)))
        for source, side in enumerate(join.sides)
    ]
    places = tuple((source, kept[source].positions.index(position)) for source, position in put_out)
    tells_missing = any(_asks_for_missing(expression) for expression in selected)
    names = [(join.sides[source], kept[source].positions[place]) for source, place in places]
    attributes = [Attribute(f"{side.name}.{side.schema.attributes[at].name}", side.schema.attributes[at].type)
                  for side, at in names]  # fmt: skip
    if tells_missing:
        attributes += [
            Attribute("left is missing", AttributeType.BOOL),
            Attribute("right is missing", AttributeType.BOOL),
        ]
    return JoinLayout((kept[0], kept[1]), places, Schema(tuple(attributes)), tells_missing)


def pair_scope(layout: JoinLayout, scope: Scope) -> Scope:
    """Names over pairs: ``Rows.columns[side]`` are the kept columns of each side."""
    places = [{position: place for place, position in enumerate(kept.positions)} for kept in layout.kept]

    def attribute(reference: AttributeRef) -> Callable[[Rows], Column]:
        if reference.event_index not in ONLY_EVENT:
            return _nulls(reference)
        source, place = reference.source, places[reference.source][reference.attribute]
        return lambda rows: rows.columns[source][place]

    return replace(scope, attribute=attribute, event_is_null=lambda node: _always(node.event_index not in ONLY_EVENT))


def joined_scope(layout: JoinLayout, scope: Scope) -> Scope:
    """Names over what a join puts out: ``Rows.columns[0]`` are the columns of ``layout.schema``."""
    places = {
        (source, layout.kept[source].positions[place]): column
        for column, (source, place) in enumerate(layout.put_out)
    }  # fmt: skip

    def attribute(reference: AttributeRef) -> Callable[[Rows], Column]:
        if reference.event_index not in ONLY_EVENT:
            return _nulls(reference)
        column = places[reference.source, reference.attribute]
        return lambda rows: rows.columns[0][column]

    def event_is_null(node: EventIsNull) -> Callable[[Rows], Column]:
        if node.event_index not in ONLY_EVENT:
            return _always(True)
        column = len(layout.put_out) + node.source
        return lambda rows: rows.columns[0][column]

    return replace(scope, attribute=attribute, event_is_null=event_is_null)


def _nulls(reference: AttributeRef) -> Callable[[Rows], Column]:
    null = Constant(reference.type, None)
    return lambda rows: column_of(null, rows.count)


def _always(value: bool) -> Callable[[Rows], Column]:
    return lambda rows: Column(AttributeType.BOOL, np.full(rows.count, value, dtype=np.bool_))


def _of_selector(query: Query) -> Iterable[Expression]:
    selector = query.selector
    yield from (each.expression for each in selector.projections)
    for aggregate in (*selector.aggregates, *selector.having_aggregates):
        yield from aggregate.expressions
    yield from selector.group_by
    yield from (key.column for key in selector.order_by)
    if selector.having is not None:
        yield selector.having


def _places(expression: Expression) -> Iterable[tuple[int, int]]:
    """Sides and positions; what ``in`` reads of a table is none of them."""
    return ((each.source, each.attribute) for each in attribute_refs(expression) if each.source in (0, 1))


def _asks_for_missing(expression: Expression) -> bool:
    found = False

    def look(node: Expression) -> Expression:
        nonlocal found
        found = found or isinstance(node, EventIsNull)
        return node

    map_expression(expression, look)
    return found
