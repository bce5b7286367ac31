"""Which columns a query still reads behind its first filter or window: only these are gathered and held.

A filter copies the rows it keeps, a window holds them and copies them twice; columns that nothing reads later are left
out before. Decided from the plan when it is lowered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from eiha.engine.expressions.rows import Rows, Scope
from eiha.engine.operator import RowClock
from eiha.engine.operators.stateless import Stateless
from eiha.events.batch import EventBatch
from eiha.events.column import Column
from eiha.events.schema import Schema
from eiha.plan.attribute_refs import attribute_refs
from eiha.plan.expressions import (
    TABLE_ROW,
    AttributeRef,
    Expression,
)
from eiha.plan.nodes import Filter, Handler, Query, StreamInput, Window
from eiha.plan.rewrites.map_expressions import map_expression


@dataclass(frozen=True, slots=True)
class KeptColumns:
    """The columns of ``schema`` at ``positions`` (rising), which become positions 0, 1, ..."""

    schema: Schema
    positions: tuple[int, ...]

    def narrowed(self) -> Schema:
        """The schema of what is kept."""
        return Schema(tuple(self.schema.attributes[position] for position in self.positions))

    def scope(self, scope: Scope) -> Scope:
        """Names over narrowed rows."""
        places = {position: place for place, position in enumerate(self.positions)}

        def attribute(reference: AttributeRef) -> Callable[[Rows], Column]:
            return scope.attribute(replace(reference, attribute=places[reference.attribute]))

        return replace(scope, attribute=attribute)

    def window(self, window: Window) -> Window:
        """``window`` with the attributes that its arguments read at their new positions."""

        def moved(node: Expression) -> Expression:
            if not isinstance(node, AttributeRef):
                return node
            return replace(node, attribute=self.positions.index(node.attribute))

        return replace(window, arguments=tuple(map_expression(each, moved) for each in window.arguments))


class KeepColumns(Stateless):
    """Lets some columns pass, those at ``positions``, as rows of ``schema``; their values are not copied."""

    __slots__ = ("positions", "schema")

    def __init__(self, kept: KeptColumns) -> None:
        self.positions = kept.positions
        self.schema = kept.narrowed()

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch:  # noqa: ARG002 - time does not matter
        """The same rows."""
        columns = batch.columns
        return EventBatch(
            self.schema,
            batch.timestamps,
            tuple([columns[position] for position in self.positions]),
            batch.kinds,
            batch.chunks,
            batch.collapses,
            batch.keys,
        )


def kept_columns(query: Query, schema: Schema) -> KeptColumns | None:
    """What a query over rows of ``schema`` reads behind its first handler; None: all, or not known."""
    assert isinstance(query.input, StreamInput)
    handlers = query.input.handlers
    if not handlers or not all(isinstance(each, Filter | Window) for each in handlers):
        return None
    later = handlers if isinstance(handlers[0], Window) else handlers[1:]
    if any(isinstance(each, Window) and _tells_whole_rows_apart(each) for each in later):
        return None
    expressions = [*_of_handlers(later), *_of_selector(query)]
    positions = tuple(
        sorted({ref.attribute for each in expressions for ref in attribute_refs(each) if ref.source != TABLE_ROW})
    )
    return None if len(positions) == len(schema) else KeptColumns(schema, positions)


def read_by_output(query: Query, kept: KeptColumns | None) -> frozenset[int]:
    """Positions, among those ``kept``, of what projections and group by read of a row, aggregates aside."""
    expressions = [*(each.expression for each in query.selector.projections), *query.selector.group_by]
    positions = {ref.attribute for each in expressions for ref in attribute_refs(each) if ref.source != TABLE_ROW}
    return frozenset(positions if kept is None else map(kept.positions.index, positions))


def _tells_whole_rows_apart(window: Window) -> bool:
    """Whether a window's key is all attributes: none is named."""
    return window.name in ("frequent", "lossyFrequent") and not any(
        isinstance(each, AttributeRef) for each in window.arguments
    )


def _of_handlers(handlers: tuple[Handler, ...]) -> Iterator[Expression]:
    for handler in handlers:
        if isinstance(handler, Filter):
            yield handler.condition
            yield from (each for aggregate in handler.aggregates for each in aggregate.expressions)
        else:
            yield from handler.arguments


def _of_selector(query: Query) -> Iterator[Expression]:
    selector = query.selector
    yield from (each.expression for each in selector.projections)
    yield from (each for aggregate in selector.aggregates for each in aggregate.expressions)
    yield from selector.group_by
    if selector.having is not None:
        yield selector.having
