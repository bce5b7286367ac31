"""What stands behind ``from``, but for patterns: sources with handlers, joins, queries in the place of a stream."""

from __future__ import annotations

from eiha.siddhiql.cursor import Cursor
from eiha.siddhiql.expression_tree import Expression
from eiha.siddhiql.parse_expressions import function_call, whole_expression
from eiha.siddhiql.query_tree import (
    FilterHandler,
    FunctionHandler,
    Handler,
    JoinKind,
    JoinSide,
    JoinStream,
    Source,
    StandardStream,
    TimeRange,
    WindowHandler,
)


def source(cursor: Cursor, what: str = "the name of a stream") -> Source:
    """``Name``, ``#Inner`` or ``!Fault``."""
    start = cursor.token
    is_inner = cursor.take_symbol("#") is not None
    is_fault = not is_inner and cursor.take_symbol("!") is not None
    name = cursor.name(what)
    return Source(name.value, is_inner, is_fault, cursor.span_from(start))


def standard_stream(cursor: Cursor) -> StandardStream:
    """A source with filters, functions and at most one window, in any order."""
    start = cursor.token
    name = source(cursor)
    handlers = _handlers(cursor)
    if window := _window(cursor):
        handlers += (window, *_handlers(cursor))
    return StandardStream(name, handlers, cursor.span_from(start))


def basic_stream(cursor: Cursor) -> StandardStream:
    """A source with filters and functions, without a window (patterns)."""
    start = cursor.token
    name = source(cursor)
    return StandardStream(name, _handlers(cursor), cursor.span_from(start))


def _handlers(cursor: Cursor) -> tuple[Handler, ...]:
    found: list[Handler] = []
    while True:
        start = cursor.token
        if cursor.at_symbol("[") or (cursor.at_symbol("#") and cursor.symbol_follows("[")):
            cursor.take_symbol("#")
            cursor.symbol("[")
            condition = whole_expression(cursor)
            cursor.symbol("]")
            found.append(FilterHandler(condition, cursor.span_from(start)))
        elif cursor.at_symbol("#") and not _is_window(cursor):
            cursor.advance()
            cursor.start_expression()
            call = function_call(cursor)
            found.append(FunctionHandler(call, cursor.span_from(start)))
        else:
            return tuple(found)


def _is_window(cursor: Cursor) -> bool:
    return cursor.keyword_follows("window") and cursor.symbol_follows(".", 2)


def _window(cursor: Cursor) -> WindowHandler | None:
    start = cursor.token
    if not (cursor.at_symbol("#") and _is_window(cursor)):
        return None
    for _ in "#", "window", ".":
        cursor.advance()
    cursor.start_expression()
    call = function_call(cursor)
    return WindowHandler(call, cursor.span_from(start))


# --- joins


def join_stream(cursor: Cursor) -> JoinStream:
    """``left [unidirectional] join right [unidirectional] [on ...] [within ... per ...]``."""
    start = cursor.token
    left = _side(cursor)
    left_only = cursor.take_keyword("unidirectional") is not None
    kind = _kind(cursor)
    right = _side(cursor)
    right_only = not left_only and cursor.take_keyword("unidirectional") is not None
    on = whole_expression(cursor) if cursor.take_keyword("on") else None
    within, per = within_per(cursor)
    left = JoinSide(left.stream, left.alias, left_only, left.span)
    right = JoinSide(right.stream, right.alias, right_only, right.span)
    return JoinStream(kind, left, right, on, within, per, cursor.span_from(start))


def _side(cursor: Cursor) -> JoinSide:
    start = cursor.token
    name = source(cursor)
    handlers = _handlers(cursor)
    if window := _window(cursor):
        handlers += (window,)
    stream = StandardStream(name, handlers, cursor.span_from(start))
    alias = cursor.name("an alias").value if cursor.take_keyword("as") else None
    return JoinSide(stream, alias, span=cursor.span_from(start))


def _kind(cursor: Cursor) -> JoinKind:
    kind = JoinKind.INNER
    for word, outer in (("left", JoinKind.LEFT_OUTER), ("right", JoinKind.RIGHT_OUTER), ("full", JoinKind.FULL_OUTER)):
        if cursor.take_keyword(word):
            kind = outer
            cursor.keyword("outer")
            break
    else:
        if cursor.take_keyword("outer"):
            kind = JoinKind.FULL_OUTER
        else:
            cursor.take_keyword("inner")
    cursor.keyword("join")
    return kind


def within_per(cursor: Cursor) -> tuple[TimeRange | None, Expression | None]:
    """``within start[, end] per duration`` of aggregations, if it is next."""
    start = cursor.token
    if not cursor.take_keyword("within"):
        return None, None
    first = whole_expression(cursor)
    end = whole_expression(cursor) if cursor.take_symbol(",") else None
    within = TimeRange(first, end, cursor.span_from(start))
    cursor.keyword("per")
    return within, whole_expression(cursor)
