"""Inputs, selections, outputs and whole queries to text."""

from __future__ import annotations

from typing import assert_never

from eiha.siddhiql.annotation_tree import Annotation
from eiha.siddhiql.query_tree import (
    AbsentState,
    AnonymousStream,
    CountState,
    DeleteFrom,
    EventCategory,
    EveryState,
    FilterHandler,
    FunctionHandler,
    Handler,
    InsertInto,
    JoinSide,
    JoinStream,
    LogicalState,
    NextState,
    OnDemandQuery,
    OutputAttribute,
    OutputRate,
    Partition,
    Query,
    QueryInput,
    QueryOutput,
    RangeKey,
    RateKind,
    Return,
    Selection,
    Source,
    StandardStream,
    State,
    StateStream,
    StreamState,
    TimeRange,
    UpdateTable,
    ValueKey,
    WindowHandler,
)
from eiha.siddhiql.unparse_expressions import attribute, call, expression, name, string, time_literal


def annotation_lines(nodes: tuple[Annotation, ...]) -> list[str]:
    """One line each."""
    return [annotation(node) for node in nodes]


def annotation(node: Annotation) -> str:
    """``@scope:name(elements, nested)``."""
    parts = [_element_key(element.key) + string(element.value) for element in node.elements]
    parts += [annotation(nested) for nested in node.annotations]
    scope = "" if node.scope is None else name_of_annotation(node.scope) + ":"
    return f"@{scope}{name_of_annotation(node.name)}" + (f"({', '.join(parts)})" if parts else "")


def name_of_annotation(text: str) -> str:
    """Annotations may be called like keywords; after ``@`` nothing else can be meant."""
    return text if text.isidentifier() and text.isascii() else name(text)


def _element_key(key: str | None) -> str:
    if key is None:
        return ""
    plain = all(part.isidentifier() for part in key.replace("-", ".").replace(":", ".").split(".")) and key.isascii()
    return f"{key}=" if plain else f"{string(key)}="


def source(node: Source) -> str:
    """``Name``, ``#Inner``, ``!Fault``."""
    return ("#" if node.is_inner else "!" if node.is_fault else "") + name(node.name)


def standard_stream(node: StandardStream) -> str:
    """A source and its handlers."""
    return source(node.source) + "".join(_handler(handler) for handler in node.handlers)


def _handler(node: Handler) -> str:
    match node:
        case FilterHandler(condition):
            return f"[{expression(condition)}]"
        case FunctionHandler(function):
            return f"#{call(function)}"
        case WindowHandler(function):
            return f"#window.{call(function)}"
        case _:
            assert_never(node)


def query_input(node: QueryInput) -> str:
    """What stands behind ``from``."""
    match node:
        case StandardStream():
            return standard_stream(node)
        case JoinStream():
            return _join(node)
        case StateStream(is_sequence, root, within):
            tail = "" if within is None else f" within {time_literal(within)}"
            return _state(root, ", " if is_sequence else " -> ", is_sequence=is_sequence, top=True) + tail
        case AnonymousStream():
            clauses = _clauses(node.selection, node.rate)
            events = "" if node.events is None else f" {_events(node.events)}"
            return "(" + " ".join([f"from {query_input(node.input)}", *clauses, f"return{events}"]) + ")"
        case _:
            assert_never(node)


def _join(node: JoinStream) -> str:
    kind = {"inner": "join"}.get(node.kind.value, f"{node.kind.value} join")
    text = f"{_side(node.left)} {kind} {_side(node.right)}"
    if node.on is not None:
        text += f" on {expression(node.on)}"
    if node.within is not None:
        assert node.per is not None
        text += f" {time_range(node.within)} per {expression(node.per)}"
    return text


def time_range(node: TimeRange) -> str:
    """``within start, end``."""
    end = "" if node.end is None else f", {expression(node.end)}"
    return f"within {expression(node.start)}{end}"


def _side(node: JoinSide) -> str:
    text = standard_stream(node.stream)
    if node.alias is not None:
        text += f" as {name(node.alias)}"
    return text + (" unidirectional" if node.is_unidirectional else "")


def _state(node: State, separator: str, *, is_sequence: bool, top: bool) -> str:
    match node:
        case NextState(elements):
            text = separator.join(
                _state(element, separator, is_sequence=is_sequence, top=False) for element in elements
            )
            return text if top else f"({text})"
        case EveryState(element):
            inner = _state(element, separator, is_sequence=is_sequence, top=False)
            return f"every ({inner})" if isinstance(element, EveryState) else f"every {inner}"
        case StreamState(stream, reference):
            return ("" if reference is None else f"{name(reference)}=") + standard_stream(stream)
        case CountState(state, least, most):
            inner = _state(state, separator, is_sequence=is_sequence, top=False)
            return inner + _count(least, most)
        case AbsentState(stream, wait):
            return f"not {standard_stream(stream)}" + ("" if wait is None else f" for {time_literal(wait)}")
        case LogicalState(is_and, left, right):
            parts = [_state(side, separator, is_sequence=is_sequence, top=False) for side in (left, right)]
            return (" and " if is_and else " or ").join(parts)
        case _:
            assert_never(node)


def _count(least: int, most: int | None) -> str:
    if most is None:
        return f"<{least}:>"
    return f"<{least}>" if least == most else f"<{least}:{most}>"


# --- clauses


def selection(node: Selection) -> list[str]:
    """The clauses from ``select`` to ``offset``, one text each."""
    chosen = ", ".join(_output_attribute(item) for item in node.attributes) or "*"
    clauses = [f"select {chosen}"]
    if node.group_by:
        clauses.append("group by " + ", ".join(attribute(key) for key in node.group_by))
    if node.having is not None:
        clauses.append(f"having {expression(node.having)}")
    if node.order_by:
        keys = [attribute(key.attribute) + (" desc" if key.is_descending else "") for key in node.order_by]
        clauses.append("order by " + ", ".join(keys))
    if node.limit is not None:
        clauses.append(f"limit {expression(node.limit)}")
    if node.offset is not None:
        clauses.append(f"offset {expression(node.offset)}")
    return clauses


def _output_attribute(node: OutputAttribute) -> str:
    return expression(node.expression) + ("" if node.alias is None else f" as {name(node.alias)}")


def _rate(node: OutputRate) -> str:
    kind = "" if node.kind is RateKind.ALL else f"{node.kind.value} "
    every = f"{node.every} events" if isinstance(node.every, int) else time_literal(node.every)
    return f"output {kind}every {every}"


def _events(category: EventCategory) -> str:
    return f"{category.value} events"


def output(node: QueryOutput) -> str:
    """The clause that ends a query."""
    match node:
        case InsertInto(target, events):
            return "insert " + ("" if events is None else _events(events) + " ") + f"into {source(target)}"
        case DeleteFrom(target, on, events):
            return f"delete {source(target)}" + _for(events) + ("" if on is None else f" on {expression(on)}")
        case UpdateTable(target, on, assignments, or_insert, events):
            verb = "update or insert into" if or_insert else "update"
            sets = ", ".join(f"{attribute(each.target)} = {expression(each.value)}" for each in assignments)
            return f"{verb} {source(target)}{_for(events)}" + (f" set {sets}" if sets else "") + f" on {expression(on)}"
        case Return(events):
            return "return" + ("" if events is None else f" {_events(events)}")
        case _:
            assert_never(node)


def _for(events: EventCategory | None) -> str:
    return "" if events is None else f" for {_events(events)}"


def _clauses(selected: Selection | None, rate: OutputRate | None) -> list[str]:
    return ([] if selected is None else selection(selected)) + ([] if rate is None else [_rate(rate)])


def query(node: Query) -> str:
    """A query, a clause a line."""
    clauses = _clauses(node.selection, node.rate)
    return "\n".join(
        [*annotation_lines(node.annotations), f"from {query_input(node.input)}", *clauses, output(node.output)]
    )


def partition(node: Partition) -> str:
    """A partition; its queries indented."""
    keys = ", ".join(_key(key) for key in node.keys)
    body = ";\n".join(_indented(query(inner)) for inner in node.queries)
    return "\n".join([*annotation_lines(node.annotations), f"partition with ({keys})", "begin", body + ";", "end"])


def _key(node: ValueKey | RangeKey) -> str:
    if isinstance(node, ValueKey):
        return f"{expression(node.expression)} of {name(node.stream)}"
    # a label's own "or" must not be read as part of the condition before it, and never is: "as" ends that
    ranges = " or ".join(f"{expression(each.condition)} as {string(each.label)}" for each in node.ranges)
    return f"{ranges} of {name(node.stream)}"


def _indented(text: str) -> str:
    # texts over several lines (triple quotes) must come back as they are: only the first line can be moved safely
    if '"""' in text:
        return text
    return "\n".join(f"  {line}" for line in text.split("\n"))


def on_demand(node: OnDemandQuery) -> str:
    """A question to a store, on one line but for long strings."""
    parts: list[str] = []
    if node.source is not None:
        parts.append(f"from {source(node.source)}" + ("" if node.alias is None else f" as {name(node.alias)}"))
    if node.on is not None:
        parts.append(f"on {expression(node.on)}")
    if node.within is not None:
        assert node.per is not None
        parts.append(f"{time_range(node.within)} per {expression(node.per)}")
    if node.selection is not None:
        parts += selection(node.selection)
    if node.output is not None:
        parts.append(output(node.output))
    return " ".join(parts)
