"""Select, group by, having, order by, limit, offset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from eiha.events.schema import Attribute, AttributeType, Schema
from eiha.plan.bind_expressions import ExpressionBinder
from eiha.plan.expressions import AttributeRef, Expression, Literal, OutputRef
from eiha.plan.nodes import Aggregate, OrderKey, Projection, Selector, TableDefinition
from eiha.plan.refusals import Refusals
from eiha.plan.scopes import OutputScope, Scope
from eiha.siddhiql import expression_tree as tree
from eiha.siddhiql.query_tree import OutputAttribute, Selection
from eiha.siddhiql.span import Span


def bind_selector(
    selection: Selection | None,
    scope: Scope,
    everything: Sequence[Projection],
    captured: Scope | None,
    refusals: Refusals,
    tables: Mapping[str, TableDefinition] | None = None,
    *,
    orders_by_input: bool = False,
) -> Selector:
    """The selector of a query.

    Args:
        selection: as written; None: no select clause, which means ``select *``.
        scope: of the input's rows.
        everything: what ``select *`` puts out.
        captured: the captured events of a pattern or the sides of a join, which having may read too.
        refusals: raises the errors.
        tables: those that ``in`` may ask; None: there can be no ``in``.
        orders_by_input: whether order by may read what having may.
    """
    if selection is None:
        selection = Selection()
    aggregates: list[Aggregate] = []
    projections: Sequence[Projection]
    if selection.attributes:
        binder = ExpressionBinder(scope, refusals, aggregates, tables=tables)
        projections = [Projection(item.name, binder.bind(item.expression)) for item in selection.attributes]
        _refuse_repeated_names(selection.attributes, refusals)
    else:
        projections = everything
    schema = Schema(tuple(Attribute(item.name, item.expression.type) for item in projections))
    keys = ExpressionBinder(scope, refusals)
    output = OutputScope(schema, refusals, captured)
    ordering = output if orders_by_input else OutputScope(schema, refusals)
    held: list[Aggregate] = []
    return Selector(
        projections=tuple(projections),
        aggregates=tuple(aggregates),
        group_by=tuple(keys.bind(key) for key in selection.group_by),
        having=None if selection.having is None else _having(selection.having, output, held, refusals, tables),
        order_by=tuple(
            OrderKey(_order_column(key.attribute, ordering), key.is_descending) for key in selection.order_by
        ),
        limit=_row_count(selection.limit, "limit", refusals),
        offset=_row_count(selection.offset, "offset", refusals),
        schema=schema,
        having_aggregates=tuple(held),
    )


def all_attributes(schema: Schema, span: Span) -> tuple[Projection, ...]:
    """What ``select *`` puts out for a single stream."""
    return tuple(
        Projection(attribute.name, AttributeRef(0, position, attribute.name, attribute.type, span=span))
        for position, attribute in enumerate(schema.attributes)
    )


def _refuse_repeated_names(attributes: Sequence[OutputAttribute], refusals: Refusals) -> None:
    seen: set[str] = set()
    for item in attributes:
        if item.name in seen:
            refusals.refuse(item.span, f"{item.name!r} is put out twice; give one of them another name with as")
        seen.add(item.name)


def _having(
    condition: tree.Expression,
    output: OutputScope,
    held: list[Aggregate],
    refusals: Refusals,
    tables: Mapping[str, TableDefinition] | None,
) -> Expression:
    return bind_having(condition, ExpressionBinder(output, refusals, held, tables=tables))


def bind_having(condition: tree.Expression, binder: ExpressionBinder) -> Expression:
    """The condition of having. As in Siddhi an attribute or a constant alone is refused; a function is not."""
    bound = binder.bind_condition(condition, "having takes a bool")
    if isinstance(bound, AttributeRef | OutputRef | Literal):
        message = "having takes a condition, not a value alone; compare it, e.g. having flag == true"
        binder.refusals.refuse(condition.span, message)
    return bound


def _order_column(reference: tree.AttributeReference, ordering: OutputScope) -> OutputRef | AttributeRef:
    column = ordering.attribute(reference)
    assert isinstance(column, OutputRef | AttributeRef)
    return column


def _row_count(node: tree.Expression | None, clause: str, refusals: Refusals) -> int | None:
    if node is None:
        return None
    # the parser lets only int and long constants through
    assert isinstance(node, tree.Literal)
    assert node.type in (AttributeType.INT, AttributeType.LONG)
    count = int(node.value)
    if count < 0:
        refusals.refuse(node.span, f"{clause} cannot be negative")
    return count
