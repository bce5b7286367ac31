"""Text to syntax tree: the whole SiddhiQL 5.1 grammar, and the plan headers of 3.x.

Entry points: ``parse`` for a plan, ``parse_on_demand`` for a question to a store.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from eiha.siddhiql.cursor import Cursor, Mismatch
from eiha.siddhiql.definition_tree import Application, Definition
from eiha.siddhiql.expression_tree import Expression
from eiha.siddhiql.parse_annotations import header_annotations, leading_annotations
from eiha.siddhiql.parse_definitions import definition
from eiha.siddhiql.parse_expressions import whole_expression
from eiha.siddhiql.parse_queries import on_demand_query, partition, query
from eiha.siddhiql.query_tree import OnDemandQuery, Partition, Query
from eiha.siddhiql.span import Span
from eiha.siddhiql.tokens import TokenKind

T = TypeVar("T")


def parse(text: str) -> Application:
    """The tree of a plan.

    Raises:
        PlanSyntaxError: ``text`` is not SiddhiQL; says where, and what would have been valid there.
    """
    return _parsed(text, _application)


def parse_on_demand(text: str) -> OnDemandQuery:
    """The tree of an on-demand query.

    Raises:
        PlanSyntaxError: ``text`` is not an on-demand query.
    """
    return _parsed(text, _on_demand)


def parse_expression(text: str) -> Expression:
    """The tree of an expression that stands alone.

    Raises:
        PlanSyntaxError: ``text`` is not an expression.
    """
    return _parsed(text, _expression)


def _parsed(text: str, rule: Callable[[Cursor], T]) -> T:
    cursor = Cursor(text)
    try:
        return rule(cursor)
    except Mismatch:
        # the grammar has no further reading: what was noted at the farthest token is the error
        raise cursor.failure() from None


def _application(cursor: Cursor) -> Application:
    head = header_annotations(cursor)
    definitions: list[Definition] = [definition(cursor)]
    elements: list[Query | Partition] = []
    while cursor.take_symbol(";"):
        if cursor.token.kind is TokenKind.END:
            break
        item = cursor.first_of(lambda: definition(cursor), lambda: _element(cursor))
        if isinstance(item, Query | Partition):
            elements.append(item)
        elif elements:
            cursor.refuse(item.span, "definitions come before the first query")
        else:
            definitions.append(item)
    if cursor.token.kind is not TokenKind.END:
        cursor.fail("';'", "the end of the text")
    return Application(head, tuple(definitions), tuple(elements), Span(1, 0, 0, len(cursor.text)))


def _element(cursor: Cursor) -> Query | Partition:
    start = cursor.token
    notes = leading_annotations(cursor)
    if cursor.at_keyword("partition"):
        return partition(cursor, notes, start)
    return query(cursor, notes, start)


def _expression(cursor: Cursor) -> Expression:
    result = whole_expression(cursor)
    if cursor.token.kind is not TokenKind.END:
        cursor.fail("the end of the text")
    return result


def _on_demand(cursor: Cursor) -> OnDemandQuery:
    result = on_demand_query(cursor)
    cursor.take_symbol(";")
    if cursor.token.kind is not TokenKind.END:
        cursor.fail("the end of the text")
    return result
