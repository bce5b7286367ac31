"""``output [all|first|last] every n events``: counting rows, of either kind.

Each round is a chunk of its own, but for ``first`` what one chunk lets through goes out as one chunk.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregators.growth import grown
from eiha.engine.jit import ReadInt64, WriteInt64, WriteUInt8, kernel
from eiha.engine.kernels.collapse import last_of_groups
from eiha.engine.operator import OperatorState, RowClock, Untimed
from eiha.engine.operators.selected import Selected
from eiha.engine.rate_limits.group_rows import GroupRows
from eiha.engine.rate_limits.held_rows import HeldRows
from eiha.events.batch import Chunks, EventBatch, concatenate_batches
from eiha.events.schema import Schema

Numbers = npt.NDArray[np.int64]


class NothingByEvents(Untimed):
    """``every 0 events``: a round never ends."""

    __slots__ = ("quiet_calls", "turned_ms")

    def __init__(self) -> None:
        self.turned_ms: int | None = None
        self.quiet_calls = 0

    def process(self, selected: Selected, clock: RowClock) -> EventBatch | None:  # noqa: ARG002
        """Nothing."""
        return None

    def snapshot(self) -> OperatorState:
        """Nothing."""
        return {}

    def restore(self, state: OperatorState) -> None:
        """Nothing."""


class _ByEvents(Untimed):
    """Counts modulo ``every``."""

    __slots__ = ("_counter", "_every", "quiet_calls", "turned_ms")

    def __init__(self, every: int) -> None:
        assert every > 0
        self._every = every
        self._counter = 0
        self.turned_ms: int | None = None
        self.quiet_calls = 0

    def snapshot(self) -> OperatorState:
        """How far the count is."""
        return {"counter": self._counter}

    def restore(self, state: OperatorState) -> None:
        """Count on from there."""
        self._counter = state["counter"]


class AllByEvents(_ByEvents):
    """Keeps rows back until there are n, then lets them go together."""

    __slots__ = ("_held",)

    def __init__(self, every: int, schema: Schema) -> None:
        super().__init__(every)
        self._held = HeldRows(schema)

    def process(self, selected: Selected, clock: RowClock) -> EventBatch | None:  # noqa: ARG002
        """Whole rounds of n rows, each a chunk of its own."""
        rows = selected.rows
        known = len(self._held)
        self._held.add(rows)
        total = len(self._held)
        if total < self._every:
            return None
        rounds = total // self._every
        whole = self._held.take()
        ends = np.arange(1, rounds + 1) * self._every - 1 - known
        chunks = np.repeat(_rising(rows.chunk_numbers().take(ends)), self._every)
        self._held.add(whole.take(np.arange(rounds * self._every, total)))
        return _renumbered(whole.take(np.arange(rounds * self._every)), chunks)

    def snapshot(self) -> OperatorState:
        """The rows kept back."""
        return {"held": self._held.snapshot()}

    def restore(self, state: OperatorState) -> None:
        """Keep the rows of a snapshot back."""
        self._held.restore(state["held"])


class FirstByEvents(_ByEvents):
    """The first of each n rows. As recorded, the resets of batch windows count as rows, and may be the first."""

    __slots__ = ()

    def process(self, selected: Selected, clock: RowClock) -> EventBatch | None:  # noqa: ARG002
        """The rows whose turn it is."""
        rows, resets = selected.rows, selected.resets
        places = np.arange(len(rows), dtype=np.int64)
        before = self._counter
        self._counter = (before + len(rows) + len(resets.places)) % self._every
        self.turned_ms = None
        if len(resets.places):
            turned = (before + resets.places + np.arange(len(resets.places))) % self._every == 0
            if turned.any():
                self.turned_ms = int(resets.timestamps[np.flatnonzero(turned)[-1]])
            places = places + np.searchsorted(resets.places, places, side="right")
        chosen = np.flatnonzero((before + places) % self._every == 0)
        return rows.take(chosen) if len(chosen) or self.turned_ms is not None else None


class FirstOfGroupByEvents(_ByEvents):
    """The first of each n rows of a group."""

    __slots__ = ("_counts",)

    def __init__(self, every: int) -> None:
        super().__init__(every)
        self._counts: Numbers = np.zeros(1, dtype=np.int64)

    def process(self, selected: Selected, clock: RowClock) -> EventBatch | None:  # noqa: ARG002
        """The rows whose turn it is."""
        assert selected.groups is not None
        self._counts = grown(self._counts, selected.group_count)
        passes = np.zeros(len(selected.rows), dtype=np.uint8)
        _first_of_group(selected.groups, self._counts, self._every, passes)
        chosen = np.flatnonzero(passes)
        return selected.rows.take(chosen) if len(chosen) else None

    def forget(self, groups: Numbers) -> None:
        """Let the rounds of ``groups`` begin anew."""
        self._counts[groups[groups < len(self._counts)]] = 0

    def snapshot(self) -> OperatorState:
        """The groups that are within a round, and how far."""
        groups = np.flatnonzero(self._counts)
        return {"groups": groups, "counts": self._counts.take(groups)}

    def restore(self, state: OperatorState) -> None:
        """Count on from there."""
        groups: Numbers = state["groups"]
        self._counts = grown(np.zeros(1, dtype=np.int64), int(groups.max()) + 1 if len(groups) else 1)
        self._counts[groups] = state["counts"]


class LastByEvents(_ByEvents):
    """Each n-th row."""

    __slots__ = ()

    def process(self, selected: Selected, clock: RowClock) -> EventBatch | None:  # noqa: ARG002
        """The rows whose turn it is, each a chunk of its own."""
        rows = selected.rows
        chosen = np.arange(self._every - 1 - self._counter, len(rows), self._every)
        self._counter = (self._counter + len(rows)) % self._every
        if not len(chosen):
            return None
        out = rows.take(chosen)
        return _renumbered(out, _rising(out.chunk_numbers()))


class LastOfGroupByEvents(_ByEvents):
    """Of each n rows the last one of each group, the groups in order of appearance."""

    __slots__ = ("_places", "_rows", "_stamp", "_stamps")

    def __init__(self, every: int, schema: Schema) -> None:
        super().__init__(every)
        self._rows = GroupRows(schema)
        # scratch of the collapse: what is in it does not outlive a call
        self._stamps: Numbers = np.zeros(1, dtype=np.int64)
        self._places: Numbers = np.zeros(1, dtype=np.int64)
        self._stamp = 1

    def process(self, selected: Selected, clock: RowClock) -> EventBatch | None:  # noqa: ARG002
        """Whole rounds of n rows, each a chunk of its own."""
        rows, groups = selected.rows, selected.groups
        assert groups is not None
        before, self._counter = self._counter, (self._counter + len(rows)) % self._every
        ends = np.arange(self._every - 1 - before, len(rows), self._every)
        if not len(ends):
            self._rows.put(rows, groups, selected.group_count)
            return None
        done = int(ends[-1]) + 1
        rounds = np.concatenate([np.zeros(len(self._rows)), (before + np.arange(done)) // self._every])
        numbers = np.concatenate([self._rows.groups, groups[:done]])
        whole = concatenate_batches([self._rows.rows(), rows.take(np.arange(done))])
        chosen, round_of = self._last_of_rounds(rounds.astype(np.int64), numbers, selected.group_count)
        self._rows.clear()
        left = np.arange(done, len(rows))
        self._rows.put(rows.take(left), groups.take(left), selected.group_count)
        return _renumbered(whole.take(chosen), _rising(rows.chunk_numbers().take(ends)).take(round_of))

    def _last_of_rounds(self, rounds: Numbers, groups: Numbers, group_count: int) -> tuple[Numbers, Numbers]:
        self._stamps = grown(self._stamps, group_count)
        self._places = grown(self._places, group_count)
        chosen = np.empty(len(groups), dtype=np.int64)
        out = last_of_groups(rounds, groups, self._stamps, self._places, self._stamp, chosen)
        self._stamp += len(groups) + 1
        return chosen[:out], rounds.take(chosen[:out])

    def snapshot(self) -> OperatorState:
        """The latest rows of the round."""
        return {"counter": self._counter, "rows": self._rows.snapshot()}

    def restore(self, state: OperatorState) -> None:
        """Go on with the round."""
        self._counter = state["counter"]
        self._rows.restore(state["rows"])


@kernel
def _first_of_group(groups: ReadInt64, counts: WriteInt64, every: int, passes: WriteUInt8) -> int:
    """Mark the first of each ``every`` rows of a group; ``counts``: how many of a group's round have come."""
    marked = 0
    for row in range(len(groups)):
        group = groups[row]
        if counts[group] == 0:
            passes[row] = 1
            marked += 1
        counts[group] += 1
        if counts[group] == every:
            counts[group] = 0
    return marked


def _rising(chunks: Chunks) -> Chunks:
    """Numbers from ``chunks`` on, each above the one before."""
    steps = np.arange(len(chunks))
    rising: Chunks = np.maximum.accumulate(chunks - steps) + steps
    return rising


def _renumbered(batch: EventBatch, chunks: Chunks) -> EventBatch:
    return EventBatch(batch.schema, batch.timestamps, batch.columns, batch.kinds, chunks, keys=batch.keys)
