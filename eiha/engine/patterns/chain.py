"""From the tree of a pattern to a chain: steps one after the other, and stretches of them that start anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from eiha.plan.nodes import (
    AbsentNode,
    EveryNode,
    LogicalNode,
    NextNode,
    PatternInput,
    PatternNode,
    PatternStep,
    StepNode,
)


@dataclass(frozen=True, slots=True)
class Every:
    """Steps ``first`` to ``last`` start anew each time ``last`` is reached."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Chain:
    """Steps in the order in which events must come; ``within_ms`` counts from the first captured event.

    ``is_sequence``: an event that does not serve a match ends it. Then only the first step may be repeated.
    """

    steps: tuple[PatternStep, ...]
    repeated: tuple[Every, ...]
    within_ms: int | None
    is_sequence: bool = False

    def repeated_by(self, last: int) -> int | None:
        """The first step of the stretch that ends with step ``last``, if it starts anew."""
        for every in self.repeated:
            if every.last == last:
                return every.first
        return None

    def begins_anew_after_loss(self, step: int) -> bool:
        """Whether a match that waits for ``step`` and runs out of time leaves room for a new one from the start."""
        return any(every.first == 0 < step <= every.last for every in self.repeated)


def is_chain(source: PatternInput) -> bool:
    """Whether the steps are single events one after the other, none of them absent, ``every`` not within ``every``."""
    if any((step.min_count, step.max_count) != (1, 1) for step in source.steps):
        return False
    return _is_plain(source.root, inside=False)


def _is_plain(node: PatternNode, *, inside: bool) -> bool:
    match node:
        case StepNode():
            return True
        case NextNode(elements):
            return all(_is_plain(element, inside=inside) for element in elements)
        case EveryNode(element):
            return not inside and _is_plain(element, inside=True)
        case LogicalNode() | AbsentNode():
            return False
        case _:
            assert_never(node)


def make_chain(source: PatternInput) -> Chain:
    """The chain of a pattern or sequence for which ``is_chain`` holds."""
    assert is_chain(source)
    positions: list[int] = []
    repeated: list[Every] = []
    _walk(source.root, positions, repeated)
    assert positions == list(range(len(source.steps))), positions
    return Chain(source.steps, tuple(repeated), source.within_ms, source.is_sequence)


def _walk(node: PatternNode, positions: list[int], repeated: list[Every]) -> None:
    match node:
        case StepNode(position):
            positions.append(position)
        case NextNode(elements):
            for element in elements:
                _walk(element, positions, repeated)
        case EveryNode(element):
            first = len(positions)
            _walk(element, positions, repeated)
            repeated.append(Every(first, len(positions) - 1))
        case LogicalNode() | AbsentNode():
            raise AssertionError(node)
        case _:
            assert_never(node)
