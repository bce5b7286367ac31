"""Annotations as written. Equality of nodes ignores places."""

from __future__ import annotations

from dataclasses import dataclass, field

from eiha.siddhiql.span import NO_SPAN, Span


@dataclass(frozen=True, slots=True)
class AnnotationElement:
    """``key='value'`` or just ``'value'``; keys may hold dots, dashes and colons."""

    value: str
    key: str | None = None
    span: Span = field(default=NO_SPAN, compare=False)


@dataclass(frozen=True, slots=True)
class Annotation:
    """``@name(...)`` or ``@scope:name(...)`` (``@app:``, and ``@Plan:`` of 3.x); nested ones in ``annotations``."""

    name: str
    elements: tuple[AnnotationElement, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    scope: str | None = None
    span: Span = field(default=NO_SPAN, compare=False)

    def value(self, key: str | None = None) -> str | None:
        """The value of the first element called ``key`` (any case; None: of the first without a key)."""
        for element in self.elements:
            if (element.key or "").lower() == (key or "").lower():
                return element.value
        return None
