"""A plan as text: everything that tells plans apart, nothing else (no places), one fact a line.

The text is canonical: equal plans give equal text, so its digest is the identity of a plan. Its form is part of what
snapshots are checked against; a change of it makes every plan a new one.
"""

from __future__ import annotations

from typing import assert_never

from eiha.events.schema import AttributeType, Schema
from eiha.plan.expressions import (
    LAST_EVENT,
    TABLE_ROW,
    WHOLE_LIST,
    AggregateRef,
    Arithmetic,
    AttributeRef,
    Call,
    Compare,
    EventIsNull,
    Expression,
    InTable,
    IsNull,
    Literal,
    Logic,
    Not,
    OutputRef,
)
from eiha.plan.nodes import (
    AbsentNode,
    Aggregate,
    Aggregation,
    DeleteFrom,
    EveryNode,
    Filter,
    Handler,
    InsertInto,
    JoinInput,
    LogicalNode,
    NextNode,
    Partition,
    PatternInput,
    PatternNode,
    PatternStep,
    Plan,
    Query,
    Selector,
    StepNode,
    StreamFunction,
    StreamInput,
    TableDefinition,
    Trigger,
    UpdateTable,
    ValueKey,
    Window,
)
from eiha.siddhiql.expression_tree import Literal as TreeLiteral
from eiha.siddhiql.unparse_expressions import literal as literal_text
from eiha.siddhiql.unparse_expressions import name as quoted


def plan_text(plan: Plan) -> str:
    """The whole plan, ending in a line break."""
    lines = [f"plan {quoted(plan.name)}" + (" (playback)" if plan.playback else "")]
    if plan.idle is not None:
        lines.append(f"idle for {plan.idle.time_ms} ms moves event time by {plan.idle.increment_ms} ms")
    for stream in plan.streams:
        marks = [] if stream.name in plan.defined else ["inferred"]
        marks += ["stored"] if stream.name in plan.stored_streams else []
        marks += ["published"] if stream.name in plan.published_streams else []
        lines.append(
            f"stream {quoted(stream.name)}{schema_text(stream.schema)}" + (f" [{', '.join(marks)}]" if marks else "")
        )
    lines += [table_line(each) for each in plan.tables]
    lines += [f"trigger {quoted(each.name)} at {_moment(each)}" for each in plan.triggers]
    lines += [f"faults of {quoted(each)}" for each in plan.fault_streams]
    lines += [f"errors of {quoted(each)} are stored" for each in plan.error_streams]
    for each in plan.deduplicated:
        name = plan.stream(each.stream).schema.names[each.attribute]
        lines.append(f"deduplicate {quoted(each.stream)} by {quoted(name)}, last {each.size} keys")
    lines += [f"partition {index} {partition_line(each)}" for index, each in enumerate(plan.partitions)]
    for aggregation in plan.aggregations:
        lines += aggregation_lines(aggregation)
    for query in plan.queries:
        lines += query_lines(query)
    lines += [f"warning {warning}" for warning in plan.warnings]
    return "".join(f"{line}\n" for line in lines)


def _moment(trigger: Trigger) -> str:
    if trigger.cron is not None:
        return f"cron {trigger.cron!r}"
    return "start" if trigger.every_ms is None else f"every {trigger.every_ms} ms"


def table_line(table: TableDefinition) -> str:
    """A table."""
    names = table.schema.names
    marks = [f"key {', '.join(quoted(names[each]) for each in table.primary_key)}"] if table.primary_key else []
    marks += [f"index {quoted(names[each])}" for each in table.indexes]
    return f"table {quoted(table.name)}{schema_text(table.schema)}" + (f" [{'; '.join(marks)}]" if marks else "")


def schema_text(schema: Schema) -> str:
    """Names and types."""
    return "(" + ", ".join(f"{quoted(each.name)} {each.type.value}" for each in schema.attributes) + ")"


def partition_line(partition: Partition) -> str:
    """The keys of a partition, and when it forgets them."""
    keys = [
        f"{expression_text(key.expression)} of {quoted(key.stream)}"
        if isinstance(key, ValueKey)
        else " or ".join(f"{expression_text(condition)} as {label!r}" for condition, label in key.ranges)
        + f" of {quoted(key.stream)}"
        for key in partition.keys
    ]
    purge = partition.purge
    forget = "" if purge is None else f", idle for {purge.idle_ms} ms forgotten every {purge.interval_ms} ms"
    return f"by {', '.join(keys)}{forget}"


def query_lines(query: Query) -> list[str]:
    """A query: its name and place first, then what it does."""
    within = "" if query.partition is None else f" in partition {query.partition}"
    lines = [f"query {quoted(query.name)}" + ("" if query.named else " (unnamed)") + within]
    match query.input:
        case StreamInput(stream, handlers):
            lines.append(f"  from {quoted(stream)}")
            lines += [f"    {_handler(handler)}" for handler in handlers]
        case PatternInput():
            lines += _pattern(query.input)
        case JoinInput():
            lines += _join(query.input)
        case _:
            assert_never(query.input)
    lines += _selector(query.selector)
    if query.rate is not None:
        every = f"{query.rate.every_events} events" if query.rate.every_ms is None else f"{query.rate.every_ms} ms"
        lines.append(f"  output {query.rate.kind.value} every {every}")
    return [*lines, *_output(query)]


def _output(query: Query) -> list[str]:
    output = query.output
    events, target = f"{output.events.value} events", quoted(output.target)
    match output:
        case InsertInto():
            return [f"  insert {events} into {target}"]
        case DeleteFrom(on=on):
            return [f"  delete rows of {target} for {events} on {expression_text(on)}"]
        case UpdateTable(sets=sets, on=on, or_insert=or_insert):
            insert = " or insert into" if or_insert else ""
            lines = [f"  update{insert} {target} for {events} on {expression_text(on)}"]
            return lines + [f"    column {each.column} = {expression_text(each.value)}" for each in sets]
        case _:
            assert_never(output)


def _join(join: JoinInput) -> list[str]:
    lines = [f"  {join.kind.value} join"]
    for side in join.sides:
        mute = "" if side.triggers else ", looks for no partners"
        lines.append(f"    {side.kind.value} {quoted(side.source)} as {quoted(side.name)}{mute}")
        lines += [f"      {_handler(handler)}" for handler in side.handlers]
    if join.on is not None:
        lines.append(f"    on {expression_text(join.on)}")
    if join.buckets is not None:
        bounds = tuple(each for each in (join.buckets.start, join.buckets.end) if each is not None)
        lines.append(f"    within {_list(bounds)} per {expression_text(join.buckets.per)}")
    return lines


def aggregation_lines(aggregation: Aggregation) -> list[str]:
    """An aggregation."""
    lines = [f"aggregation {quoted(aggregation.name)}", f"  from {quoted(aggregation.input.stream)}"]
    lines += [f"    {_handler(handler)}" for handler in aggregation.input.handlers]
    for column in aggregation.columns:
        argument = "" if column.argument is None else expression_text(column.argument)
        lines.append(f"  {column.roll_up.value}({argument}) as {quoted(column.name)} ({column.type.value})")
    if aggregation.group_by:
        lines.append(f"  group by {_list(aggregation.group_by)}")
    if aggregation.by is not None:
        lines.append(f"  by {expression_text(aggregation.by)}")
    for granularity, kept_ms in zip(aggregation.granularities, aggregation.retention_ms, strict=True):
        lines.append(f"  every {granularity.name.lower()}" + ("" if kept_ms is None else f", kept {kept_ms} ms"))
    if aggregation.purge_interval_ms is not None:
        lines.append(f"  purge every {aggregation.purge_interval_ms} ms")
    return lines


def _handler(handler: Handler) -> str:
    match handler:
        case Filter(condition):
            held = [f" where #{index} is {aggregate_text(each)}" for index, each in enumerate(handler.aggregates)]
            return f"filter {expression_text(condition)}{''.join(held)}"
        case Window(name, arguments):
            return f"window {name}({_list(arguments)})"
        case StreamFunction(name, arguments, schema):
            return f"function {name}({_list(arguments)}) giving {schema_text(schema)}"
        case _:
            assert_never(handler)


def _pattern(pattern: PatternInput) -> list[str]:
    kind = "sequence" if pattern.is_sequence else "pattern"
    within = "" if pattern.within_ms is None else f" within {pattern.within_ms} ms"
    lines = [f"  from {kind} {_pattern_node(pattern.root)}{within}"]
    return lines + [f"    step {position}: {_step(step)}" for position, step in enumerate(pattern.steps)]


def _step(step: PatternStep) -> str:
    most = "" if step.max_count is None else str(step.max_count)
    count = "" if step.min_count == step.max_count == 1 else f"<{step.min_count}:{most}>"
    condition = "" if step.condition is None else f" where {expression_text(step.condition)}"
    return f"{quoted(step.reference)}={quoted(step.stream)}{count}{condition}"


def _pattern_node(node: PatternNode) -> str:
    match node:
        case StepNode(position):
            return str(position)
        case NextNode(elements):
            return "(" + " then ".join(_pattern_node(element) for element in elements) + ")"
        case EveryNode(element):
            return f"every {_pattern_node(element)}"
        case LogicalNode(both, left, right):
            return f"({_pattern_node(left)} {'and' if both else 'or'} {_pattern_node(right)})"
        case AbsentNode(position, wait_ms):
            return f"not {position}" + ("" if wait_ms is None else f" for {wait_ms} ms")
        case _:
            assert_never(node)


def _selector(selector: Selector) -> list[str]:
    lines = [f"  aggregate {index}: {aggregate_text(each)}" for index, each in enumerate(selector.aggregates)]
    lines += [
        f"  select {expression_text(item.expression)} as {quoted(item.name)} ({item.expression.type.value})"
        for item in selector.projections
    ]
    if selector.group_by:
        lines.append(f"  group by {_list(selector.group_by)}")
    if selector.having is not None:
        lines.append(f"  having {expression_text(selector.having)}")
        lines += [
            f"    where #{index} is {aggregate_text(each)}" for index, each in enumerate(selector.having_aggregates)
        ]
    if selector.order_by:
        keys = [f"{expression_text(key.column)}{' desc' if key.descending else ''}" for key in selector.order_by]
        lines.append(f"  order by {', '.join(keys)}")
    if selector.limit is not None:
        lines.append(f"  limit {selector.limit}")
    if selector.offset is not None:
        lines.append(f"  offset {selector.offset}")
    return lines


def aggregate_text(aggregate: Aggregate) -> str:
    """``name(argument): type``, and for which rows, if not for all."""
    argument = "" if aggregate.argument is None else expression_text(aggregate.argument)
    guard = "" if aggregate.guard is None else f" if {expression_text(aggregate.guard)}"
    return f"{aggregate.name}({argument}): {aggregate.type.value}{guard}"


def _list(expressions: tuple[Expression, ...]) -> str:
    return ", ".join(expression_text(each) for each in expressions)


def expression_text(node: Expression) -> str:
    """Every operator in parentheses of its own; ``$source.name`` are columns, ``#index`` aggregates, ``out.name``
    the query's own output.
    """
    match node:
        case Literal(value, type_):
            return literal_text(TreeLiteral(value, type_)) if type_ is not AttributeType.OBJECT else repr(value)
        case AttributeRef(source, _, name, _, event_index):
            row = "row" if source == TABLE_ROW else source
            return f"${row}{_event(event_index)}.{quoted(name)}"
        case AggregateRef(index):
            return f"#{index}"
        case OutputRef(_, name):
            return f"out.{quoted(name)}"
        case Arithmetic(op, left, right, type_):
            return f"({expression_text(left)} {op.value} {expression_text(right)}):{type_.value}"
        case Compare(op, left, right) | Logic(op, left, right):
            return f"({expression_text(left)} {op.value} {expression_text(right)})"
        case Not(operand):
            return f"(not {expression_text(operand)})"
        case IsNull(operand):
            return f"({expression_text(operand)} is null)"
        case EventIsNull(source, event_index):
            return f"(${source}{_event(event_index)} is null)"
        case InTable(condition, table):
            return f"({expression_text(condition)} in {quoted(table)})"
        case Call(function, arguments, type_, _, script):
            body = "" if script is None else f" by {script!r}"
            return f"{function}({_list(arguments)}):{type_.value}{body}"
        case _:
            assert_never(node)


def _event(index: int) -> str:
    if index == 0:
        return ""
    if index == WHOLE_LIST:
        return "[*]"
    if index > 0:
        return f"[{index}]"
    return "[last]" if index == LAST_EVENT else f"[last - {LAST_EVENT - index}]"
