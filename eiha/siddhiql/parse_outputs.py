"""What stands behind the input of a query: select, output rate, insert, update, delete, return."""

from __future__ import annotations

from eiha.events.schema import AttributeType
from eiha.siddhiql.cursor import Cursor
from eiha.siddhiql.expression_tree import AttributeReference, Expression, Literal
from eiha.siddhiql.parse_expressions import attribute_reference, int_value, time_literal, whole_expression
from eiha.siddhiql.parse_streams import source
from eiha.siddhiql.query_tree import (
    DeleteFrom,
    EventCategory,
    InsertInto,
    OrderReference,
    OutputAttribute,
    OutputRate,
    QueryOutput,
    RateKind,
    Return,
    Selection,
    SetAssignment,
    UpdateTable,
)
from eiha.siddhiql.tokens import TokenKind


def selection(cursor: Cursor) -> Selection | None:
    """``select ...`` to ``offset ...``, if it is next."""
    start = cursor.token
    if not cursor.take_keyword("select"):
        return None
    attributes: list[OutputAttribute] = []
    if not cursor.take_symbol("*"):
        attributes.append(_output_attribute(cursor))
        while cursor.take_symbol(","):
            attributes.append(_output_attribute(cursor))
    group_by: list[AttributeReference] = []
    if cursor.take_keyword("group"):
        cursor.keyword("by")
        group_by.append(attribute_reference(cursor))
        while cursor.take_symbol(","):
            group_by.append(attribute_reference(cursor))
    having = whole_expression(cursor) if cursor.take_keyword("having") else None
    order_by: list[OrderReference] = []
    if cursor.take_keyword("order"):
        cursor.keyword("by")
        order_by.append(_order_reference(cursor))
        while cursor.take_symbol(","):
            order_by.append(_order_reference(cursor))
    limit = _row_count(cursor, "limit")
    offset = _row_count(cursor, "offset")
    keys = tuple(group_by), having, tuple(order_by)
    return Selection(tuple(attributes), *keys, limit, offset, cursor.span_from(start))


def _output_attribute(cursor: Cursor) -> OutputAttribute:
    start = cursor.token
    value = whole_expression(cursor)
    if cursor.take_keyword("as"):
        alias = cursor.name("the name of an output attribute")
        return OutputAttribute(value, alias.value, cursor.span_from(start))
    is_bare = isinstance(value, AttributeReference) and not (start.kind is TokenKind.SYMBOL and start.text == "(")
    if not is_bare:
        cursor.fail()
    return OutputAttribute(value, None, cursor.span_from(start))


def _order_reference(cursor: Cursor) -> OrderReference:
    start = cursor.token
    attribute = attribute_reference(cursor)
    is_descending = False
    if not cursor.take_keyword("asc"):
        is_descending = cursor.take_keyword("desc") is not None
    return OrderReference(attribute, is_descending, cursor.span_from(start))


def _row_count(cursor: Cursor, word: str) -> Expression | None:
    if not cursor.take_keyword(word):
        return None
    value = whole_expression(cursor)
    if not (isinstance(value, Literal) and value.type in (AttributeType.INT, AttributeType.LONG)):
        cursor.refuse(value.span, f"{word} takes a constant int or long")
    return value


def output_rate(cursor: Cursor) -> OutputRate | None:
    """``output [all|first|last] every n events``, ``... every time``, ``output snapshot every time``."""
    start = cursor.token
    if not cursor.take_keyword("output"):
        return None
    kind = RateKind.ALL
    for candidate in RateKind:
        if cursor.take_keyword(candidate.value):
            kind = candidate
            break
    cursor.keyword("every")
    if kind is RateKind.SNAPSHOT or not (cursor.token.kind is TokenKind.INT and cursor.keyword_follows("events")):
        if kind is not RateKind.SNAPSHOT and cursor.token.kind is not TokenKind.INT:
            cursor.fail("a number of events (e.g. 5 events)")
        return OutputRate(kind, time_literal(cursor), cursor.span_from(start))
    count = int_value(cursor, cursor.kind(TokenKind.INT))
    cursor.keyword("events")
    return OutputRate(kind, count, cursor.span_from(start))


def event_category(cursor: Cursor) -> EventCategory | None:
    """``[current|expired|all] events``, if it is next."""
    for category in EventCategory:
        if cursor.at_keyword(category.value) and cursor.keyword_follows("events"):
            cursor.advance()
            cursor.advance()
            return category
    return EventCategory.CURRENT if cursor.take_keyword("events") else None


def query_output(cursor: Cursor) -> QueryOutput:
    """The clause that ends a query."""
    start = cursor.token
    if cursor.take_keyword("insert"):
        events = event_category(cursor)
        cursor.keyword("into")
        target = source(cursor, "the name of a stream or table")
        return InsertInto(target, events, cursor.span_from(start))
    if cursor.take_keyword("delete"):
        target = source(cursor, "the name of a table")
        events = event_category(cursor) if cursor.take_keyword("for") else None
        on = whole_expression(cursor) if cursor.take_keyword("on") else None
        return DeleteFrom(target, on, events, cursor.span_from(start))
    if cursor.at_keyword("update"):
        return cursor.first_of(lambda: _update(cursor, or_insert=True), lambda: _update(cursor, or_insert=False))
    cursor.keyword("return")
    return Return(event_category(cursor), cursor.span_from(start))


def _update(cursor: Cursor, *, or_insert: bool) -> UpdateTable:
    start = cursor.keyword("update")
    if or_insert:
        for word in ("or", "insert", "into"):
            cursor.keyword(word)
    target = source(cursor, "the name of a table")
    events = event_category(cursor) if cursor.take_keyword("for") else None
    assignments: list[SetAssignment] = []
    if cursor.take_keyword("set"):
        assignments.append(_assignment(cursor))
        while cursor.take_symbol(","):
            assignments.append(_assignment(cursor))
    cursor.keyword("on")
    on = whole_expression(cursor)
    return UpdateTable(target, on, tuple(assignments), or_insert, events, cursor.span_from(start))


def _assignment(cursor: Cursor) -> SetAssignment:
    start = cursor.token
    target = attribute_reference(cursor)
    cursor.symbol("=")
    return SetAssignment(target, whole_expression(cursor), cursor.span_from(start))
