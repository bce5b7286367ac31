"""What every operator is: rows in, rows out, timers, and a state that can be carried away.

Laws, property-tested for every operator: ``run(a + b) == run(a); restore(snapshot()); run(b)``, and the rows put
out (with their kinds and chunk numbers) do not depend on how the input is cut into batches (between log entries, never
within a chunk).

Chunk numbers. Chunks from outside have multiples of ``CHUNK_STRIDE``; rows of one chunk have one ``now_ms``. An
operator whose timers are due at a row of such a chunk c fires them itself, inside ``process``, before the row, and
numbers what they put out from ``max(c - CHUNK_STRIDE, number of the row before) + 1`` on. At rows with other numbers
(which some timer caused) and within a chunk no timer fires; it waits for the next multiple. If one chunk c causes
several (a batch window that fills twice), they are c, c + 1 and so on.

Reset rows. A batch window puts one row of kind RESET before the current rows of a batch: at it, the aggregates of
all groups forget everything. It carries values of a batch's first row, by which filters judge it, and yields no
output row.
"""

from __future__ import annotations

from dataclasses import field
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from eiha.events.batch import EventBatch
from eiha.events.light import light_dataclass

OperatorState = dict[str, Any]
"""Plain values by name: int, float, str, bytes, bool, None, NumPy arrays (no object dtype), lists and dicts of
these. The snapshot codec writes them with a format version; nothing else is allowed in."""


FIRED_CHUNK: Final = 1
"""Number of a chunk that ``fire`` puts out: not a multiple of ``CHUNK_STRIDE``."""

AT_ONCE: Final = -(2**62)
"""``next_timer_ms()`` of a stage that wants the first reading of the clock, whatever it is: its waits begin there."""

NO_TICKS: Final[npt.NDArray[np.int64]] = np.empty(0, dtype=np.int64)
"""``RowClock.ticks_ms`` of an operator that is told of no rows but its own."""


@light_dataclass(frozen=True, slots=True)
class RowClock:
    """What ``currentTimeMillis()`` and time windows see while a batch is processed.

    ``now_ms`` int64[n], one per row, never decreasing: in live mode the entry's log time in every row, in playback
    the highest event time so far. Timers due at or before ``now_ms[i]`` fire before row i.

    ``ticks_ms`` int64[m], never decreasing: the same for all chunks from outside that the batch came from, by number
    (chunk ``k * CHUNK_STRIDE`` has ``ticks_ms[k]``), also those of which a filter left nothing. Timers due by
    ``ticks_ms[k]`` fire before that chunk, also behind the last row. Empty: there is nothing but the rows.
    """

    now_ms: npt.NDArray[np.int64]
    ticks_ms: npt.NDArray[np.int64] = field(default_factory=lambda: NO_TICKS)


class Operator(Protocol):
    """One stage of a query."""

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        """The rows that ``batch`` causes, in order, with chunk numbers taken from the causing rows."""

    def fire(self, now_ms: int) -> EventBatch | None:
        """The rows of the earliest due timer (``next_timer_ms() <= now_ms``), as one chunk; None: none to put out.

        All rows carry ``FIRED_CHUNK``, so that operators further on see that a timer caused them. A caller repeats
        while ``next_timer_ms() <= now_ms``.
        """

    def next_timer_ms(self) -> int | None:
        """When ``fire`` wants to be called next; None: never."""

    def snapshot(self) -> OperatorState:
        """The whole state. Its arrays may be those that the operator works on, so that a look at it costs no copy: they
        are good until the operator's next input, and who keeps them longer encodes or copies them."""

    def restore(self, state: OperatorState) -> None:
        """Take over a state that ``snapshot`` of an equal operator gave; arrays that will change are copied."""


@runtime_checkable
class WallDriven(Protocol):
    """A stage that the wall clock drives even in playback."""

    def pass_wall_time(self, wall_ms: int, now_ms: int) -> EventBatch | None:
        """What the way of the wall clock to ``wall_ms`` makes it put out, one chunk (``FIRED_CHUNK``); None: nothing.

        ``now_ms`` is the event clock. Does nothing in a live plan, where both clocks are one.
        """


class Untimed:
    """For stages that set no timers: rows alone make them put something out."""

    __slots__ = ()

    def fire(self, now_ms: int) -> EventBatch | None:  # noqa: ARG002
        """Nothing."""
        return None

    def next_timer_ms(self) -> int | None:
        """Never."""
        return None
