"""This node's vitals, looked at with each tick: event loop, engine, log writer, stores."""

from __future__ import annotations

from eiha.ha.context import Context
from eiha.ha.inputs import Tick
from eiha.ha.replica import Replica
from eiha.ha.roles import Role
from eiha.ha.standstill import Standstill
from eiha.kernel.ids import MonotonicMs
from eiha.protocol.vitals import QUIET, Vitals

LAG_WINDOW_MS = 1_000
"""The worst lateness of the loop is told for one to two of these, so that somebody who looks now and then sees it."""


class OwnVitals:
    """``now``: the vitals as of the last tick. Steers nothing by itself."""

    __slots__ = ("_ctx", "_engine", "_lag_before_ms", "_lag_since_ms", "_log", "_looked_ms", "_replica", "_stores",
                 "_worst_lag_ms", "now")  # fmt: skip

    def __init__(self, ctx: Context, replica: Replica) -> None:
        self._ctx = ctx
        self._replica = replica
        self._looked_ms: MonotonicMs | None = None
        self._engine = Standstill()
        self._log = Standstill()
        self._stores = {sink: Standstill() for sink in ctx.config.sinks}
        self._worst_lag_ms = self._lag_before_ms = 0
        self._lag_since_ms = ctx.monotonic_ms
        self.now: Vitals = QUIET

    def tick(self, tick: Tick) -> None:
        """Look at everything once."""
        ctx, replica = self._ctx, self._replica
        passed_ms = self._passed_ms()
        log, work, outbox = replica.log, tick.engine, replica.outbox
        for sink, stall in self._stores.items():
            lane = outbox.lanes[sink]
            # a passive's lanes wait for the active to publish them, whose vitals tell of the store
            owes = ctx.role is Role.ACTIVE and lane.rows > 0
            stall.look(owes=owes, mark=lane.published_through, passed_ms=passed_ms)
        self.now = Vitals(
            self._lag_ms(tick.loop_lag_ms),
            replica.applied_through,
            work.kind,
            work.sequence,
            self._engine.look(owes=bool(work.kind), mark=work.unit, passed_ms=passed_ms),
            self._log.look(
                owes=log.persisted.sequence < log.end.sequence, mark=log.persisted.sequence, passed_ms=passed_ms
            ),
            outbox.rows,
            outbox.bytes,
            max((stall.ms for stall in self._stores.values()), default=0),
        )
        self._looked_ms = ctx.monotonic_ms

    def store_ms(self, sink: str) -> int:
        """How long outputs for ``sink`` have waited without its store taking any."""
        return self._stores[sink].ms

    def _passed_ms(self) -> int:
        """Since the last tick, at most what a loop that is merely late takes: longer than that, this node slept."""
        if self._looked_ms is None:
            return 0
        return min(self._ctx.monotonic_ms - self._looked_ms, self._ctx.policy.failure_timeout_ms // 2)

    def _lag_ms(self, lag_ms: int) -> int:
        now_ms = self._ctx.monotonic_ms
        if now_ms - self._lag_since_ms >= LAG_WINDOW_MS:
            self._lag_since_ms = now_ms
            self._lag_before_ms, self._worst_lag_ms = self._worst_lag_ms, 0
        self._worst_lag_ms = max(self._worst_lag_ms, lag_ms)
        return max(self._worst_lag_ms, self._lag_before_ms)
