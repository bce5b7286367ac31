"""The rows that the general machine puts out: of each match just what the query reads.

A match is one row with a column for each value read (``e1[0].x``, ``e1[last].x``, the list ``e1.x``) and one for
each question whether an event is there (``e2 is null``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from eiha.engine.expressions.rows import Rows, Scope
from eiha.engine.patterns.captured import NEVER, Event, PartialMatch, column_of_values
from eiha.engine.patterns.references import Read, Reader, references
from eiha.events.batch import EventBatch
from eiha.events.column import Column
from eiha.events.schema import Attribute, AttributeType, Schema
from eiha.plan.expressions import AttributeRef, EventIsNull

_NO_EVENT: Final = Event(NEVER, ())


@dataclass(frozen=True, slots=True)
class MatchColumns:
    """``values`` by (step, event index, attribute), then ``events`` by (step, event index), in columns in order."""

    values: tuple[AttributeRef, ...]
    events: tuple[EventIsNull, ...]
    schema: Schema

    def scope(self, scope: Scope) -> Scope:
        """What names mean over these rows."""
        places: dict[tuple[int, ...], int] = {
            (each.source, each.event_index, each.attribute): place for place, each in enumerate(self.values)
        }
        flags = {(each.source, each.event_index): len(places) + place for place, each in enumerate(self.events)}

        def attribute(reference: AttributeRef) -> Callable[[Rows], Column]:
            place = places[reference.source, reference.event_index, reference.attribute]
            return lambda rows: rows.columns[0][place]

        def event_is_null(node: EventIsNull) -> Callable[[Rows], Column]:
            place = flags[node.source, node.event_index]
            return lambda rows: rows.columns[0][place]

        return replace(scope, attribute=attribute, event_is_null=event_is_null)

    def readers(self, reader: Reader) -> tuple[Read, ...]:
        """Functions for the columns, in order."""

        def is_null(node: EventIsNull) -> Read:
            event = reader.event(node.source, node.event_index, None)
            return lambda match, arriving: event(match, arriving) is None

        return (*(reader.value(each, None) for each in self.values), *(is_null(each) for each in self.events))

    def batch(self, reads: tuple[Read, ...], matches: list[PartialMatch], chunks: list[int]) -> EventBatch:
        """Matches as rows."""
        columns = tuple(
            column_of_values([read(match, _NO_EVENT) for match in matches], attribute.type)
            for read, attribute in zip(reads, self.schema.attributes, strict=True)
        )
        timestamps = np.array([match.timestamp for match in matches], dtype=np.int64)
        return EventBatch(self.schema, timestamps, columns, chunks=np.array(chunks, dtype=np.int64))


def match_columns(read_by_query: Any) -> MatchColumns:
    """The columns for all that a part of the plan reads, each once, in order of first sight."""
    values: dict[tuple[int, int, int], AttributeRef] = {}
    events: dict[tuple[int, int], EventIsNull] = {}
    for each in references(read_by_query):
        if isinstance(each, AttributeRef):
            values.setdefault((each.source, each.event_index, each.attribute), each)
        else:
            events.setdefault((each.source, each.event_index), each)
    attributes = [Attribute(f"e{s}[{i}].{a}", each.type) for (s, i, a), each in values.items()]
    attributes += [Attribute(f"e{step}[{index}] is null", AttributeType.BOOL) for step, index in events]
    return MatchColumns(tuple(values.values()), tuple(events.values()), Schema(tuple(attributes)))
