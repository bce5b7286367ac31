"""Definitions of streams, tables, windows, triggers, functions and aggregations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from eiha.events.schema import AttributeType
from eiha.siddhiql.annotation_tree import Annotation
from eiha.siddhiql.cursor import Cursor
from eiha.siddhiql.definition_tree import (
    AttributeDefinition,
    DefineAggregation,
    DefineFunction,
    DefineStream,
    DefineTable,
    DefineTrigger,
    DefineWindow,
    Definition,
    Granularities,
)
from eiha.siddhiql.expression_tree import TimeUnit
from eiha.siddhiql.parse_annotations import leading_annotations
from eiha.siddhiql.parse_expressions import attribute_reference, function_call, time_literal
from eiha.siddhiql.parse_outputs import event_category, selection
from eiha.siddhiql.parse_streams import standard_stream
from eiha.siddhiql.tokens import UNITS, Token, TokenKind

_Annotations = tuple[Annotation, ...]


def definition(cursor: Cursor) -> Definition:
    """One definition with its annotations."""
    start = cursor.token
    notes = leading_annotations(cursor)
    cursor.keyword("define")
    for word, parse in _KINDS.items():
        if cursor.take_keyword(word):
            return parse(cursor, notes, start)
    return cursor.fail()


def _stream(cursor: Cursor, notes: _Annotations, start: Token) -> Definition:
    name, attributes = _name_and_attributes(cursor)
    return DefineStream(notes, name, attributes, cursor.span_from(start))


def _table(cursor: Cursor, notes: _Annotations, start: Token) -> Definition:
    name, attributes = _name_and_attributes(cursor)
    return DefineTable(notes, name, attributes, cursor.span_from(start))


def _window(cursor: Cursor, notes: _Annotations, start: Token) -> Definition:
    name, attributes = _name_and_attributes(cursor)
    cursor.start_expression()
    window = function_call(cursor)
    output = None
    if cursor.take_keyword("output"):
        output = event_category(cursor)
        if output is None:
            cursor.fail()
    return DefineWindow(notes, name, attributes, window, output, cursor.span_from(start))


def _trigger(cursor: Cursor, notes: _Annotations, start: Token) -> Definition:
    name = cursor.name("the name of the trigger").value
    cursor.keyword("at")
    if cursor.take_keyword("every"):
        return DefineTrigger(notes, name, time_literal(cursor), cursor.span_from(start))
    at = cursor.kind(TokenKind.STRING).value
    return DefineTrigger(notes, name, at, cursor.span_from(start))


def _function(cursor: Cursor, notes: _Annotations, start: Token) -> Definition:
    name = cursor.name("the name of the function").value
    cursor.symbol("[")
    language = cursor.name("the name of a language").value
    cursor.symbol("]")
    cursor.keyword("return")
    returns = _type(cursor)
    body = cursor.kind(TokenKind.SCRIPT).value
    return DefineFunction(notes, name, language, returns, body, cursor.span_from(start))


def _aggregation(cursor: Cursor, notes: _Annotations, start: Token) -> Definition:
    name = cursor.name("the name of the aggregation").value
    cursor.keyword("from")
    stream = standard_stream(cursor)
    selected = selection(cursor)
    if selected is None:
        cursor.fail()
    cursor.keyword("aggregate")
    by = attribute_reference(cursor) if cursor.take_keyword("by") else None
    cursor.keyword("every")
    every = _granularities(cursor)
    return DefineAggregation(notes, name, stream, selected, by, every, cursor.span_from(start))


_KINDS: Final[dict[str, Callable[[Cursor, _Annotations, Token], Definition]]] = {
    "stream": _stream,
    "table": _table,
    "window": _window,
    "trigger": _trigger,
    "function": _function,
    "aggregation": _aggregation,
}


def _name_and_attributes(cursor: Cursor) -> tuple[str, tuple[AttributeDefinition, ...]]:
    name = cursor.name("a name")
    cursor.symbol("(")
    attributes = [_attribute(cursor)]
    while cursor.take_symbol(","):
        attribute = _attribute(cursor)
        for before in attributes:
            if before.name == attribute.name:
                message = f"{name.value!r} already has an attribute {before.name!r} ({before.type.value})"
                cursor.refuse(attribute.span, message)
        attributes.append(attribute)
    cursor.symbol(")")
    return name.value, tuple(attributes)


def _attribute(cursor: Cursor) -> AttributeDefinition:
    name = cursor.name("the name of an attribute")
    type_ = _type(cursor)
    return AttributeDefinition(name.value, type_, cursor.span_from(name))


def _type(cursor: Cursor) -> AttributeType:
    for type_ in AttributeType:
        if cursor.take_keyword(type_.value):
            return type_
    return cursor.fail()


def _granularities(cursor: Cursor) -> Granularities:
    start = cursor.token
    units = [_granularity(cursor)]
    if cursor.take_symbol("..."):
        units.append(_granularity(cursor))
        return Granularities(tuple(units), True, cursor.span_from(start))
    while cursor.take_symbol(","):
        units.append(_granularity(cursor))
    return Granularities(tuple(units), False, cursor.span_from(start))


def _granularity(cursor: Cursor) -> TimeUnit:
    token = cursor.token
    unit = UNITS.get(token.value) if token.kind is TokenKind.KEYWORD else None
    if unit is None or unit is TimeUnit.MILLISECOND:
        cursor.fail("a granularity (sec, min, hour, day, week, month, year)")
    cursor.advance()
    return unit
