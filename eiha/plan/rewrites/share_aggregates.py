"""Equal aggregates of one query are kept once: they see the same rows, so they have the same value."""

from __future__ import annotations

from dataclasses import replace

from eiha.plan.expressions import AggregateRef, Expression
from eiha.plan.nodes import Aggregate, Plan, Query
from eiha.plan.plan_text import aggregate_text
from eiha.plan.rewrites.map_expressions import map_aggregate, map_expression


def share_aggregates(plan: Plan) -> Plan:
    """``plan`` with each aggregate once a query."""
    return replace(plan, queries=tuple(_query(query) for query in plan.queries))


def _query(query: Query) -> Query:
    selector = query.selector
    kept: list[Aggregate] = []
    positions: dict[str, int] = {}
    moved: list[int] = []

    def change(node: Expression) -> Expression:
        return replace(node, index=moved[node.index]) if isinstance(node, AggregateRef) else node

    for each in selector.aggregates:
        aggregate = map_aggregate(each, change)  # what it refers to came before
        text = aggregate_text(aggregate)
        if text not in positions:
            positions[text] = len(kept)
            kept.append(aggregate)
        moved.append(positions[text])
    if len(kept) == len(selector.aggregates):
        return query
    projections = tuple(
        replace(item, expression=map_expression(item.expression, change)) for item in selector.projections
    )
    return replace(query, selector=replace(selector, projections=projections, aggregates=tuple(kept)))
