"""Questions and statements from outside: from syntax tree to typed form, over a plan that runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import assert_never

from eiha.events.schema import Attribute, Schema
from eiha.plan.bind_aggregations import bind_range
from eiha.plan.bind_expressions import ExpressionBinder
from eiha.plan.bind_selector import all_attributes, bind_having, bind_selector
from eiha.plan.bind_tables import bind_table_output
from eiha.plan.expressions import AttributeRef, EventIsNull, Expression, OutputRef
from eiha.plan.nodes import Aggregate, AggregationRange, OrderKey, Plan, Projection, Selector
from eiha.plan.on_demand import Held, Question, Statement
from eiha.plan.refusals import Refusals
from eiha.plan.scopes import StreamScope
from eiha.siddhiql import query_tree
from eiha.siddhiql.diagnostics import did_you_mean
from eiha.siddhiql.expression_tree import AttributeReference, StreamReference
from eiha.siddhiql.parser import parse_on_demand


def compile_on_demand(text: str, plan: Plan) -> Question | Statement:
    """What ``text`` asks of ``plan``, or tells it to change.

    Raises:
        PlanSyntaxError: ``text`` is neither.
        PlanSemanticError: names or types do not fit.
    """
    return _bind(parse_on_demand(text), plan, Refusals(text))


def _bind(tree: query_tree.OnDemandQuery, plan: Plan, refusals: Refusals) -> Question | Statement:
    match tree.output:
        case None:
            assert tree.source is not None
            return _question(tree, tree.source, plan, refusals)
        case query_tree.InsertInto() | query_tree.DeleteFrom() | query_tree.UpdateTable():
            return _statement(tree, tree.output, plan, refusals)
        case query_tree.Return(span=span):
            return refusals.refuse(span, "a question needs no return: its rows go to who asks")
        case _:
            assert_never(tree.output)


# --- questions


def _question(tree: query_tree.OnDemandQuery, source: query_tree.Source, plan: Plan, refusals: Refusals) -> Question:
    held, schema = _held(source, plan, refusals)
    if tree.alias is not None:
        refusals.refuse(tree.span, f"a question gives its source no other name; without: as {tree.alias}")
    scope = StreamScope(source.name, schema, refusals)
    tables = {each.name: each for each in plan.tables}
    binder = ExpressionBinder(scope, refusals, tables=tables)
    on = None if tree.on is None else binder.bind_condition(tree.on, "on takes a bool")
    selector, shown = _selector(tree, scope, plan, refusals)
    return Question(held, source.name, on, _buckets(tree, held, source, plan, refusals), selector, shown)


def _held(source: query_tree.Source, plan: Plan, refusals: Refusals) -> tuple[Held, Schema]:
    """What ``source`` is and its columns."""
    known = [
        *((each.name, Held.TABLE, each.schema) for each in plan.tables),
        *((each.name, Held.WINDOW, each.schema) for each in plan.windows),
        *((each.name, Held.AGGREGATION, each.schema) for each in plan.aggregations),
    ]
    if not (source.is_inner or source.is_fault):
        for name, held, schema in known:
            if name == source.name:
                return held, schema
    message = f"{source.name!r} is neither a table nor a window nor an aggregation"
    return refusals.refuse(source.span, message + did_you_mean(source.name, [name for name, _, _ in known]))


def _buckets(
    tree: query_tree.OnDemandQuery, held: Held, source: query_tree.Source, plan: Plan, refusals: Refusals
) -> AggregationRange | None:
    if held is not Held.AGGREGATION:
        if tree.within is not None or tree.per is not None:
            refusals.refuse(tree.span, f"within and per are for aggregations; {source.name!r} is a {held.value}")
        return None
    aggregation = next(each for each in plan.aggregations if each.name == source.name)
    nothing = ExpressionBinder(StreamScope(source.name, Schema(()), refusals), refusals)
    return bind_range(tree.within, tree.per, aggregation, nothing, source.span, refusals)


def _selector(
    tree: query_tree.OnDemandQuery, scope: StreamScope, plan: Plan, refusals: Refusals
) -> tuple[Selector, Schema]:
    """The selector, with the columns that having and order by read beside the selected ones, and what is selected."""
    selection = tree.selection or query_tree.Selection()
    place = selection.span if tree.selection is not None else tree.span
    tables = {each.name: each for each in plan.tables}
    everything = all_attributes(scope.schema, place)
    plain = bind_selector(replace(selection, having=None, order_by=()), scope, everything, None, refusals, tables)
    shown = plain.schema
    outputs = _QuestionOutputs(
        scope, list(plain.projections), {each.name: index for index, each in enumerate(plain.projections)}
    )
    held: list[Aggregate] = []
    having: Expression | None = None
    if selection.having is not None:
        binder = ExpressionBinder(outputs, refusals, held, tables=tables)
        having = bind_having(selection.having, binder)
    keys: list[OrderKey] = []
    for key in selection.order_by:
        column = outputs.attribute(key.attribute)
        assert isinstance(column, OutputRef)
        keys.append(OrderKey(column, key.is_descending))
    projections = tuple(outputs.projections)
    schema = Schema(tuple(Attribute(each.name, each.expression.type) for each in projections))
    return (
        replace(
            plain,
            projections=projections,
            schema=schema,
            having=having,
            having_aggregates=tuple(held),
            order_by=tuple(keys),
        ),
        shown,
    )


@dataclass(frozen=True, slots=True)
class _QuestionOutputs:
    """Having and order by of a question: what is selected, else the columns of the source, which are then put out, too.

    ``names``: positions of the selected ones; ``projections`` grows.
    """

    source: StreamScope
    projections: list[Projection]
    names: dict[str, int]

    def attribute(self, reference: AttributeReference) -> Expression:
        """A column of the output."""
        position = self.names.get(reference.name) if reference.stream is None else None
        if position is None:
            column = self.source.attribute(reference)
            assert isinstance(column, AttributeRef)
            position = next(
                (place for place, each in enumerate(self.projections) if _is_column(each.expression, column)), None
            )
            if position is None:
                # a name that no attribute can have: several hidden columns may stand beside one of the same name
                self.projections.append(Projection(f" {len(self.projections)}", column))
                position = len(self.projections) - 1
        return OutputRef(position, reference.name, self.projections[position].expression.type, reference.span)

    def event_is_null(self, reference: StreamReference) -> EventIsNull | None:  # noqa: ARG002 - the protocol's form
        """There are no captured events."""
        return None


def _is_column(expression: Expression, column: AttributeRef) -> bool:
    return isinstance(expression, AttributeRef) and expression.attribute == column.attribute


# --- statements


def _statement(
    tree: query_tree.OnDemandQuery,
    output: query_tree.InsertInto | query_tree.DeleteFrom | query_tree.UpdateTable,
    plan: Plan,
    refusals: Refusals,
) -> Statement:
    target = output.target
    table = plan.table(target.name)
    if table is None or target.is_inner or target.is_fault:
        message = f"{target.name!r} is not a table" + did_you_mean(target.name, [each.name for each in plan.tables])
        refusals.refuse(target.span, message)
    tables = {each.name: each for each in plan.tables}
    selector: Selector | None = None
    if tree.selection is not None:
        if not tree.selection.attributes:
            refusals.refuse(tree.selection.span, "a statement has no source that * could mean; name each attribute")
        scope = StreamScope(target.name, Schema(()), refusals)
        selector = bind_selector(tree.selection, scope, (), None, refusals, tables)
    selected = None if selector is None else selector.schema
    bound = bind_table_output(output, table, selected, tables, refusals)
    return Statement(selector, bound, table.schema if selected is None else selected)
