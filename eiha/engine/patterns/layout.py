"""Where the attributes of captured events lie in the rows that a pattern puts out.

A match is one row: the attributes of the first step's event, then those of the second, and so on. References of the
query (``AttributeRef`` with ``source`` = step) are found through ``match_scope``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from eiha.engine.expressions.rows import Rows, Scope
from eiha.engine.expressions.values import Constant, column_of
from eiha.errors import UnsupportedConstruct
from eiha.events.column import Column
from eiha.events.schema import Attribute, AttributeType, Schema
from eiha.plan.expressions import LAST_EVENT, WHOLE_LIST, AttributeRef, EventIsNull
from eiha.plan.nodes import PatternInput

ONLY_EVENT: Final = (0, LAST_EVENT)
"""The event indices that name the event of a step that takes one."""


def match_schema(source: PatternInput) -> Schema:
    """The attributes of a match, named ``reference.attribute``."""
    return Schema(
        tuple(
            Attribute(f"{step.reference}.{attribute.name}", attribute.type)
            for step in source.steps
            for attribute in step.schema.attributes
        )
    )


def pattern_layout(source: PatternInput) -> dict[tuple[int, int, int], int]:
    """Column of each (step, event index, attribute) in a match; other event indices are always null."""
    layout: dict[tuple[int, int, int], int] = {}
    column = 0
    for position, step in enumerate(source.steps):
        for attribute in range(len(step.schema)):
            for event_index in ONLY_EVENT:
                layout[position, event_index, attribute] = column
            column += 1
    return layout


def match_scope(source: PatternInput, scope: Scope) -> Scope:
    """What names mean over rows whose ``columns[0]`` are those of matches.

    Raises:
        UnsupportedConstruct: by its use, for the list of all values of a counted step.
    """
    layout = pattern_layout(source)

    def attribute(reference: AttributeRef) -> Callable[[Rows], Column]:
        column = layout.get((reference.source, reference.event_index, reference.attribute))
        if column is None:
            return missing(reference)
        return lambda rows: rows.columns[0][column]

    return replace(scope, attribute=attribute, event_is_null=event_is_null)


def missing(reference: AttributeRef) -> Callable[[Rows], Column]:
    """``e1[3].x`` where there is one event only: null."""
    if reference.event_index == WHOLE_LIST:
        raise UnsupportedConstruct("pattern.count", line=reference.span.line, column=reference.span.column)
    null = Constant(reference.type, None)
    return lambda rows: column_of(null, rows.count)


def event_is_null(node: EventIsNull) -> Callable[[Rows], Column]:
    """``e1 is null``: never for the one event of a step, always for others."""
    value = node.event_index not in ONLY_EVENT
    return lambda rows: Column(AttributeType.BOOL, np.full(rows.count, value, dtype=np.bool_))
