"""Where rows enter a partition: they get the slots of the instances in which they live."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

import numpy as np

from eiha.engine.chunk_clock import ChunkClock
from eiha.engine.expressions.rows import Scope
from eiha.engine.operator import OperatorState, RowClock
from eiha.engine.operators.stateless import rows_of
from eiha.engine.partitions.instances import Instances, Numbers
from eiha.engine.partitions.keys import KeyReader, make_reader
from eiha.events.batch import EventBatch
from eiha.plan.nodes import Partition


class Member(Protocol):
    """A query of the partition, told of instances that come and go."""

    def begin(self, instances: Numbers, now_ms: int) -> None:
        """These instances are new."""

    def forget(self, instances: Numbers) -> None:
        """These instances are gone, with all of their state."""


class Gate:
    """The entry of one partition; see ``PartitionGate``.

    Args:
        partition: as bound.
        scope: strings and names.
        instances: of this partition.
        members: its queries.
        forgets_as_rows_come: what is idle for too long is forgotten here, when rows come next; else by a timer of a
            member. That can be told apart by nobody but who looks at memory.
    """

    __slots__ = ("_forgets", "_instances", "_members", "_readers")

    def __init__(
        self,
        partition: Partition,
        scope: Scope,
        instances: Instances,
        members: tuple[Member, ...],
        *,
        forgets_as_rows_come: bool = False,
    ) -> None:
        self._readers: Mapping[str, KeyReader] = {key.stream: make_reader(key, scope) for key in partition.keys}
        self._instances = instances
        self._members = members
        self._forgets = forgets_as_rows_come

    def enter(self, stream: str, batch: EventBatch, clock: ChunkClock, *, apart: bool = False) -> EventBatch:
        """The same rows with ``keys``: left out where there is no key, repeated where there are several.

        ``apart``: each row is a chunk, and its copies become chunks of their own.
        """
        reader = self._readers.get(stream)
        row_clock = clock.of(batch)
        if self._forgets and (gone := self._instances.purge_seen()):
            slots = np.array(gone, dtype=np.int64)
            for member in self._members:
                member.forget(slots)
        if reader is None:
            return self._to_all(batch, row_clock)
        kept, texts = reader.read(rows_of(batch, row_clock))
        now_ms = row_clock.now_ms if kept is None else row_clock.now_ms.take(kept)
        numbers, fresh = self._instances.find(texts, now_ms)
        if len(fresh):
            for member in self._members:
                member.begin(fresh, int(now_ms[-1]))
        entered = batch if kept is None or _is_all(kept, len(batch)) else batch.take(kept)
        if apart and reader.copies and kept is not None and len(kept):
            begins = np.searchsorted(kept, kept)  # of each copy, where those of its row begin
            entered = replace(entered, chunks=entered.chunk_numbers() + (np.arange(len(kept)) - begins))
        return replace(entered, keys=numbers)

    def _to_all(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        """A whole chunk for each instance in turn."""
        living = self._instances.living(int(clock.now_ms[-1]) if len(batch) else None)
        rows = np.tile(np.arange(len(batch)), len(living))
        return replace(batch.take(rows), keys=np.repeat(living, len(batch)))

    def snapshot(self) -> OperatorState:
        """The instances known."""
        return self._instances.snapshot()

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self._instances.restore(state)


def _is_all(kept: Numbers, rows: int) -> bool:
    return len(kept) == rows and (rows == 0 or bool((kept == np.arange(rows)).all()))
