"""What makes two parts of plans the same, as text: how they are written, without their names, and what they read."""

from __future__ import annotations

from eiha.plan.nodes import Aggregation, JoinInput, PatternInput, Plan, Query, StreamInput, TableDefinition
from eiha.plan.plan_text import aggregation_lines, partition_line, query_lines, schema_text, table_line


def query_identity(plan: Plan, query: Query) -> str:
    """Of a query outside of partitions. Its name and place do not matter, unless it is a named window."""
    name = query.name if query.position < len(plan.windows) else ""
    return "\n".join([name, *query_lines(query)[1:], *_read(plan, query)])


def partition_identity(plan: Plan, place: int) -> str:
    """Of a partition with all its queries, in order."""
    lines = [partition_line(plan.partitions[place])]
    for query in plan.queries:
        if query.partition == place:
            lines += [*query_lines(query)[1:], *_read(plan, query)]
    return "\n".join(lines)


def table_identity(table: TableDefinition) -> str:
    """Of a table."""
    return table_line(table)


def aggregation_identity(plan: Plan, aggregation: Aggregation) -> str:
    """Of an aggregation."""
    schema = plan.stream(aggregation.input.stream).schema
    return "\n".join([*aggregation_lines(aggregation), schema_text(schema)])


def _read(plan: Plan, query: Query) -> list[str]:
    """The attributes of all that brings rows."""
    match query.input:
        case StreamInput(stream):
            return [schema_text(plan.stream(stream).schema)]
        case PatternInput(steps=steps):
            return [schema_text(step.schema) for step in steps]
        case JoinInput():
            return [schema_text(side.schema) for side in query.input.sides]
