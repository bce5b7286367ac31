"""From the tree of a pattern or sequence to a table of states, one for each step, with what follows what."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import Final, assert_never

from eiha.plan.nodes import AbsentNode, EveryNode, LogicalNode, NextNode, PatternInput, PatternNode, StepNode

NONE: Final = -1
"""In place of a position: there is no such state."""


class StateKind(enum.Enum):
    """How a state deals with an event that it takes."""

    SINGLE = "single"
    COUNTED = "counted"
    PAIRED = "paired"
    ABSENT = "absent"
    PAIRED_ABSENT = "paired absent"


@dataclass(frozen=True, slots=True)
class State:
    """A step at work. Positions are those of ``PatternInput.steps``.

    Args:
        position: of the step.
        stream: that feeds it.
        kind: how it takes events.
        least, most: events of a counted step; ``most`` None: no maximum.
        wait_ms: of an absent step; None: for as long as the partner takes.
        is_and: of a pair: both are needed.
        partner: the other of a pair.
        leads: the first of its pair, or alone: the one that others hand matches to.
        starts: matches begin here.
        is_last: a match is complete with it.
        follower: the state that a match goes on to.
        again: the state at which a new match begins when one is through this state (the end of ``every``).
        renewed_at: the state at which a new match begins when one waits here for longer than ``within``.
        skips: the optional first step that begins anew when this one, the second of a sequence, was tried.
    """

    position: int
    stream: str
    kind: StateKind
    least: int = 1
    most: int | None = 1
    wait_ms: int | None = None
    is_and: bool = False
    partner: int = NONE
    leads: bool = True
    starts: bool = False
    is_last: bool = False
    follower: int = NONE
    again: int = NONE
    renewed_at: int = NONE
    skips: int = NONE

    @property
    def is_absent(self) -> bool:
        """Whether the step waits for nothing to come."""
        return self.kind in (StateKind.ABSENT, StateKind.PAIRED_ABSENT)

    @property
    def element(self) -> int:
        """The place in the text: of a pair that of its first."""
        return self.position if self.partner == NONE else min(self.position, self.partner)


def state_table(source: PatternInput) -> tuple[State, ...]:
    """The states of ``source``, by position."""
    builder = _Builder(source)
    first, last = builder.add(source.root, starts=True)
    for position in (last, builder.states[last].partner):
        if position != NONE:
            builder.change(position, is_last=True)
    assert builder.states[first].leads
    return tuple(builder.states[position] for position in range(len(source.steps)))


class _Builder:
    """States while the tree is walked; a subtree is known by its leading first state and a last one."""

    def __init__(self, source: PatternInput) -> None:
        self._source = source
        self.states: dict[int, State] = {}

    def change(self, position: int, **changes: object) -> None:
        """Replace fields of a state."""
        self.states[position] = replace(self.states[position], **changes)  # type: ignore[arg-type]

    def add(self, node: PatternNode, *, starts: bool) -> tuple[int, int]:
        """Add the states of ``node``; the first and the last."""
        match node:
            case StepNode(position):
                return self._step(position, starts)
            case AbsentNode(position, wait_ms):
                stream = self._source.steps[position].stream
                self.states[position] = State(position, stream, StateKind.ABSENT, wait_ms=wait_ms, starts=starts)
                return position, position
            case LogicalNode():
                return self._pair(node, starts)
            case NextNode(elements):
                return self._chain(elements, starts)
            case EveryNode(element):
                before = set(self.states)
                first, last = self.add(element, starts=starts)
                for position in sorted(set(self.states) - before):
                    self.change(position, renewed_at=first)
                self._on_both(last, again=first)
                return first, last
            case _:
                assert_never(node)

    def _step(self, position: int, starts: bool) -> tuple[int, int]:
        step = self._source.steps[position]
        is_single = (step.min_count, step.max_count) == (1, 1)
        kind = StateKind.SINGLE if is_single else StateKind.COUNTED
        self.states[position] = State(
            position, step.stream, kind, least=step.min_count, most=step.max_count, starts=starts
        )
        return position, position

    def _pair(self, node: LogicalNode, starts: bool) -> tuple[int, int]:
        left, _ = self.add(node.left, starts=starts)
        right, _ = self.add(node.right, starts=starts)
        # an absent partner leads wherever it stands, since it is the one that must begin to wait
        leader = right if self.states[right].is_absent and not self.states[left].is_absent else left
        for position, partner in ((left, right), (right, left)):
            kind = StateKind.PAIRED_ABSENT if self.states[position].is_absent else StateKind.PAIRED
            self.change(position, kind=kind, is_and=node.both, partner=partner, leads=position == leader)
        return leader, left + right - leader

    def _chain(self, elements: tuple[PatternNode, ...], starts: bool) -> tuple[int, int]:
        first, last = self.add(elements[0], starts=starts)
        for element in elements[1:]:
            follower, end = self.add(element, starts=False)
            self._on_both(last, follower=follower)
            before = self.states[last]
            if self._source.is_sequence and before.kind is StateKind.COUNTED and before.starts and before.least == 0:
                self.change(follower, skips=last)
            last = end
        return first, last

    def _on_both(self, position: int, **changes: object) -> None:
        """Change a state and its partner."""
        partner = self.states[position].partner
        self.change(position, **changes)
        if partner != NONE:
            self.change(partner, **changes)
