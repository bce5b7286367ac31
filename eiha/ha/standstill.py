"""How long something has stood still although it should move, in time that this node was awake for."""

from __future__ import annotations


class Standstill:
    """One thing that is watched. ``ms``: how long it has stood still; 0 while it moves or has nothing to do.

    Counted in steps of the watcher and not by the clock: a node that was paused must not find, when it wakes, that
    everything has been stuck since.
    """

    __slots__ = ("_mark", "ms")

    def __init__(self) -> None:
        self.ms = 0
        self._mark: object = None

    def look(self, *, owes: bool, mark: object, passed_ms: int) -> int:
        """``mark`` changes with each progress; ``passed_ms`` is the watcher's own time since it looked last."""
        if owes and mark == self._mark:
            self.ms += passed_ms
        else:
            self.ms = 0
        self._mark = mark if owes else None
        return self.ms
