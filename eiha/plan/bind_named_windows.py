"""``define window``: the window, and the query that runs it."""

from __future__ import annotations

from collections.abc import Mapping

from eiha.events.schema import Attribute, Schema
from eiha.plan.bind_expressions import ExpressionBinder
from eiha.plan.bind_selector import all_attributes, bind_selector
from eiha.plan.bind_streams import bind_window
from eiha.plan.nodes import InsertInto, NamedWindow, OutputEvents, Query, StreamInput
from eiha.plan.refusals import Refusals
from eiha.plan.scopes import StreamScope
from eiha.siddhiql import definition_tree, query_tree
from eiha.siddhiql.annotation_tree import Annotation


def bind_named_window(
    definition: definition_tree.DefineWindow, refusals: Refusals
) -> tuple[NamedWindow, tuple[str, ...]]:
    """The window, and warnings."""
    schema = Schema(tuple(Attribute(each.name, each.type) for each in definition.attributes))
    binder = ExpressionBinder(StreamScope(definition.name, schema, refusals), refusals)
    window = bind_window(definition.window, binder, refusals)
    events = OutputEvents((definition.output or query_tree.EventCategory.ALL).value)
    warnings = tuple(f"{_text(note)} on window {definition.name!r} has no effect" for note in definition.annotations)
    return NamedWindow(definition.name, schema, window, events, definition.span), warnings


def window_query(window: NamedWindow, position: int, refusals: Refusals) -> Query:
    """From the window's entry through the window to those who read it."""
    scope = StreamScope(window.name, window.schema, refusals)
    selector = bind_selector(None, scope, all_attributes(window.schema, window.span), None, refusals)
    source = StreamInput(window.entry, (window.window,), window.schema, window.span)
    output = InsertInto(window.name, window.events)
    return Query(window.name, False, position, source, selector, output, window.span)


def refuse_window_on_window(
    stream: query_tree.StandardStream, windows: Mapping[str, NamedWindow], refusals: Refusals
) -> None:
    """A reader of a named window cannot put another window behind it."""
    if stream.source.name not in windows:
        return
    for handler in stream.handlers:
        if isinstance(handler, query_tree.WindowHandler):
            message = f"{stream.source.name!r} is a window already; insert its rows into a stream to window them again"
            refusals.refuse(handler.span, message)


def _text(note: Annotation) -> str:
    return f"@{note.scope}:{note.name}" if note.scope is not None else f"@{note.name}"
