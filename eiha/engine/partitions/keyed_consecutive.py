"""Sequences of rows in a row for all instances of a partition at once: see ``patterns.consecutive``.

The rows of a batch are put instance by instance, each behind the last ones of its instance that are remembered; then
neighbours are tried as ever, as long as they belong to one instance.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from eiha.engine.operator import OperatorState, RowClock, Untimed
from eiha.engine.partitions.held_rows import HeldRows
from eiha.engine.partitions.slot_rows import SlotColumn, Slots, walk_chains
from eiha.engine.patterns.consecutive import ConsecutiveProgram, matches_of, numbers_apart, those_in_a_row
from eiha.events.batch import EventBatch
from eiha.events.column import concatenate

Longs = npt.NDArray[np.int64]

_SHORT_KEYS: Final = 1 << 16
"""Numbers below it are sorted as 16 bits, which NumPy does in a third of the time."""


class KeyedConsecutive(Untimed):
    """See ``PatternStage``. Remembers of each instance the last rows, one fewer than a match has.

    Args:
        program: of a sequence of two rows or more.
    """

    __slots__ = ("_clocks", "_held", "_program")

    def __init__(self, program: ConsecutiveProgram) -> None:
        assert program.steps > 1
        self._program = program
        self._held = HeldRows(program.row_schema)
        self._clocks = SlotColumn(np.int64)

    def receive(self, stream: str, batch: EventBatch, clock: RowClock) -> EventBatch:  # noqa: ARG002 - there is one
        """The matches that the rows complete."""
        program, keys = self._program, batch.keys
        assert keys is not None and len(keys)
        self._held.chains.reserve(int(keys.max()) + 1)
        present, before = self._before(keys)
        held = self._held.rows(before)
        owners = np.concatenate([present, keys])
        short = owners.astype(np.uint16) if int(owners.max()) < _SHORT_KEYS else owners
        order = np.argsort(short, kind="stable")
        owners = owners.take(order)
        columns = tuple(
            concatenate([old, new]).take(order) for old, new in zip(held.columns, batch.columns, strict=True)
        )
        timestamps = np.concatenate([held.timestamps, batch.timestamps]).take(order)
        now_ms = np.concatenate([self._clocks.values.take(before), clock.now_ms]).take(order)
        self._remember(keys, batch, clock)
        last = program.steps - 1
        first = np.arange(max(0, len(order) - last), dtype=np.int64)
        first = first[(owners[first] == owners[first + last]) & (order[first + last] >= len(before))]
        ends = those_in_a_row(program, first, columns, timestamps, now_ms)
        rows = order.take(ends) - len(before)  # of the batch, with which the matches end
        by_row = np.argsort(rows)
        chunks = batch.chunk_numbers().take(rows.take(by_row))
        chunks = numbers_apart(chunks) if batch.chunks is not None else chunks
        return matches_of(program, columns, timestamps, ends.take(by_row), chunks)

    def _before(self, keys: Longs) -> tuple[Longs, Slots]:
        """The rows remembered of the instances in ``keys``: for each its instance, and its slot."""
        chains = self._held.chains
        is_here = np.zeros(chains.instances, dtype=np.bool_)
        is_here[keys] = True
        here = np.flatnonzero(is_here)
        counts = chains.counts.take(here)
        slots = np.empty(int(counts.sum()), dtype=np.int64)
        walk_chains(chains.heads.take(here), counts, chains.following, slots)
        return here.repeat(counts), slots

    def _remember(self, keys: Longs, batch: EventBatch, clock: RowClock) -> None:
        slots = self._held.claim(batch)
        self._clocks.reserve(self._held.chains.room)
        self._clocks.values[slots] = clock.now_ms
        chains = self._held.chains
        chains.release(chains.slide_claimed(keys, slots, self._program.steps - 1).left)

    def forget(self, instances: Slots) -> None:
        """See ``Forgetful``."""
        self._held.chains.forget(instances)

    def snapshot(self) -> OperatorState:
        """The last rows, instance by instance."""
        return {"held": self._held.snapshot(), "clocks": self._clocks.values.take(self._held.chains.in_order())}

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self._held.restore(state["held"])
        self._clocks.restore({"values": state["clocks"], "valid": np.ones(len(state["clocks"]), dtype=np.bool_)})
