"""The event loop around the pure member: one input at a time in, effects carried out in order.

Inputs that come while effects are carried out wait their turn. Where the member keeps something back so that what
arrives together becomes one entry, it is told once, after the inputs of one turn of the event loop, that nothing more
is at hand (``Flush``). When no input waits any more, the shells may do what they put off until then.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from eiha.ha.effects import Effect
from eiha.ha.inputs import Flush, Input, Start, Tick
from eiha.kernel.ids import Now
from eiha.observability.node_metrics import NodeMetrics
from eiha.protocol.vitals import IDLE, EngineAt

LAG_WARNING_S: Final = 0.5
"""A loop this late may already have been suspected by the peer."""


class SteppingMember(Protocol):
    """What this loop needs of ``ha.member.Member``."""

    def step(self, input_: Input, now: Now) -> tuple[Effect, ...] | list[Effect]:
        """Take one input, return what is to be done."""

    @property
    def flush_wanted(self) -> bool:
        """Whether it keeps something back until it hears that nothing more is at hand."""


class MemberLoop:
    """Feeds one member on one event loop.

    Args:
        member: the pure core.
        clock: reads the clocks.
        carry_out: does one effect; must not block.
        failed: called when the member or an effect raised: the node must end.
        metrics: loop lag goes here.
        late: called with seconds when the loop was late by more than ``LAG_WARNING_S``.
        engine_at: what the engine's thread is at.
        turned: called with each tick.
        settled: called when all inputs at hand are taken and their effects carried out; may give further inputs.
    """

    def __init__(
        self,
        member: SteppingMember,
        clock: Callable[[], Now],
        carry_out: Callable[[Effect], None],
        failed: Callable[[BaseException], None],
        metrics: NodeMetrics,
        late: Callable[[float], None],
        engine_at: Callable[[], EngineAt] = lambda: IDLE,
        turned: Callable[[], None] = lambda: None,
        settled: Callable[[], None] = lambda: None,
    ) -> None:
        self._member = member
        self._clock = clock
        self._carry_out = carry_out
        self._failed = failed
        self._metrics = metrics
        self._late = late
        self._engine_at = engine_at
        self._turned = turned
        self._settled = settled
        self._loop = asyncio.get_running_loop()
        self._inputs: deque[Input] = deque()
        self._early: list[Input] = []
        self._started = False
        self._stepping = False
        self._flush_due = False
        self._ended = False

    def feed(self, input_: Input) -> None:
        """Give the member an input. On the event loop only. What comes before ``Start`` waits for it."""
        if self._ended:
            return
        if not self._started and not isinstance(input_, Start):
            self._early.append(input_)
            return
        self._inputs.append(input_)
        if not self._started:
            self._started = True
            self._inputs.extend(self._early)
            self._early.clear()
        if not self._stepping:
            self._drain()

    def feed_from_thread(self, input_: Input) -> None:
        """Give the member an input from another thread. Dropped when the event loop is gone."""
        try:
            self._loop.call_soon_threadsafe(self.feed, input_)
        except RuntimeError:
            if not self._loop.is_closed():
                raise

    async def tick_forever(self, tick_s: float) -> None:
        """Tell the member that time passes, and watch how late this loop is. Runs until cancelled."""
        due_s = self._loop.time()
        while True:
            due_s += tick_s
            await asyncio.sleep(max(0.0, due_s - self._loop.time()))
            lag_s = self._loop.time() - due_s
            self._metrics.loop_lag.observe(max(0.0, lag_s))
            if lag_s > LAG_WARNING_S:
                self._late(lag_s)
            if lag_s > tick_s:
                due_s = self._loop.time()
            self._turned()
            self.feed(Tick(max(0, int(lag_s * 1_000)), self._engine_at()))

    def end(self) -> None:
        """Take no more inputs."""
        self._ended = True
        self._inputs.clear()

    def _flush(self) -> None:
        self._flush_due = False
        if self._ended:
            return
        self._inputs.append(Flush())
        if not self._stepping:
            self._drain()

    def _drain(self) -> None:
        self._stepping = True
        try:
            while self._inputs:
                while self._inputs:
                    for effect in self._member.step(self._inputs.popleft(), self._clock()):
                        self._carry_out(effect)
                if self._member.flush_wanted and not self._flush_due:
                    self._flush_due = True
                    self._loop.call_soon(self._flush)
                self._settled()  # may give inputs
        except Exception as error:  # noqa: BLE001  whatever it is, the node's state is in doubt: it ends
            self.end()
            self._failed(error)
        finally:
            self._stepping = False
