"""Captured events and partial matches of the general machine, as small Python objects, and their plain form."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from eiha.engine.operator import OperatorState
from eiha.events.column import Column
from eiha.events.schema import AttributeType

NEVER: Final = -1
"""Timestamp of a match that took no event yet."""


class Event:
    """An event that matches hold: its time and the values that are read later (None: null).

    An event of no values stands for one that did not come, as was required.
    """

    __slots__ = ("timestamp", "values")

    def __init__(self, timestamp: int, values: tuple[Any, ...]) -> None:
        self.timestamp = timestamp
        self.values = values


NOTHING_CAME: Final = Event(NEVER, ())
"""What an absent step of a pair holds once its time is over."""


class PartialMatch:
    """Events by step: None, one event, or for a counted step the list of those taken, at least one.

    ``timestamp``: of the event taken last. ``lapsed``: it was found to be older than ``within``.
    A match may wait for several steps at once, so identity matters.
    """

    __slots__ = ("events", "lapsed", "timestamp")

    def __init__(self, steps: int) -> None:
        self.events: list[Event | list[Event] | None] = [None] * steps
        self.timestamp = NEVER
        self.lapsed = False

    def copy(self) -> PartialMatch:
        """A match of its own with the same events."""
        fresh = PartialMatch(0)
        fresh.events = [list(each) if isinstance(each, list) else each for each in self.events]
        fresh.timestamp = self.timestamp
        return fresh


def column_of_values(values: list[Any], type_: AttributeType) -> Column:
    """Python values (None: null) as a column."""
    valid = None
    if None in values:
        valid = np.array([value is not None for value in values], dtype=np.bool_)
        if type_ is not AttributeType.OBJECT:
            values = [0 if value is None else value for value in values]
    if type_ is not AttributeType.OBJECT:
        return Column(type_, np.array(values, dtype=type_.dtype), valid)
    objects = np.empty(len(values), dtype=np.object_)
    for row, value in enumerate(values):
        objects[row] = value
    return Column(type_, objects, valid)


class MatchTable:
    """Turns matches into plain values and back; each match and event stands once, so that identity survives."""

    def __init__(self) -> None:
        self._match_numbers: dict[PartialMatch, int] = {}  # by identity, as for events
        self._event_numbers: dict[Event, int] = {}
        self._matches: list[PartialMatch] = []
        self._events: list[Event] = []

    def numbers(self, matches: list[PartialMatch]) -> list[int]:
        """The numbers of ``matches``, which are noted."""
        return [self._match(match) for match in matches]

    def _match(self, match: PartialMatch) -> int:
        known = self._match_numbers.get(match)
        if known is None:
            known = self._match_numbers[match] = len(self._matches)
            self._matches.append(match)
        return known

    def _event(self, event: Event) -> int:
        known = self._event_numbers.get(event)
        if known is None:
            known = self._event_numbers[event] = len(self._events)
            self._events.append(event)
        return known

    def state(self) -> OperatorState:
        """All matches noted, with their events."""
        matches = []
        for match in self._matches:
            events: list[Any] = []
            for each in match.events:
                match each:
                    case None:
                        events.append(None)
                    case Event():
                        events.append(NEVER if each is NOTHING_CAME else self._event(each))
                    case _:
                        events.append([self._event(one) for one in each])
            matches.append([match.timestamp, match.lapsed, events])
        return {"matches": matches, "events": [[event.timestamp, list(event.values)] for event in self._events]}


def matches_of(state: OperatorState) -> list[PartialMatch]:
    """The matches of ``MatchTable.state``, by number."""
    events = [Event(timestamp, tuple(_value(value) for value in values)) for timestamp, values in state["events"]]
    matches = []
    for timestamp, lapsed, held in state["matches"]:
        match = PartialMatch(0)
        match.timestamp, match.lapsed = timestamp, lapsed
        for each in held:
            if each is None:
                match.events.append(None)
            elif isinstance(each, list):
                match.events.append([events[number] for number in each])
            else:
                match.events.append(NOTHING_CAME if each == NEVER else events[each])
        matches.append(match)
    return matches


def _value(value: Any) -> Any:
    """Lists within object attributes are tuples: they are never changed."""
    return tuple(_value(member) for member in value) if isinstance(value, list) else value
