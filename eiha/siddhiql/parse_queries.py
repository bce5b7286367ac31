"""Queries, partitions and on-demand queries."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from eiha.siddhiql.annotation_tree import Annotation
from eiha.siddhiql.cursor import Cursor, Mismatch
from eiha.siddhiql.parse_annotations import leading_annotations
from eiha.siddhiql.parse_expressions import whole_expression
from eiha.siddhiql.parse_outputs import event_category, output_rate, query_output, selection
from eiha.siddhiql.parse_patterns import pattern_stream, sequence_stream
from eiha.siddhiql.parse_streams import join_stream, source, standard_stream, within_per
from eiha.siddhiql.query_tree import (
    AnonymousStream,
    DeleteFrom,
    InsertInto,
    KeyRange,
    OnDemandQuery,
    Partition,
    Query,
    QueryInput,
    RangeKey,
    UpdateTable,
    ValueKey,
)
from eiha.siddhiql.tokens import Token, TokenKind

T = TypeVar("T")


def query(cursor: Cursor, notes: tuple[Annotation, ...], start: Token) -> Query:
    """A query whose annotations are already taken."""
    cursor.keyword("from")
    return _with_input(cursor, lambda parse_input: _query_with(cursor, notes, start, parse_input))


def _query_with(
    cursor: Cursor, notes: tuple[Annotation, ...], start: Token, parse_input: Callable[[Cursor], QueryInput]
) -> Query:
    stream = parse_input(cursor)
    selected = selection(cursor)
    rate = output_rate(cursor)
    output = query_output(cursor)
    return Query(notes, stream, selected, rate, output, cursor.span_from(start))


def _with_input(cursor: Cursor, parse: Callable[[Callable[[Cursor], QueryInput]], T]) -> T:
    """What ``parse`` makes with the first kind of input for which the whole query fits.

    Keywords may name streams, so only the rest of the query tells which kind it was.
    """
    distance = 0
    while cursor.symbol_follows("(", distance):
        distance += 1
    if cursor.keyword_follows("from", distance) and distance > 0:
        return parse(_anonymous_stream)
    return cursor.first_of(
        lambda: parse(standard_stream),
        lambda: parse(join_stream),
        lambda: parse(pattern_stream),
        lambda: parse(sequence_stream),
    )


def _anonymous_stream(cursor: Cursor) -> AnonymousStream:
    start = cursor.symbol("(")
    cursor.enter()
    if cursor.at_symbol("("):
        inner = _anonymous_stream(cursor)
    else:
        cursor.keyword("from")
        inner = _with_input(cursor, lambda parse_input: _anonymous_body(cursor, start, parse_input))
    cursor.symbol(")")
    cursor.leave()
    return inner


def _anonymous_body(cursor: Cursor, start: Token, parse_input: Callable[[Cursor], QueryInput]) -> AnonymousStream:
    stream = parse_input(cursor)
    selected = selection(cursor)
    rate = output_rate(cursor)
    cursor.keyword("return")
    return AnonymousStream(stream, selected, rate, event_category(cursor), cursor.span_from(start))


# --- partitions


def partition(cursor: Cursor, notes: tuple[Annotation, ...], start: Token) -> Partition:
    """``partition with (...) begin ... end``, its annotations already taken."""
    cursor.keyword("partition")
    cursor.keyword("with")
    cursor.symbol("(")
    keys = [_key(cursor)]
    while cursor.take_symbol(","):
        keys.append(_key(cursor))
    cursor.symbol(")")
    cursor.keyword("begin")
    queries = [_inner_query(cursor)]
    while cursor.take_symbol(";"):
        if cursor.keyword_follows("end", 0):
            break
        queries.append(_inner_query(cursor))
    cursor.keyword("end")
    return Partition(notes, tuple(keys), tuple(queries), cursor.span_from(start))


def _inner_query(cursor: Cursor) -> Query:
    start = cursor.token
    notes = leading_annotations(cursor)
    return query(cursor, notes, start)


def _key(cursor: Cursor) -> ValueKey | RangeKey:
    start, nesting = cursor.position, cursor.nesting
    try:
        return _value_key(cursor)
    except Mismatch:
        cursor.position, cursor.nesting = start, nesting
        return _range_key(cursor)


def _value_key(cursor: Cursor) -> ValueKey:
    start = cursor.token
    value = whole_expression(cursor)
    cursor.keyword("of")
    return ValueKey(value, cursor.name("the name of a stream").value, cursor.span_from(start))


def _range_key(cursor: Cursor) -> RangeKey:
    start = cursor.token
    ranges = [_range(cursor)]
    while cursor.take_keyword("or"):
        ranges.append(_range(cursor))
    cursor.keyword("of")
    return RangeKey(tuple(ranges), cursor.name("the name of a stream").value, cursor.span_from(start))


def _range(cursor: Cursor) -> KeyRange:
    start = cursor.token
    condition = whole_expression(cursor)
    cursor.keyword("as")
    label = cursor.kind(TokenKind.STRING)
    return KeyRange(condition, label.value, cursor.span_from(start))


# --- on-demand queries


def on_demand_query(cursor: Cursor) -> OnDemandQuery:
    """``from T on ... select ...``, or a statement that changes a table."""
    start = cursor.token
    if not cursor.take_keyword("from"):
        selected = selection(cursor)
        output = query_output(cursor)
        if not isinstance(output, InsertInto | DeleteFrom | UpdateTable):
            cursor.refuse(output.span, "a question to a store begins with: from")
        if isinstance(output, DeleteFrom) and output.on is None:
            cursor.fail("on")
        return OnDemandQuery(None, selection=selected, output=output, span=cursor.span_from(start))
    store = source(cursor, "the name of a table, window or aggregation")
    alias = cursor.name("an alias").value if cursor.take_keyword("as") else None
    on = whole_expression(cursor) if cursor.take_keyword("on") else None
    within, per = within_per(cursor)
    selected = selection(cursor)
    return OnDemandQuery(store, alias, on, within, per, selected, None, cursor.span_from(start))
