"""One part of a plan's state: the unit in which states are digested, and in which a difference is named."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, overload

from eiha.engine.operator import Operator
from eiha.engine.operators.stateless import Stateless


@dataclass(frozen=True, slots=True)
class StatePart:
    """``path``: where the part lies in the plan's state; ``state`` gives it as it is now, with nothing beside it."""

    name: str
    path: tuple[str | int, ...]
    state: Callable[[], Any]

    def at(self, *path: str | int) -> StatePart:
        """The same part, its place told from further up."""
        return StatePart(self.name, (*path, *self.path), self.state)

    def within(self, name: str, *path: str | int) -> StatePart:
        """The same part as seen from what is called ``name``."""
        return StatePart(f"{name}, {self.name}", (*path, *self.path), self.state)


class StatesOnDemand(Sequence[Any]):
    """A list of states that are made when they are looked at: of many, few are looked at at a time.

    Args:
        count: how many there are.
        make: gives the state at a place.
    """

    __slots__ = ("_count", "_first", "_make")

    def __init__(self, count: int, make: Callable[[int], Any], first: int = 0) -> None:
        self._count = count
        self._make = make
        self._first = first

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> Any: ...

    @overload
    def __getitem__(self, place: slice) -> StatesOnDemand: ...

    def __getitem__(self, place: int | slice) -> Any:
        if isinstance(place, slice):
            start, stop, step = place.indices(self._count)
            assert step == 1
            return StatesOnDemand(max(0, stop - start), self._make, self._first + start)
        if not 0 <= place < self._count:
            raise IndexError(place)
        return self._make(self._first + place)


def stage_parts(stages: Sequence[Operator]) -> list[StatePart]:
    """One part for each stage that keeps anything."""
    return [
        StatePart(f"stage {place + 1}: {operator_words(stage)}", ("stages", place), stage.snapshot)
        for place, stage in enumerate(stages)
        if not isinstance(stage, Stateless)
    ]


def operator_words(operator: object) -> str:
    """What an operator is, in words: those of its class."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(operator).__name__).lower()
