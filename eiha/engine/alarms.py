"""Which timer of a live plan is next: the earliest, of equal ones that which was set first."""

from __future__ import annotations

from typing import Any


class Alarms:
    """One timer a key, known by when it is due and when that was first seen."""

    __slots__ = ("_known", "_seen")

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, int]] = {}
        self._seen = 0

    def note(self, key: int, due_ms: int | None) -> None:
        """The timer of ``key`` is due at ``due_ms``; None: it has none."""
        known = self._known.get(key)
        if due_ms is None:
            self._known.pop(key, None)
        elif known is None or known[0] != due_ms:
            self._seen += 1
            self._known[key] = (due_ms, self._seen)

    def earliest(self) -> tuple[int, int]:
        """When the next timer is due, and its key; there must be one."""
        due_ms, _, key = min((due_ms, order, key) for key, (due_ms, order) in self._known.items())
        return due_ms, key

    def snapshot(self) -> list[Any]:
        """All timers, by key."""
        return [self._seen, *([key, *self._known[key]] for key in sorted(self._known))]

    def restore(self, state: list[Any]) -> None:
        """Take over what ``snapshot`` gave."""
        self._seen, *known = state
        self._known = {key: (due_ms, order) for key, due_ms, order in known}
