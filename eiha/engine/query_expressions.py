"""What a query evaluates on rows: its handlers, aggregates and expressions, wherever they stand."""

from __future__ import annotations

from eiha.plan.expressions import Expression
from eiha.plan.nodes import (
    Aggregate,
    DeleteFrom,
    Filter,
    Handler,
    InsertInto,
    JoinInput,
    PatternInput,
    Query,
    StreamFunction,
    StreamInput,
    UpdateTable,
    Window,
)


def handlers_of(query: Query) -> tuple[Handler, ...]:
    """Filters, functions and windows through which rows come into a query."""
    if isinstance(query.input, JoinInput):
        return (*query.input.left.handlers, *query.input.right.handlers)
    return query.input.handlers if isinstance(query.input, StreamInput) else ()


def aggregates_of(query: Query) -> list[Aggregate]:
    """Those of the filters, of select and of having."""
    found: list[Aggregate] = []
    for handler in handlers_of(query):
        if isinstance(handler, Filter):
            found += handler.aggregates
    return [*found, *query.selector.aggregates, *query.selector.having_aggregates]


def selects_row_by_row(query: Query) -> bool:
    """Whether its select says of each row what that row alone tells: nothing is summed, grouped, ordered or counted."""
    selector = query.selector
    if query.partition is not None or query.rate is not None or selector.aggregates or selector.having_aggregates:
        return False
    return not (selector.group_by or selector.order_by or selector.limit is not None or selector.offset is not None)


def filters_alone(query: Query) -> tuple[Filter, ...]:
    """The filters of a query that has nothing else before its select, none of them by aggregates; else none."""
    handlers = query.input.handlers if isinstance(query.input, StreamInput) else ()
    filters = tuple(each for each in handlers if isinstance(each, Filter) and not each.aggregates)
    return filters if len(filters) == len(handlers) else ()


def expressions(query: Query, *, without_projections: bool = False) -> list[Expression]:
    """All expressions that a query evaluates on rows; or those that it evaluates on rows that are not put out, too."""
    found: list[Expression] = []
    if isinstance(query.input, PatternInput):
        found += [step.condition for step in query.input.steps if step.condition is not None]
    if isinstance(query.input, JoinInput) and query.input.on is not None:
        found.append(query.input.on)
    for handler in handlers_of(query):
        match handler:
            case Filter(condition):
                found.append(condition)
            case StreamFunction():
                found += handler.arguments
            case Window():
                pass
    selector = query.selector
    found += [each for aggregate in aggregates_of(query) for each in aggregate.expressions]
    found += selector.group_by
    if without_projections:
        return found
    found += [each.expression for each in selector.projections]
    if selector.having is not None:
        found.append(selector.having)
    match query.output:
        case DeleteFrom(on=on):
            found.append(on)
        case UpdateTable(on=on, sets=sets):
            found += [on, *(each.value for each in sets)]
        case InsertInto():
            pass
    return found
