"""``sizeOfSet(unionSet(createSet(x)))`` counts values: it is ``distinctCount(x)`` as an int, and no sets are made."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from eiha.events.schema import AttributeType
from eiha.plan.expressions import AggregateRef, Call, Expression
from eiha.plan.nodes import Aggregate, Plan, Query
from eiha.plan.rewrites.map_expressions import map_aggregate, map_expression


def count_unions(plan: Plan) -> Plan:
    """``plan`` with unions counted of which nothing but the size is read."""
    return replace(plan, queries=tuple(_query(query) for query in plan.queries))


def _query(query: Query) -> Query:
    selector = query.selector
    held = [each for aggregate in selector.aggregates for each in aggregate.expressions]
    counted = _counted(selector.aggregates, [*(item.expression for item in selector.projections), *held])
    if not counted:
        return query

    def change(node: Expression) -> Expression:
        read = _sized(node)
        return read if read is not None and read.index in counted else node

    projections = tuple(
        replace(item, expression=map_expression(item.expression, change)) for item in selector.projections
    )
    aggregates = tuple(
        _as_count(each) if place in counted else map_aggregate(each, change)
        for place, each in enumerate(selector.aggregates)
    )
    return replace(query, selector=replace(selector, projections=projections, aggregates=aggregates))


def _counted(aggregates: tuple[Aggregate, ...], expressions: list[Expression]) -> set[int]:
    """The places of unions of single values that are read by ``sizeOfSet`` only."""
    reads: Counter[int] = Counter()
    sizes: Counter[int] = Counter()

    def look(node: Expression) -> Expression:
        if isinstance(node, AggregateRef):
            reads[node.index] += 1
        read = _sized(node)
        if read is not None:
            sizes[read.index] += 1
        return node

    for each in expressions:
        map_expression(each, look)
    return {place for place, size in sizes.items() if size == reads[place] and _is_union_of_values(aggregates[place])}


def _sized(node: Expression) -> AggregateRef | None:
    """The aggregate whose size ``node`` is."""
    match node:
        case Call(function="sizeOfSet", arguments=(AggregateRef() as read,), script=None):
            return replace(read, type=node.type)
        case _:
            return None


def _is_union_of_values(aggregate: Aggregate) -> bool:
    argument = aggregate.argument
    return aggregate.name == "unionSet" and isinstance(argument, Call) and argument.function == "createSet"


def _as_count(aggregate: Aggregate) -> Aggregate:
    assert isinstance(aggregate.argument, Call)
    return replace(aggregate, name="distinctCount", argument=aggregate.argument.arguments[0], type=AttributeType.INT)
