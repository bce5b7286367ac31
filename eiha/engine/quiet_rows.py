"""Feeds rows whole as far as they change no table and do not fail, and alone where they do; see ``quiet_routes``."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from eiha.engine.chunk_clock import ChunkClock
from eiha.engine.chunk_rows import plain_rows
from eiha.engine.delivery import Delivery
from eiha.engine.quiet_routes import QuietRoute
from eiha.events.batch import EventBatch

Longs = npt.NDArray[np.int64]

_REACH_MIN: Final = 16
"""Rows that are tried at once behind one that wrote: trying fewer costs as much."""
_ALONE_MAX: Final = 64
"""Rows that are fed without trying where row after row writes: what trying them in vain would cost is small then."""


def feed_quiet_rows(delivery: Delivery, quiet: QuietRoute, stream: str, batch: EventBatch, now_ms: int | Longs) -> None:
    """Feed the rows of ``batch``, a chunk each, as if one by one.

    How far is looked ahead follows how far it was of use: twice as far after a stretch without a change.
    """
    start, reach, alone = 0, _REACH_MIN, 0
    while start < len(batch):
        stop = min(start + reach, len(batch))
        rows, times = plain_rows(batch, start, stop), _part(now_ms, start, stop)
        ahead = delivery.look_ahead(quiet, stream, rows, ChunkClock(times))
        count = ahead.count
        if count:
            clock = ChunkClock(_part(times, 0, count))
            delivery.deliver_whole(stream, plain_rows(rows, 0, count), clock, quiet.way, ahead.tried)
        start += count
        if start == stop:
            reach, alone = 2 * reach, 0
            continue
        reach = max(_REACH_MIN, 2 * count)
        alone = 1 if count else min(2 * alone + 1, _ALONE_MAX)
        for row in range(start, min(start + alone, len(batch))):
            at_ms = now_ms if isinstance(now_ms, int) else int(now_ms[row])
            delivery.deliver(stream, plain_rows(batch, row, row + 1), ChunkClock(at_ms), 0)
        start = min(start + alone, len(batch))


def _part(now_ms: int | Longs, start: int, stop: int) -> int | Longs:
    return now_ms if isinstance(now_ms, int) else now_ms[start:stop]
