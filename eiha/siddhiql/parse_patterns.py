"""Patterns (``->``) and sequences (``,``).

Siddhi's grammar allows an absent step only where another step comes between it and the next absent one, ``every``
not within ``every (...)``, and in sequences only at the start. Those rules are checked here, since they are rules
of form.
"""

from __future__ import annotations

from eiha.siddhiql.cursor import Cursor, Mismatch
from eiha.siddhiql.parse_expressions import int_value, time_literal
from eiha.siddhiql.parse_streams import basic_stream
from eiha.siddhiql.query_tree import (
    AbsentState,
    CountState,
    EveryState,
    LogicalState,
    NextState,
    State,
    StateStream,
    StreamState,
)
from eiha.siddhiql.tokens import Token, TokenKind


def pattern_stream(cursor: Cursor) -> StateStream:
    """``[every] e1=A -> e2=B ... [within time]``."""
    start = cursor.token
    root = _chain(cursor, every_allowed=True)
    within = time_literal(cursor) if cursor.take_keyword("within") else None
    return StateStream(False, root, within, cursor.span_from(start))


def sequence_stream(cursor: Cursor) -> StateStream:
    """``[every] e1=A+, e2=B ... [within time]``: two or more steps."""
    start = cursor.token
    elements = [cursor.first_of(lambda: _every_step(cursor), lambda: _sequence_step(cursor))]
    cursor.symbol(",")
    elements.append(_sequence_element(cursor))
    while cursor.take_symbol(","):
        elements.append(_sequence_element(cursor))
    root = NextState(tuple(elements), cursor.span_from(start))
    _refuse_neighbouring_absences(cursor, root)
    within = time_literal(cursor) if cursor.take_keyword("within") else None
    return StateStream(True, root, within, cursor.span_from(start))


# --- patterns


def _chain(cursor: Cursor, *, every_allowed: bool) -> State:
    start = cursor.token
    elements = [_element(cursor, every_allowed=every_allowed)]
    while cursor.take_symbol("->"):
        elements.append(_element(cursor, every_allowed=every_allowed))
    if len(elements) == 1:
        return elements[0]
    chain = NextState(tuple(elements), cursor.span_from(start))
    _refuse_neighbouring_absences(cursor, chain)
    return chain


def _element(cursor: Cursor, *, every_allowed: bool) -> State:
    start = cursor.token
    if every_allowed:
        return cursor.first_of(
            lambda: _every(cursor, start),
            lambda: _group(cursor, every_allowed=True),
            lambda: _step(cursor, in_sequence=False),
        )
    return cursor.first_of(lambda: _group(cursor, every_allowed=False), lambda: _step(cursor, in_sequence=False))


def _every(cursor: Cursor, start: Token) -> State:
    cursor.keyword("every")
    if cursor.at_symbol("("):
        inner = _group(cursor, every_allowed=False)
    else:
        inner = _step(cursor, in_sequence=False)
    return EveryState(inner, cursor.span_from(start))


def _group(cursor: Cursor, *, every_allowed: bool) -> State:
    cursor.symbol("(")
    cursor.enter()
    inner = _chain(cursor, every_allowed=every_allowed)
    cursor.symbol(")")
    cursor.leave()
    return inner


# --- sequences


def _every_step(cursor: Cursor) -> State:
    start = cursor.keyword("every")
    return EveryState(_sequence_step(cursor), cursor.span_from(start))


def _sequence_step(cursor: Cursor) -> State:
    """One step; parentheses may stand around a single one."""
    if cursor.take_symbol("("):
        cursor.enter()
        inner = _sequence_step(cursor)
        cursor.symbol(")")
        cursor.leave()
        return inner
    return _step(cursor, in_sequence=True)


def _sequence_element(cursor: Cursor) -> State:
    start = cursor.token
    if not cursor.take_symbol("("):
        return _step(cursor, in_sequence=True)
    cursor.enter()
    elements = [_sequence_element(cursor)]
    while cursor.take_symbol(","):
        elements.append(_sequence_element(cursor))
    cursor.symbol(")")
    cursor.leave()
    return elements[0] if len(elements) == 1 else NextState(tuple(elements), cursor.span_from(start))


# --- steps


def _step(cursor: Cursor, *, in_sequence: bool) -> State:
    start = cursor.token
    left = _partner(cursor)
    for word in ("and", "or"):
        if cursor.take_keyword(word):
            right = _partner(cursor)
            _check_partners(cursor, left, right, is_and=word == "and")
            return LogicalState(word == "and", left, right, cursor.span_from(start))
    if isinstance(left, AbsentState):
        if left.wait is None:
            cursor.fail("for")
        return left
    return _counted(cursor, left, start, in_sequence=in_sequence)


def _partner(cursor: Cursor) -> StreamState | AbsentState:
    start, nesting = cursor.position, cursor.nesting
    try:
        return _absent(cursor)
    except Mismatch:
        cursor.position, cursor.nesting = start, nesting
        return _stream_state(cursor)


def _check_partners(
    cursor: Cursor, left: StreamState | AbsentState, right: StreamState | AbsentState, *, is_and: bool
) -> None:
    endless = [side for side in (left, right) if isinstance(side, AbsentState) and side.wait is None]
    if endless and not (is_and and any(isinstance(side, StreamState) for side in (left, right))):
        cursor.fail("for")


def _stream_state(cursor: Cursor) -> StreamState:
    start = cursor.token
    reference = None
    if cursor.at_name() and cursor.symbol_follows("="):
        reference = cursor.name().value
        cursor.symbol("=")
    return StreamState(basic_stream(cursor), reference, cursor.span_from(start))


def _absent(cursor: Cursor) -> AbsentState:
    start = cursor.keyword("not")
    stream = basic_stream(cursor)
    wait = time_literal(cursor) if cursor.take_keyword("for") else None
    return AbsentState(stream, wait, cursor.span_from(start))


def _counted(cursor: Cursor, state: StreamState, start: Token, *, in_sequence: bool) -> State:
    if in_sequence:
        for symbol, fewest, greatest in (("*", 0, None), ("+", 1, None), ("?", 0, 1)):
            if cursor.take_symbol(symbol):
                return CountState(state, fewest, greatest, cursor.span_from(start))
    if not cursor.take_symbol("<"):
        return state
    low = cursor.take_kind(TokenKind.INT)
    least = int_value(cursor, low) if low else 0
    most: int | None = least
    if low is None or cursor.at_symbol(":"):
        cursor.symbol(":")
        high = cursor.take_kind(TokenKind.INT) if low else cursor.kind(TokenKind.INT)
        most = int_value(cursor, high) if high else None
    cursor.symbol(">")
    if most is not None and most < least:
        most = None  # Siddhi takes <3:1> as <3:>
    return CountState(state, least, most, cursor.span_from(start))


# --- rules of form


def _refuse_neighbouring_absences(cursor: Cursor, chain: NextState) -> None:
    for before, after in zip(chain.elements, chain.elements[1:], strict=False):
        absent = _edge(after, last=False)
        if isinstance(_edge(before, last=True), AbsentState) and isinstance(absent, AbsentState):
            cursor.refuse(absent.span, "an absent event cannot follow another; an event must come between them")


def _edge(state: State, *, last: bool) -> State:
    """The first or last step of ``state``."""
    while isinstance(state, NextState | EveryState):
        state = state.element if isinstance(state, EveryState) else state.elements[-1 if last else 0]
    return state
