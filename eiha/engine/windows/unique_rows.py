"""What batches with one row for each key hold: the rows, and the arrays that ``unique_batch_kernels`` works on."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregators.growth import grown
from eiha.engine.operator import OperatorState
from eiha.engine.windows.counted_keys import key_ids
from eiha.engine.windows.emission import Emission
from eiha.engine.windows.key_hashes import KeyHashes
from eiha.engine.windows.row_store import RowStore
from eiha.engine.windows.unique_batch_kernels import CLOCK, COUNTERS, END, FILLED, HIGHEST, IS_OVER, MOST, NO_END, SENT
from eiha.engine.windows.unique_batch_kernels import START as PERIODS_FROM
from eiha.events.batch import EventBatch
from eiha.events.schema import AttributeType, Schema
from eiha.events.strings import StringTable

Longs = npt.NDArray[np.int64]

_GARBAGE_MIN: Final = 256
_SAVED: Final = (
    ("end_ms", END),
    ("is_over", IS_OVER),
    ("most", MOST),
    ("clock_ms", CLOCK),
    ("start_ms", PERIODS_FROM),
    ("highest_ms", HIGHEST),
)


class UniqueRows:
    """Rows by position in a store, of which those of two batches count; the others are garbage.

    Args:
        schema: of the rows.
        key: position of the key.
        strings: of the plan.
        by_text: whether keys are listed by the hashes of their texts, instead of their own.
    """

    __slots__ = (
        "_hashes", "_key", "_schema", "_strings", "_type", "counters", "ids", "order", "place_of", "rows", "sent",
        "store",
    )  # fmt: skip

    def __init__(self, schema: Schema, key: int, strings: StringTable, *, by_text: bool = False) -> None:
        self._type = AttributeType.STRING if by_text else schema.attributes[key].type
        self._schema = schema
        self._key = key
        self._strings = strings
        self._hashes = KeyHashes(strings)
        self.store = RowStore(schema)
        self._clear()

    def _clear(self) -> None:
        self.ids, self.rows, self.order, self.sent, self.place_of = (np.zeros(0, dtype=np.int64) for _ in range(5))
        self.counters: Longs = np.zeros(COUNTERS, dtype=np.int64)
        self.counters[[END, CLOCK]] = NO_END

    def add(self, batch: EventBatch) -> tuple[int, Longs, Longs]:
        """Append the rows; the position of the first one, the ids of their keys, and hashes by id."""
        if not len(batch):
            return self.store.stop, self.ids[:0], self.hashes(self.ids[:0])
        first = self.store.append(batch)
        keys = key_ids([batch.columns[self._key]], self._strings)
        room = int(self.counters[FILLED]) + len(batch)
        self.ids, self.rows = grown(self.ids, room), grown(self.rows, room)
        self.order, self.sent = grown(self.order, room), grown(self.sent, room)
        self.place_of = grown(self.place_of, len(self._strings))
        return first, keys, self.hashes(keys)

    def hashes(self, keys: Longs) -> Longs:
        """The hashes by id, those of ``keys`` among them."""
        return self._hashes.of_values(keys, self._type)

    def emission(self, new: int) -> Emission:
        """Room for what ``new`` rows may put out: what is held and they themselves, as current and as expired rows."""
        return Emission(3 * (int(self.counters[FILLED]) + new) + int(self.counters[SENT]))

    def put_out(self, emission: Emission, rows: int) -> EventBatch:
        """The rows; then those that nobody needs any longer are dropped if they are most of the store."""
        store = self.store
        out = emission.batch(rows, self._schema, store, collapses=True)
        held = int(self.counters[FILLED] + self.counters[SENT])
        if not held:
            store.drop(len(store))
        elif store.stop > 2 * held + _GARBAGE_MIN:
            order = np.sort(self._positions())
            store.keep(order)
            filled, sent = self._filled(), self._sent()
            filled[:] = np.searchsorted(order, filled)
            sent[:] = np.searchsorted(order, sent)
        return out

    def content(self, *, filling: bool) -> EventBatch:
        """The rows of the batch that is filling, or of the one that was put out last."""
        return self.store.gathered(self._filled() if filling else self._sent())

    def snapshot(self) -> OperatorState:
        """The rows held, as they came, and both batches."""
        held = np.sort(self._positions())
        store = RowStore(self._schema)
        store.append(self.store.gathered(held))
        return {
            "rows": store.snapshot(),
            "keys": self.ids[: self.counters[FILLED]].copy(),
            "filled": np.searchsorted(held, self._filled()),
            "sent": np.searchsorted(held, self._sent()),
            **{name: int(self.counters[place]) for name, place in _SAVED},
        }

    def restore(self, state: OperatorState) -> None:
        """Hold the rows of a snapshot."""
        self.store.restore(state["rows"])
        self._clear()
        self.counters[FILLED], self.counters[SENT] = len(state["filled"]), len(state["sent"])
        for name, place in _SAVED:
            self.counters[place] = state[name]
        self.ids, self.rows, self.sent = (np.array(state[name]) for name in ("keys", "filled", "sent"))
        self.order, self.sent = np.zeros(len(self.ids), dtype=np.int64), grown(self.sent, len(self.ids))
        self.place_of = grown(self.place_of, len(self._strings))
        self.place_of[self.ids] = np.arange(1, len(self.ids) + 1)
        self.hashes(self.ids)

    def _filled(self) -> Longs:
        return self.rows[: self.counters[FILLED]]

    def _sent(self) -> Longs:
        return self.sent[: self.counters[SENT]]

    def _positions(self) -> Longs:
        return np.concatenate((self._filled(), self._sent()))
