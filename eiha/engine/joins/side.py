"""What a side of a join does: rows come out of it and look for partners, and it is searched for partners."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from eiha.engine.expressions.rows import Columns, Rows
from eiha.engine.operator import OperatorState, RowClock
from eiha.events.batch import Chunks, EventBatch, Kinds, Timestamps
from eiha.events.column import Indices, Mask
from eiha.events.light import light_dataclass
from eiha.events.repeated import row_numbers

Longs = npt.NDArray[np.int64]

Pairs = tuple[Indices, Indices]

PAIRS_AT_ONCE: Final = 65_536
"""Candidates that are looked at together where nothing narrows a search."""


@light_dataclass(frozen=True, slots=True)
class Held:
    """Which rows a trail holds after each row that came out: those from ``lows`` to ``stops``."""

    lows: Longs
    stops: Longs


@light_dataclass(frozen=True, slots=True)
class Emitted:
    """Rows that come out of a side, in order: current, expired and resets; ``kinds`` None: all are current.

    ``at`` gives the columns that the join reads, of the rows at some indices. ``words``, ``linkable``: their keys, and
    which of them can have partners (None: all). ``is_chunk_each``: no two have the same chunk. ``held``: of a side
    with a trail, asked before the side settles; ``low``: the first row that its trail holds after all of them.
    ``whole``: those columns of all rows, where they are there as they are; see ``all_columns``.
    """

    kinds: Kinds | None
    timestamps: Timestamps
    chunks: Chunks
    at: Callable[[Indices], Columns]
    words: Longs | None = None
    linkable: Mask | None = None
    is_chunk_each: bool = False
    held: Callable[[], Held] | None = None
    low: int = 0
    whole: Columns | None = None

    def __len__(self) -> int:
        return len(self.timestamps)

    def all_columns(self) -> Columns:
        """The columns that the join reads, of all rows."""
        return self.at(row_numbers(len(self.timestamps))) if self.whole is None else self.whole

    def take(self, indices: Indices) -> Emitted:
        """The rows at ``indices``."""
        at = self.at
        return Emitted(
            None if self.kinds is None else self.kinds.take(indices),
            self.timestamps.take(indices),
            self.chunks.take(indices),
            lambda chosen: at(indices.take(chosen)),
            None if self.words is None else self.words.take(indices),
            None if self.linkable is None else self.linkable.take(indices),
            self.is_chunk_each,
        )


@light_dataclass(frozen=True, slots=True)
class Asked:
    """``count`` rows of one side that look for partners on the other; ``rows`` makes them with their columns.

    ``held``: which rows the other side held when each came; None: those that it holds now.
    """

    count: int
    rows: Callable[[], Rows]
    words: Longs | None
    linkable: Mask | None
    held: Held | None = None


class Side(Protocol):
    """One side of a join. Between ``advance`` and ``settle`` rows that left can still be read."""

    def advance(self, batch: EventBatch, clock: RowClock) -> Emitted:
        """What comes out because ``batch`` comes in, and because time passes."""

    def fire(self, now_ms: int) -> Emitted | None:
        """What the earliest due timer puts out."""

    def next_timer_ms(self) -> int | None:
        """The earliest timer."""

    def settle(self) -> None:
        """Forget rows that left."""

    def find(self, asked: Asked) -> Iterator[Pairs]:
        """Candidates: indices of ``asked``, rising, and for each its possible partners, in order of the search."""

    def partners(self, found: Indices) -> Columns:
        """The columns of rows that ``find`` named."""

    def snapshot(self) -> OperatorState:
        """The whole state."""

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""


def all_pairs(lows: Longs, stops: Longs) -> Iterator[Pairs]:
    """Each asked row with all numbers from its low to its stop, some thousands of pairs at a time."""
    counts = np.maximum(stops - lows, 0)
    ends = np.cumsum(counts)
    first = 0
    while first < len(counts):
        before = int(ends[first - 1]) if first else 0
        stop = max(first + 1, int(np.searchsorted(ends, before + PAIRS_AT_ONCE, side="right")))
        held = counts[first:stop]
        asked = np.repeat(np.arange(first, stop, dtype=np.int64), held)
        if len(asked):
            skipped = np.repeat(ends[first:stop] - held - before, held)
            yield asked, np.repeat(lows[first:stop], held) + np.arange(len(asked), dtype=np.int64) - skipped
        first = stop


NO_PAIRS: Final[Pairs] = (np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
