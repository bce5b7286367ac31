"""From the tree of a pattern to a chain: steps one after the other, and stretches of them that start anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from eiha.errors import UnsupportedConstruct
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
    """Steps in the order in which events must come; ``within_ms`` counts from the first captured event."""

    steps: tuple[PatternStep, ...]
    repeated: tuple[Every, ...]
    within_ms: int | None

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
    """Whether ``make_chain`` can take the pattern."""
    if source.is_sequence or any((step.min_count, step.max_count) != (1, 1) for step in source.steps):
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
    """The chain of a pattern.

    Raises:
        UnsupportedConstruct: a sequence, a counted, logical or absent step, or ``every`` within ``every``.
    """
    if source.is_sequence:
        raise _unsupported("sequence", source)
    for step in source.steps:
        if (step.min_count, step.max_count) != (1, 1):
            raise UnsupportedConstruct("pattern.count", line=step.span.line, column=step.span.column)
    positions: list[int] = []
    repeated: list[Every] = []
    _walk(source.root, source, positions, repeated, inside=False)
    assert positions == list(range(len(source.steps))), positions
    return Chain(source.steps, tuple(repeated), source.within_ms)


def _walk(
    node: PatternNode, source: PatternInput, positions: list[int], repeated: list[Every], *, inside: bool
) -> None:
    match node:
        case StepNode(position):
            positions.append(position)
        case NextNode(elements):
            for element in elements:
                _walk(element, source, positions, repeated, inside=inside)
        case EveryNode(element):
            if inside:
                raise _unsupported("pattern.every in every", source)
            first = len(positions)
            _walk(element, source, positions, repeated, inside=True)
            repeated.append(Every(first, len(positions) - 1))
        case LogicalNode():
            raise _unsupported("pattern.logical", source)
        case AbsentNode():
            raise _unsupported("pattern.absent", source)
        case _:
            assert_never(node)


def _unsupported(construct: str, source: PatternInput) -> UnsupportedConstruct:
    return UnsupportedConstruct(construct, line=source.span.line, column=source.span.column)
