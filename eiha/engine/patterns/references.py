"""What expressions of a pattern query read of captured events, and how one such value is found in a match."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from eiha.engine.expressions.java_text import JavaFloat, JavaLong
from eiha.engine.patterns.captured import Event, PartialMatch
from eiha.events.schema import AttributeType
from eiha.events.strings import StringTable
from eiha.plan.expressions import LAST_EVENT, OWN_EVENT, WHOLE_LIST, AttributeRef, EventIsNull
from eiha.plan.nodes import PatternInput

Read = Callable[[PartialMatch, Event], Any]
"""The value (None: null) for a match and the arriving event."""


def references(node: object) -> Iterator[AttributeRef | EventIsNull]:
    """All that a part of the plan (an expression, a selector) reads of events."""
    if isinstance(node, AttributeRef | EventIsNull):
        yield node
    elif isinstance(node, tuple):
        for member in node:
            yield from references(member)
    elif is_dataclass(node):
        for field in fields(node):
            yield from references(getattr(node, field.name))


def reads_one_event_only(node: object) -> bool:
    """Whether nothing in ``node`` reads the list of a counted step, or a counted step's own events."""
    return not any(each.event_index == WHOLE_LIST or each.event_index >= OWN_EVENT for each in references(node))


class Reader:
    """Makes functions that find values in matches.

    Args:
        source: the pattern.
        places: for each step, where an attribute lies in the values of its events.
        strings: of the plan.
    """

    def __init__(self, source: PatternInput, places: tuple[Mapping[int, int], ...], strings: StringTable) -> None:
        self._steps = source.steps
        self._places = places
        self._strings = strings

    def value(self, reference: AttributeRef, own: int | None) -> Read:
        """What ``reference`` reads; ``own``: the step in whose condition it stands."""
        place = self._places[reference.source][reference.attribute]
        if reference.event_index == WHOLE_LIST:
            return self._all_values(reference, place)
        event = self.event(reference.source, reference.event_index, own)

        def read(match: PartialMatch, arriving: Event) -> Any:
            found = event(match, arriving)
            return found.values[place] if found is not None and found.values else None

        return read

    def event(self, step: int, index: int, own: int | None) -> Callable[[PartialMatch, Event], Event | None]:
        """The event at ``index`` of ``step``."""
        if step == own:
            return self._own_event(step, index)

        def read(match: PartialMatch, _arriving: Event) -> Event | None:
            held = match.events[step]
            if isinstance(held, list):
                return held[index] if -len(held) <= index < len(held) else None
            return held if index in (0, LAST_EVENT) else None

        return read

    def _own_event(self, step: int, index: int) -> Callable[[PartialMatch, Event], Event | None]:
        counted = (self._steps[step].min_count, self._steps[step].max_count) != (1, 1)
        if index == 0 or (not counted and index in (LAST_EVENT, OWN_EVENT)):
            return lambda _match, arriving: arriving
        if not counted:
            return lambda _match, _arriving: None

        def read(match: PartialMatch, arriving: Event) -> Event | None:
            held = match.events[step] or []
            assert isinstance(held, list)
            if index < 0:
                return held[index] if -len(held) <= index else None
            number = index - OWN_EVENT
            if number == len(held):
                return arriving
            return held[number] if number < len(held) else None

        return read

    def _all_values(self, reference: AttributeRef, place: int) -> Read:
        step = reference.source
        present = presenter(self._steps[step].schema.attributes[reference.attribute].type, self._strings)

        def read(match: PartialMatch, _arriving: Event) -> Any:
            held = match.events[step]
            if held is None:
                return None
            events = held if isinstance(held, list) else [held]
            return tuple(present(event.values[place]) for event in events if event.values)

        return read


def presenter(type_: AttributeType, strings: StringTable) -> Callable[[Any], Any]:
    """How a value of ``type_`` shows within an object."""
    match type_:
        case AttributeType.STRING:
            return lambda value: None if value is None else strings.text(value)
        case AttributeType.LONG:
            return lambda value: None if value is None else JavaLong(value)
        case AttributeType.FLOAT:
            return lambda value: None if value is None else JavaFloat(value)
        case _:
            return lambda value: value
