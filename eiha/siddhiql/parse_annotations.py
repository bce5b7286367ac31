"""Annotations: ``@name(key='value', 'value', @nested(...))``, with a scope at the head of an application."""

from __future__ import annotations

from typing import Final

from eiha.siddhiql.annotation_tree import Annotation, AnnotationElement
from eiha.siddhiql.cursor import Cursor
from eiha.siddhiql.tokens import TokenKind

HEADER_SCOPES: Final = ("app", "plan")
"""``@app:`` of 5.x and ``@Plan:`` of 3.x; any case."""


def header_annotations(cursor: Cursor) -> tuple[Annotation, ...]:
    """The annotations of the application. Others (``@Import`` of a stream) may stand between them and stay."""
    found: list[Annotation] = []
    while cursor.symbol_follows("@", 0) and cursor.symbol_follows(":", 2):
        start = cursor.symbol("@")
        scope = cursor.name()
        if scope.value.lower() not in HEADER_SCOPES:
            cursor.refuse(scope.span, f"annotations of the application are written @app:..., not @{scope.value}:...")
        cursor.symbol(":")
        name = cursor.name("the name of an annotation")
        elements, nested = _body(cursor)
        found.append(Annotation(name.value, elements, nested, scope.value, cursor.span_from(start)))
    return tuple(found)


def leading_annotations(cursor: Cursor) -> tuple[Annotation, ...]:
    """Annotations of a definition, query or partition; often none."""
    found: list[Annotation] = []
    while cursor.at_symbol("@"):
        found.append(_annotation(cursor))
    return tuple(found)


def _annotation(cursor: Cursor) -> Annotation:
    start = cursor.symbol("@")
    name = cursor.name("the name of an annotation")
    if cursor.symbol_follows(":", 0):
        message = f"@{name.value}:... belongs to the head of the application, before the first definition"
        cursor.refuse(cursor.span_from(start), message)
    elements, nested = _body(cursor)
    return Annotation(name.value, elements, nested, None, cursor.span_from(start))


def _body(cursor: Cursor) -> tuple[tuple[AnnotationElement, ...], tuple[Annotation, ...]]:
    elements: list[AnnotationElement] = []
    nested: list[Annotation] = []
    if cursor.take_symbol("("):
        cursor.enter()
        while True:
            if cursor.at_symbol("@"):
                nested.append(_annotation(cursor))
            else:
                elements.append(_element(cursor))
            if not cursor.take_symbol(","):
                break
        cursor.symbol(")")
        cursor.leave()
    return tuple(elements), tuple(nested)


def _element(cursor: Cursor) -> AnnotationElement:
    start = cursor.token
    if text := cursor.take_kind(TokenKind.STRING):
        if not cursor.take_symbol("="):
            return AnnotationElement(text.value, None, text.span)
        key = text.value
    else:
        key = cursor.word("a key").value  # as in events.duplicated.in.cluster
        while cursor.token.kind is TokenKind.SYMBOL and cursor.token.text in (".", "-", ":"):
            key += cursor.advance().text + cursor.word().value
        cursor.symbol("=")
    value = cursor.kind(TokenKind.STRING)
    return AnnotationElement(value.value, key, cursor.span_from(start))
