"""unionSet, first, last: aggregates over what is in, kept as values in order of arrival."""

from __future__ import annotations

from collections import deque
from typing import Any

from eiha.engine.faults import EngineFault


class Counted:
    """Values and how often each is in, in order of first arrival."""

    __slots__ = ("counts",)

    def __init__(self) -> None:
        self.counts: dict[Any, int] = {}

    def take_in(self, value: Any) -> None:
        """One more."""
        self.counts[value] = self.counts.get(value, 0) + 1

    def give_back(self, value: Any) -> None:
        """One less."""
        count = self.counts.get(value, 0)
        if count > 1:
            self.counts[value] = count - 1
        else:
            self.counts.pop(value, None)

    def snapshot(self) -> Any:
        """Values with their counts."""
        return [[value, count] for value, count in self.counts.items()]

    def restore(self, state: Any) -> None:
        """Take over what ``snapshot`` gave."""
        self.counts = {hashable(value): count for value, count in state}


def hashable(value: Any) -> Any:
    """``value`` as a key again, after a snapshot made lists of tuples."""
    return tuple([hashable(each) for each in value]) if isinstance(value, list) else value


class UnionSet(Counted):
    """``unionSet(set)``: all that is in any of the sets that are in. The same set is given until it is another one."""

    __slots__ = ("_union",)

    def __init__(self) -> None:
        super().__init__()
        self._union: frozenset[Any] | None = None

    def add(self, members: Any) -> None:
        """A set comes; null adds nothing."""
        counts = self.counts
        before = len(counts)
        for member in _members(members):
            counts[member] = counts.get(member, 0) + 1
        if len(counts) != before:
            self._union = None

    def remove(self, members: Any) -> None:
        """A set leaves."""
        before = len(self.counts)
        for member in _members(members):
            self.give_back(member)
        if len(self.counts) != before:
            self._union = None

    def value(self) -> Any:
        """The union; an empty set while nothing is in."""
        if self._union is None:
            self._union = frozenset(self.counts)
        return self._union

    def restore(self, state: Any) -> None:
        """Take over what ``snapshot`` gave."""
        super().restore(state)
        self._union = None


def _members(value: Any) -> frozenset[Any]:
    if value is None:
        return frozenset()
    if not isinstance(value, frozenset):
        raise EngineFault(f"unionSet needs a set, not {value!r}")
    return value


class Ends:
    """What is in, oldest first; nulls count. The base of ``first`` and ``last``."""

    __slots__ = ("held",)

    def __init__(self) -> None:
        self.held: deque[Any] = deque()

    def add(self, value: Any) -> None:
        """A row comes."""
        self.held.append(value)

    def remove(self, value: Any) -> None:
        """A row leaves: mostly the oldest one."""
        if self.held and _same(self.held[0], value):
            self.held.popleft()
            return
        for place, each in enumerate(self.held):
            if _same(each, value):
                del self.held[place]
                return

    def snapshot(self) -> Any:
        """All values."""
        return list(self.held)

    def restore(self, state: Any) -> None:
        """Take over what ``snapshot`` gave."""
        self.held = deque(state)


def _same(left: Any, right: Any) -> bool:
    return bool(left == right) or (left != left and right != right)


class First(Ends):
    """``first(x)``: the value that came first of those that are in; null while nothing is in."""

    __slots__ = ()

    def value(self) -> Any:
        """The oldest."""
        return self.held[0] if self.held else None


class Last(Ends):
    """``last(x)``: the value that came last of those that are in; null while nothing is in."""

    __slots__ = ()

    def value(self) -> Any:
        """The newest."""
        return self.held[-1] if self.held else None
