"""A single stream with its filters, functions and window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import assert_never

from eiha.events.schema import Schema
from eiha.plan import stream_functions, windows
from eiha.plan.bind_expressions import ExpressionBinder
from eiha.plan.expressions import Literal
from eiha.plan.functions import Misfit
from eiha.plan.nodes import Aggregate, Filter, Handler, StreamFunction, StreamInput, TableDefinition, Window
from eiha.plan.refusals import Refusals
from eiha.plan.registry import REGISTRY, WindowExtension
from eiha.plan.scopes import StreamScope
from eiha.plan.window_expressions import EXPRESSION_WINDOWS, with_condition
from eiha.siddhiql import query_tree
from eiha.siddhiql.diagnostics import did_you_mean_of_namespace
from eiha.siddhiql.expression_tree import FunctionCall


def bind_stream(
    stream: query_tree.StandardStream,
    schema: Schema,
    refusals: Refusals,
    tables: Mapping[str, TableDefinition] | None = None,
) -> StreamInput:
    """``stream``, whose definition is ``schema``, with its handlers; each sees what those before it added."""
    name = stream.source.name
    handlers: list[Handler] = []
    for handler in stream.handlers:
        binder = ExpressionBinder(StreamScope(name, schema, refusals), refusals, tables=tables)
        match handler:
            case query_tree.FilterHandler(condition, span):
                held: list[Aggregate] = []
                bound = replace(binder, aggregates=held).bind_condition(condition, "a filter takes a bool")
                handlers.append(Filter(bound, span, tuple(held)))
            case query_tree.FunctionHandler(call) if _full_name(call) in windows.PROCESSORS:
                handlers.append(_window(_full_name(call), call, binder, refusals))
            case query_tree.FunctionHandler(call):
                function = _stream_function(call, binder, schema, refusals)
                schema = function.schema
                handlers.append(function)
            case query_tree.WindowHandler(call):
                handlers.append(bind_window(call, binder, refusals))
            case _:
                assert_never(handler)
    return StreamInput(name, tuple(handlers), schema, stream.span)


def _stream_function(
    call: FunctionCall, binder: ExpressionBinder, schema: Schema, refusals: Refusals
) -> StreamFunction:
    full_name = _full_name(call)
    if full_name in windows.PROCESSORS_NOT_RUN:
        refusals.unsupported(call.span, f"streamProcessor.{full_name}")
    if full_name not in stream_functions.stream_function_names():
        message = f"there is no stream function {full_name!r}"
        if full_name in windows.OVERLOADS or full_name in windows.NOT_RUN:
            message += f"; a window is written #window.{full_name}(...)"
        known = stream_functions.stream_function_names()
        refusals.refuse(call.span, message + did_you_mean_of_namespace(full_name, known, "stream function"))
    _refuse_star(call, refusals)
    arguments = tuple(binder.bind(argument) for argument in call.arguments)
    try:
        added = stream_functions.added_attributes(full_name, arguments)
    except Misfit as misfit:
        valid = ", ".join(stream_functions.forms(full_name))
        refusals.refuse(call.span, f"{full_name}: {misfit}; valid: {valid}")
    for attribute in added:
        if schema.position(attribute.name) is not None:
            message = f"{full_name} adds {attribute.name!r}, which the stream has already; rename it in a query before"
            refusals.refuse(call.span, message)
    return StreamFunction(full_name, arguments, Schema(schema.attributes + added), call.span)


def bind_window(call: FunctionCall, binder: ExpressionBinder, refusals: Refusals) -> Window:
    """The window ``call`` names, with its arguments."""
    full_name = _full_name(call)
    if full_name in REGISTRY.windows:
        return _extension_window(call, REGISTRY.windows[full_name], binder, refusals)
    if full_name in windows.NOT_RUN:
        refusals.unsupported(call.span, f"window.{full_name}")
    if full_name not in windows.OVERLOADS:
        known = [*windows.OVERLOADS, *sorted(windows.NOT_RUN), *REGISTRY.windows]
        message = f"there is no window {full_name!r}"
        refusals.refuse(call.span, message + did_you_mean_of_namespace(full_name, known, "window"))
    return _window(full_name, call, binder, refusals)


def _full_name(call: FunctionCall) -> str:
    return call.name if call.namespace is None else f"{call.namespace}:{call.name}"


def _window(full_name: str, call: FunctionCall, binder: ExpressionBinder, refusals: Refusals) -> Window:
    """The window, or the stream processor that holds rows back, called ``full_name``, with its arguments."""
    _refuse_star(call, refusals)
    arguments = tuple(binder.bind(argument) for argument in call.arguments)
    try:
        windows.check_arguments(full_name, arguments)
    except Misfit as misfit:
        valid = ", ".join(windows.forms(full_name))
        refusals.refuse(call.span, f"window {full_name}: {misfit}; valid: {valid}")
    if full_name in EXPRESSION_WINDOWS:
        assert isinstance(binder.scope, StreamScope)
        arguments = with_condition(full_name, arguments, call.span, binder.scope, refusals)
    return Window(full_name, arguments, call.span)


def _extension_window(
    call: FunctionCall, extension: WindowExtension, binder: ExpressionBinder, refusals: Refusals
) -> Window:
    """A window that a package registered: constants only, since its state is made with them."""
    _refuse_star(call, refusals)
    name = extension.signature.name
    arguments = tuple(binder.bind(argument) for argument in call.arguments)
    for node, argument in zip(call.arguments, arguments, strict=True):
        if not isinstance(argument, Literal):
            refusals.refuse(node.span, f"window {name}: the arguments must be constants")
    try:
        extension.signature.result(arguments)
    except Misfit as misfit:
        refusals.refuse(call.span, f"window {name}: {misfit}; valid: {', '.join(extension.signature.forms)}")
    return Window(name, arguments, call.span)


def _refuse_star(call: FunctionCall, refusals: Refusals) -> None:
    if call.is_star:
        refusals.refuse(call.span, f"{call.name} takes arguments one by one, not *")
