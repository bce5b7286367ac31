"""Batch windows for all instances of a partition at once: which rows of which instance go out together.

Of equal moments, that of the instance with the lowest number is the first one.
"""

from __future__ import annotations

from typing import Final, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregators.growth import grown
from eiha.engine.operator import FIRED_CHUNK, OperatorState, RowClock
from eiha.engine.partitions.batch_kernels import (
    NO_TIME,
    end_external_periods,
    end_next_period,
    end_periods,
    fill_batches,
    rebuild_alarms,
)
from eiha.engine.partitions.held_rows import HeldRows
from eiha.events.batch import EventBatch
from eiha.events.schema import Schema

Longs = npt.NDArray[np.int64]

_ALARMS_MIN: Final = 16


class KeyedTurns:
    """Batches that go out: slots of all their rows, one batch after the other; by batch the end, chunk and instance.

    A kernel fills the arrays from the front.
    """

    __slots__ = ("chunks", "ends", "keys", "slots")

    def __init__(self, rows: int, batches: int) -> None:
        self.slots: Longs = np.empty(rows, dtype=np.int64)
        self.ends: Longs = np.empty(batches, dtype=np.int64)
        self.chunks: Longs = np.empty(batches, dtype=np.int64)
        self.keys: Longs = np.empty(batches, dtype=np.int64)

    def cut(self, batches: int) -> KeyedTurns:
        """The first ``batches`` of them, with their rows."""
        self.ends, self.chunks, self.keys = self.ends[:batches], self.chunks[:batches], self.keys[:batches]
        self.slots = self.slots[: int(self.ends[-1]) if batches else 0]
        return self


class KeyedBatches(Protocol):
    """A batch window over the rows of each instance; rows that went out leave their chains, and no others see them."""

    held: HeldRows

    def turn(self, batch: EventBatch, clock: RowClock) -> KeyedTurns:
        """The batches that go out while the rows come in; without rows those that do by the ticks."""

    def fire(self, now_ms: int) -> KeyedTurns:
        """What the earliest timer puts out."""

    def next_timer_ms(self) -> int | None:
        """The earliest timer of any instance."""

    def forget(self, instances: Longs) -> None:
        """See ``Forgetful``."""

    def snapshot(self) -> OperatorState:
        """The rows held and where the periods stand."""

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""


@runtime_checkable
class BeginsWithInstance(Protocol):
    """What must know when an instance begins, be it by a row for another query."""

    def begin(self, instances: Longs) -> None:
        """New ``instances`` have come, before their rows."""


class KeyedLengthBatch:
    """``lengthBatch(n)``, n above 0."""

    __slots__ = ("_length", "held")

    def __init__(self, schema: Schema, length: int) -> None:
        assert length > 0
        self._length = length
        self.held = HeldRows(schema)

    def turn(self, batch: EventBatch, clock: RowClock) -> KeyedTurns:  # noqa: ARG002 - time does not matter
        """See ``KeyedBatches``."""
        assert batch.keys is not None
        slots = self.held.claim(batch)
        chains = self.held.chains
        rows = self.held.count + len(batch)
        turns = KeyedTurns(rows, rows // self._length)
        return turns.cut(
            fill_batches(
                batch.keys, slots, batch.chunk_numbers(), self._length,
                chains.heads, chains.tails, chains.counts, chains.following,
                turns.slots, turns.ends, turns.chunks, turns.keys,
            )
        )  # fmt: skip

    def fire(self, now_ms: int) -> KeyedTurns:
        """Never called."""
        raise AssertionError(now_ms)

    def next_timer_ms(self) -> int | None:
        """Never."""
        return None

    def forget(self, instances: Longs) -> None:
        """See ``Forgetful``."""
        self.held.chains.forget(instances)

    def snapshot(self) -> OperatorState:
        """The rows held."""
        return {"held": self.held.snapshot()}

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self.held.restore(state["held"])


class KeyedTimeBatch:
    """``timeBatch(t[, start.time])``. The periods of an instance begin with its first row; those in which it holds
    nothing end unseen.

    Args:
        schema: of the rows.
        length_ms: length of a period, above 0.
        start_ms: where periods are counted from; None: the first row.
    """

    __slots__ = ("_alarm_dues", "_alarm_keys", "_alarms", "_ends_ms", "_length_ms", "_start_ms", "held")

    def __init__(self, schema: Schema, length_ms: int, start_ms: int | None) -> None:
        assert length_ms > 0
        self._length_ms = length_ms
        self._start_ms = NO_TIME if start_ms is None else start_ms
        self.held = HeldRows(schema)
        self._ends_ms: Longs = np.full(_ALARMS_MIN, NO_TIME, dtype=np.int64)  # of the period that runs, by instance
        # a heap of (end, instance); those that are not the end of the instance's period any more are passed over
        self._alarm_dues: Longs = np.zeros(_ALARMS_MIN, dtype=np.int64)
        self._alarm_keys: Longs = np.zeros(_ALARMS_MIN, dtype=np.int64)
        self._alarms = 0

    def turn(self, batch: EventBatch, clock: RowClock) -> KeyedTurns:
        """See ``KeyedBatches``."""
        slots = self.held.claim(batch)
        chains = self.held.chains
        self._ends_ms = grown(self._ends_ms, chains.instances, NO_TIME)
        self._reserve_alarms(self._alarms + len(batch))
        rows = self.held.count + len(batch)
        turns = KeyedTurns(rows, rows)
        batches, self._alarms = end_periods(
            batch.keys if batch.keys is not None else slots, slots, clock.now_ms, batch.chunk_numbers(), clock.ticks_ms,
            self._length_ms, self._start_ms, self._ends_ms, self._alarm_dues, self._alarm_keys, self._alarms,
            chains.heads, chains.tails, chains.counts, chains.following,
            turns.slots, turns.ends, turns.chunks, turns.keys,
        )  # fmt: skip
        return turns.cut(batches)

    def _reserve_alarms(self, count: int) -> None:
        self._alarm_dues = grown(self._alarm_dues, count)
        self._alarm_keys = grown(self._alarm_keys, count)

    def fire(self, now_ms: int) -> KeyedTurns:
        """See ``KeyedBatches``."""
        chains = self.held.chains
        assert self._alarms and self._alarm_dues[0] <= now_ms
        turns = KeyedTurns(int(chains.counts[self._alarm_keys[0]]), 1)
        self._alarms = end_next_period(
            self._length_ms, self._ends_ms, self._alarm_dues, self._alarm_keys, self._alarms, FIRED_CHUNK,
            chains.heads, chains.counts, chains.following, turns.slots, turns.ends, turns.chunks, turns.keys,
        )  # fmt: skip
        return turns

    def next_timer_ms(self) -> int | None:
        """The earliest end of a period in which rows are held."""
        return int(self._alarm_dues[0]) if self._alarms else None

    def forget(self, instances: Longs) -> None:
        """See ``Forgetful``. None of them has an alarm: what waits for moments is not run together with a purge."""
        self.held.chains.forget(instances)
        self._ends_ms[instances[instances < len(self._ends_ms)]] = NO_TIME

    def snapshot(self) -> OperatorState:
        """The rows held and the ends of the periods, by instance."""
        return {"held": self.held.snapshot(), "ends_ms": self._ends_ms[: self.held.chains.instances]}

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self.held.restore(state["held"])
        self._ends_ms = np.array(state["ends_ms"], dtype=np.int64)
        self._reserve_alarms(len(self._ends_ms))
        counts = self.held.chains.counts
        self._alarms = rebuild_alarms(self._ends_ms, counts, self._alarm_dues, self._alarm_keys)


class KeyedExternalTimeBatch:
    """``externalTimeBatch(timestamp, t[, start])``: the rows of a period go out when one of a later period comes.

    Args:
        schema: of the rows.
        attribute: position of the timestamp; rows without one are left out.
        length_ms: length of a period, above 0.
        start: where periods are counted from: the time, or the position of an attribute (``start_attribute``); neither:
            the first row.
        start_attribute: see there.
    """

    __slots__ = (
        "_attribute", "_ends_ms", "_highest_ms", "_is_aligned", "_length_ms", "_start_attribute", "_start_ms",
        "_starts_ms", "held", "refused",
    )  # fmt: skip

    def __init__(
        self, schema: Schema, attribute: int, length_ms: int, start: int | None, start_attribute: int | None
    ) -> None:
        assert length_ms > 0
        self._attribute = attribute
        self._length_ms = length_ms
        self._is_aligned = start is not None
        self._start_ms = 0 if start is None else start
        self._start_attribute = attribute if start_attribute is None else start_attribute
        self.held = HeldRows(schema)
        self.refused = 0
        self._ends_ms: Longs = np.full(_ALARMS_MIN, NO_TIME, dtype=np.int64)
        self._starts_ms: Longs = np.full(_ALARMS_MIN, NO_TIME, dtype=np.int64)
        self._highest_ms: Longs = np.zeros(_ALARMS_MIN, dtype=np.int64)

    def turn(self, batch: EventBatch, clock: RowClock) -> KeyedTurns:  # noqa: ARG002 - rows bring their time
        """See ``KeyedBatches``."""
        valid = batch.columns[self._attribute].valid
        if valid is not None:
            rows = np.flatnonzero(valid)
            self.refused += len(batch) - len(rows)
            batch = batch.take(rows)
        assert batch.keys is not None
        slots = self.held.claim(batch)
        chains = self.held.chains
        self._ends_ms = grown(self._ends_ms, chains.instances, NO_TIME)
        self._starts_ms = grown(self._starts_ms, chains.instances, NO_TIME)
        self._highest_ms = grown(self._highest_ms, chains.instances)
        most = self.held.count + len(batch)
        turns = KeyedTurns(most, len(batch))
        return turns.cut(
            end_external_periods(
                batch.keys, slots, batch.columns[self._attribute].values, self._starts(batch), batch.chunk_numbers(),
                self._length_ms, self._is_aligned, self._ends_ms, self._starts_ms, self._highest_ms,
                chains.heads, chains.tails, chains.counts, chains.following,
                turns.slots, turns.ends, turns.chunks, turns.keys,
            )
        )  # fmt: skip

    def _starts(self, batch: EventBatch) -> Longs:
        """For each row where the periods of its instance begin if it is the first one."""
        if self._is_aligned:
            return np.full(len(batch), self._start_ms, dtype=np.int64)
        times: Longs = batch.columns[self._attribute].values
        named = batch.columns[self._start_attribute]
        return named.values if named.valid is None else np.where(named.valid, named.values, times)

    def fire(self, now_ms: int) -> KeyedTurns:
        """Never called."""
        raise AssertionError(now_ms)

    def next_timer_ms(self) -> int | None:
        """Never: there is no timeout."""
        return None

    def forget(self, instances: Longs) -> None:
        """See ``Forgetful``."""
        self.held.chains.forget(instances)
        known = instances[instances < len(self._ends_ms)]
        self._ends_ms[known] = NO_TIME
        self._starts_ms[known] = NO_TIME
        self._highest_ms[known] = 0

    def snapshot(self) -> OperatorState:
        """The rows held and where the periods stand, by instance."""
        count = self.held.chains.instances
        return {
            "held": self.held.snapshot(),
            "ends_ms": self._ends_ms[:count],
            "starts_ms": self._starts_ms[:count],
            "highest_ms": self._highest_ms[:count],
            "refused": self.refused,
        }

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self.held.restore(state["held"])
        self._ends_ms = np.array(state["ends_ms"], dtype=np.int64)
        self._starts_ms = np.array(state["starts_ms"], dtype=np.int64)
        self._highest_ms = np.array(state["highest_ms"], dtype=np.int64)
        self.refused = state["refused"]
