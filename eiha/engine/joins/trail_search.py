"""Looking for partners in a trail."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from eiha.engine.joins.chains import find_pairs
from eiha.engine.joins.side import Asked, Held, Longs, Pairs, all_pairs
from eiha.engine.joins.trail import Trail


def search(trail: Trail, asked: Asked) -> Iterator[Pairs]:
    """Candidates among the rows that ``trail`` held when each row of ``asked`` came."""
    held = asked.held
    if held is None:
        held = Held(np.full(asked.count, trail.start, dtype=np.int64), np.full(asked.count, trail.stop, dtype=np.int64))
    if not trail.keyed:
        return all_pairs(held.lows, held.stops)
    assert asked.words is not None
    starts = trail.starts(asked.words, held.stops)
    if asked.linkable is not None:
        starts[~asked.linkable] = 0
    return iter([_by_key(trail, starts, asked.words, held.lows)])


def _by_key(trail: Trail, starts: Longs, words: Longs, lows: Longs) -> Pairs:
    """All pairs of equal words; where there is no room for more, there is made twice as much."""
    rows = np.empty(2 * len(words) + 64, dtype=np.int64)
    numbers = np.empty(len(rows), dtype=np.int64)
    out = first = 0
    while True:
        out, first = find_pairs(starts, words, lows, trail.words, trail.prevs, first, out, rows, numbers)
        if first == len(words):
            return rows[:out], numbers[:out]
        # what is left costs about as much as what is done, if that is known yet
        wanted = len(rows) * 2 if first == 0 else max(2 * len(rows), out * len(words) // first + len(rows))
        rows, numbers = _longer(rows, out, wanted), _longer(numbers, out, wanted)


def _longer(values: Longs, used: int, length: int) -> Longs:
    longer = np.empty(length, dtype=np.int64)
    longer[:used] = values[:used]
    return longer
