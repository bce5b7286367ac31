"""``@app:playback(idle.time='...', increment='...')``: event time goes on by itself when no events come."""

from __future__ import annotations

from eiha.engine.operator import OperatorState


class Heartbeat:
    """After ``idle_ms`` on the wall without an event that is not late, the event clock moves by ``increment_ms``."""

    __slots__ = ("_due_ms", "_heard_ms", "idle_ms", "increment_ms")

    def __init__(self, idle_ms: int, increment_ms: int) -> None:
        self.idle_ms = idle_ms
        self.increment_ms = increment_ms
        self._heard_ms = 0  # when the event clock was last moved or confirmed
        self._due_ms: int | None = None

    def hear(self, wall_ms: int) -> None:
        """An event came that is not behind the event clock."""
        self._heard_ms = wall_ms
        if self._due_ms is None:
            self._due_ms = wall_ms + self.idle_ms

    def next_timer_ms(self) -> int | None:
        """When the heart beats next, on the wall."""
        return self._due_ms

    def beat(self) -> bool:
        """Whether the event clock is to move: nothing was heard for long enough."""
        now_ms = self._due_ms
        assert now_ms is not None
        is_idle = now_ms - self._heard_ms >= self.idle_ms
        if is_idle:
            self._heard_ms = now_ms
        self._due_ms = self._heard_ms + self.idle_ms
        return is_idle

    def snapshot(self) -> OperatorState:
        """Since when nothing was heard."""
        return {"heard_ms": self._heard_ms, "due_ms": self._due_ms}

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self._heard_ms, self._due_ms = state["heard_ms"], state["due_ms"]
