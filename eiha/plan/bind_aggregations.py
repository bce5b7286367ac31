"""Definitions of incremental aggregations, and the ``within ... per ...`` of those who read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from eiha.events.schema import Attribute, AttributeType, Schema
from eiha.plan.aggregates import AGGREGATES
from eiha.plan.bind_expressions import ExpressionBinder
from eiha.plan.bind_retention import bind_retention
from eiha.plan.bind_streams import bind_stream
from eiha.plan.expressions import AttributeRef, Expression, Literal
from eiha.plan.granularities import Granularity, granularity_names, granularity_of_text, granularity_of_unit
from eiha.plan.nodes import Aggregation, AggregationColumn, AggregationRange, RollUp, TableDefinition, Window
from eiha.plan.refusals import Refusals
from eiha.plan.scopes import StreamScope
from eiha.plan.within import NoTime, moment_ms, span_ms
from eiha.siddhiql import expression_tree as tree
from eiha.siddhiql.definition_tree import DefineAggregation, Granularities
from eiha.siddhiql.diagnostics import did_you_mean
from eiha.siddhiql.query_tree import Selection, TimeRange
from eiha.siddhiql.span import Span

TIMESTAMP: Final = "AGG_TIMESTAMP"
"""First column of every aggregation: where the bucket begins, in ms."""

_ROLL_UPS: Final = {
    each.value: each
    for each in (RollUp.SUM, RollUp.AVERAGE, RollUp.MINIMUM, RollUp.MAXIMUM, RollUp.COUNT, RollUp.DISTINCT_COUNT)
}
_MOMENT_TYPES: Final = (AttributeType.LONG, AttributeType.STRING)


def bind_aggregation(
    definition: DefineAggregation, source: Schema, tables: Mapping[str, TableDefinition], refusals: Refusals
) -> tuple[Aggregation, tuple[str, ...]]:
    """The aggregation over a stream of the schema ``source``, whose filters may ask ``tables``, and warnings.

    Raises:
        PlanSemanticError: names, types or granularities do not fit.
    """
    stream = bind_stream(definition.input, source, refusals, tables)
    for handler in stream.handlers:
        if isinstance(handler, Window):
            message = "an aggregation takes the rows of a stream as they come; put the window into a query before"
            refusals.refuse(handler.span, message)
    scope = StreamScope(stream.stream, stream.schema, refusals)
    binder = ExpressionBinder(scope, refusals)
    _refuse_later_clauses(definition.selection, refusals)
    group_by = tuple(binder.bind(key) for key in definition.selection.group_by)
    columns = _columns(definition.selection, stream.schema, group_by, binder, refusals)
    granularities = _granularities(definition.every, refusals)
    retention, warnings = bind_retention(definition.name, definition.annotations, granularities, refusals)
    aggregation = Aggregation(
        definition.name,
        stream,
        columns,
        group_by,
        _time(definition, scope, refusals),
        granularities,
        retention.kept_ms,
        retention.interval_ms,
        Schema((Attribute(TIMESTAMP, AttributeType.LONG), *(Attribute(each.name, each.type) for each in columns))),
        definition.span,
    )
    return aggregation, warnings


def bind_range(
    within: TimeRange | None,
    per: tree.Expression | None,
    aggregation: Aggregation,
    binder: ExpressionBinder,
    place: Span,
    refusals: Refusals,
) -> AggregationRange:
    """``within ... per ...`` of a join or a question. ``binder`` knows the row that asks, if there is one.

    Raises:
        PlanSemanticError: a clause is missing, or names no time or no granularity of ``aggregation``.
    """
    if within is None or per is None:
        clause = "per 'hours'" if within is not None else "within '2020-09-** **:**:**' per 'hours'"
        message = f"{aggregation.name!r} is an aggregation; which of its buckets are meant is said by: {clause}"
        refusals.refuse(place, message)
    start = binder.bind(within.start)
    end = None if within.end is None else binder.bind(within.end)
    if end is None and start.type is not AttributeType.STRING:
        message = f"within with one value takes a string like '2020-09-** **:**:**', not {start.type.value}"
        refusals.refuse(within.span, message)
    for bound in (start, end):
        if bound is not None and bound.type not in _MOMENT_TYPES:
            message = f"a bound of within is a long or a string, not {bound.type.value}"
            refusals.refuse(bound.span, message + _long_hint(bound))
    _check_times(start, end, within.span, refusals)
    return AggregationRange(aggregation.name, start, end, _per(per, aggregation, binder, refusals), within.span)


def granularity_problem(text: str, aggregation: Aggregation) -> str | None:
    """Why ``per text`` cannot be answered; None: it can."""
    granularity = granularity_of_text(text)
    known = granularity_names(aggregation.granularities)
    if granularity is None:
        forms = ", ".join(f"{each.name.lower()}s" for each in Granularity)
        return f"there are no buckets of {text!r}; valid: {forms}" + did_you_mean(text, forms.split(", "))
    if granularity not in aggregation.granularities:
        return f"{aggregation.name!r} has no buckets of {granularity_names([granularity])}; it has {known}"
    return None


def _per(per: tree.Expression, aggregation: Aggregation, binder: ExpressionBinder, refusals: Refusals) -> Expression:
    bound = binder.bind(per)
    if bound.type is not AttributeType.STRING:
        refusals.refuse(per.span, f"per takes a string like 'hours', not {bound.type.value}")
    if isinstance(bound, Literal):
        problem = granularity_problem(str(bound.value), aggregation)
        if problem is not None:
            refusals.refuse(per.span, problem)
    return bound


def _check_times(start: Expression, end: Expression | None, place: Span, refusals: Refusals) -> None:
    """Refuse constants that name no time, or an empty span."""
    try:
        if end is None:
            if isinstance(start, Literal):
                span_ms(str(start.value))
            return
        moments = [_moment(each) for each in (start, end)]
    except NoTime as problem:
        refusals.refuse(place, str(problem))
    first, last = moments
    if first is not None and last is not None and first >= last:
        refusals.refuse(place, f"within begins at {first} and ends at {last}; the end must be later than the start")


def _moment(bound: Expression) -> int | None:
    match bound:
        case Literal(value=str(text)):
            return moment_ms(text)
        case Literal(value=int(milliseconds)):
            return milliseconds
        case _:
            return None


def _long_hint(bound: Expression) -> str:
    return f"; write {bound.value}L" if isinstance(bound, Literal) and bound.type is AttributeType.INT else ""


# --- columns


def _refuse_later_clauses(selection: Selection, refusals: Refusals) -> None:
    clauses = {
        "having": selection.having is not None,
        "order by": bool(selection.order_by),
        "limit": selection.limit is not None,
        "offset": selection.offset is not None,
    }
    for clause, is_there in clauses.items():
        if is_there:
            message = f"{clause} cannot stand in a definition of an aggregation; put it into the query that reads it"
            refusals.refuse(selection.span, message)


def _columns(
    selection: Selection,
    schema: Schema,
    group_by: Sequence[Expression],
    binder: ExpressionBinder,
    refusals: Refusals,
) -> tuple[AggregationColumn, ...]:
    items: list[tuple[str, tree.Expression, Span]] = [
        (item.name, item.expression, item.span) for item in selection.attributes
    ] or [(name, tree.AttributeReference(name, span=selection.span), selection.span) for name in schema.names]
    columns: list[AggregationColumn] = []
    for name, expression, span in items:
        if name == TIMESTAMP or any(name == column.name for column in columns):
            refusals.refuse(span, f"{name!r} is selected already; each column of an aggregation has a name of its own")
        columns.append(_column(name, expression, group_by, binder, refusals))
    return tuple(columns)


def _column(
    name: str,
    expression: tree.Expression,
    group_by: Sequence[Expression],
    binder: ExpressionBinder,
    refusals: Refusals,
) -> AggregationColumn:
    if isinstance(expression, tree.FunctionCall) and expression.namespace is None and expression.name in AGGREGATES:
        return _aggregate(name, expression, binder, refusals)
    for call in _aggregate_calls(expression):
        message = (
            f"{call.name} stands alone in an aggregation; select it by itself and compute in the query that reads it"
        )
        refusals.refuse(call.span, message)
    bound = binder.bind(expression)
    is_key = isinstance(bound, AttributeRef) and any(
        isinstance(key, AttributeRef) and key.attribute == bound.attribute for key in group_by
    )
    return AggregationColumn(name, bound.type, RollUp.KEY if is_key else RollUp.LATEST, bound)


def _aggregate(name: str, call: tree.FunctionCall, binder: ExpressionBinder, refusals: Refusals) -> AggregationColumn:
    roll_up = _ROLL_UPS.get(call.name)
    if roll_up is None:
        known = ", ".join(_ROLL_UPS)
        refusals.refuse(call.span, f"{call.name} cannot be rolled up; an aggregation takes {known}")
    signature = AGGREGATES[call.name]
    if call.is_star or len(call.arguments) > 1 or (not call.arguments and not signature.may_be_empty):
        refusals.refuse(call.span, f"{call.name} takes one attribute")
    if not call.arguments:
        return AggregationColumn(name, AttributeType.LONG, roll_up, None)
    [argument] = call.arguments
    if not isinstance(argument, tree.AttributeReference):
        message = f"{call.name} takes an attribute in an aggregation, no expression; compute it in a query before"
        refusals.refuse(argument.span, message)
    bound = binder.bind(argument)
    types = signature.types | {AttributeType.BOOL} if roll_up is RollUp.DISTINCT_COUNT else signature.types
    if bound.type not in types:
        valid = ", ".join(type_.value for type_ in AttributeType if type_ in types)
        refusals.refuse(call.span, f"{call.name} takes {valid}, not {bound.type.value}")
    return AggregationColumn(name, signature.result(bound.type), roll_up, bound)


def _aggregate_calls(expression: tree.Expression) -> list[tree.FunctionCall]:
    match expression:
        case tree.FunctionCall(name, arguments, namespace):
            held = [call for each in arguments for call in _aggregate_calls(each)]
            return [expression, *held] if namespace is None and name in AGGREGATES else held
        case tree.BinaryOperation(_, left, right):
            return [*_aggregate_calls(left), *_aggregate_calls(right)]
        case tree.NotOperation(operand) | tree.InTable(operand):
            return _aggregate_calls(operand)
        case tree.NullCheck(operand):
            return _aggregate_calls(operand) if isinstance(operand, tree.FunctionCall) else []
        case _:
            return []


# --- time


def _time(definition: DefineAggregation, scope: StreamScope, refusals: Refusals) -> Expression | None:
    if definition.by is None:
        return None
    by = scope.attribute(definition.by)
    if by.type not in _MOMENT_TYPES:
        message = f"aggregate by takes a long (ms) or a string like '2020-09-13 12:26:40', not {by.type.value}"
        refusals.refuse(definition.by.span, message)
    return by


def _granularities(every: Granularities, refusals: Refusals) -> tuple[Granularity, ...]:
    found: list[Granularity] = []
    for unit in every.units:
        granularity = granularity_of_unit(unit)
        if granularity is None:
            forms = ", ".join(each.name.lower() for each in Granularity)
            refusals.refuse(every.span, f"there are no buckets of a {unit.value}; valid: {forms}")
        found.append(granularity)
    if not every.is_range:
        return tuple(sorted(set(found)))
    first, last = found
    if first > last:
        message = f"a range of granularities goes from fine to coarse: {last.name.lower()}...{first.name.lower()}"
        refusals.refuse(every.span, message)
    return tuple(each for each in Granularity if first <= each <= last)
