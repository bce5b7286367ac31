"""The keys that ``frequent`` and ``lossyFrequent`` count: the text of some attributes, as string ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregators.growth import grown
from eiha.engine.expressions.conversion import to_text
from eiha.engine.operator import OperatorState
from eiha.engine.windows.java_hash_table import TABLE_MIN
from eiha.engine.windows.key_hashes import KeyHashes
from eiha.events.column import Column
from eiha.events.schema import AttributeType
from eiha.events.strings import StringTable

Longs = npt.NDArray[np.int64]

_NOWHERE: Final = -1
_ARRAYS = ("keys", "hashes", "counts", "buckets", "positions", "order")


class CountedKeys:
    """Held keys in slots from 0: id of the key's text, its hash, two numbers, the position of its latest row, its
    place among the keys of its bin. A slot is good until a key is forgotten.

    ``slots`` says for each id of a text in which slot it is, -1 in none. ``table`` is how many bins Java's table has,
    ``came`` numbers the keys as they come. ``work`` and ``ranks`` are room for a kernel.
    """

    __slots__ = (
        "_id_hashes", "_strings", "buckets", "came", "counts", "hashes", "keys", "order", "positions", "ranks", "size",
        "slots", "table", "work",
    )  # fmt: skip

    def __init__(self, strings: StringTable) -> None:
        self._strings = strings
        self._id_hashes = KeyHashes(strings)
        self.size = 0
        self.table = TABLE_MIN
        self.came = 0
        self._make(0)
        self.slots: Longs = np.empty(0, dtype=np.int64)

    def _make(self, capacity: int) -> None:
        def zeros() -> Longs:
            return np.zeros(capacity, dtype=np.int64)

        self.keys, self.hashes, self.counts, self.buckets = zeros(), zeros(), zeros(), zeros()
        self.positions, self.order, self.work, self.ranks = zeros(), zeros(), zeros(), zeros()

    def begin(self, ids: Longs, most: int) -> Longs:
        """Make room for the keys ``ids``, of which ``most`` are held at most; the hashes of all texts by id."""
        self._make_room(min(most, self.size + len(ids)))
        self.slots = grown(self.slots, len(self._strings), _NOWHERE)
        return self._id_hashes.of_texts(ids)

    def listed(self) -> Longs:
        """The slots in the order in which Java's table lists them."""
        bins = self.hashes[: self.size] & (self.table - 1)
        return np.lexsort((self.order[: self.size], bins))

    def snapshot(self) -> OperatorState:
        """The keys, as they are listed; positions are counted in order of arrival."""
        listed = self.listed()
        state: dict[str, Any] = {name: getattr(self, name)[: self.size].take(listed) for name in _ARRAYS}
        state["positions"] = np.argsort(np.argsort(state["positions"]))
        return {**state, "table": self.table, "came": self.came}

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self.size = len(state["keys"])
        self._make(self.size)
        for name in _ARRAYS:
            getattr(self, name)[:] = state[name]
        self.table, self.came = state["table"], state["came"]
        self.slots = np.full(len(self._strings), _NOWHERE, dtype=np.int64)
        self.slots[self.keys[: self.size]] = np.arange(self.size)

    def _make_room(self, most: int) -> None:
        if most <= len(self.keys):
            return
        held = {name: getattr(self, name)[: self.size] for name in _ARRAYS}
        self._make(2 * most)
        for name, values in held.items():
            getattr(self, name)[: self.size] = values


def key_ids(columns: Sequence[Column], strings: StringTable) -> Longs:
    """For each row the id of the texts of ``columns``, one behind the other; a null's text is null."""
    texts = [_null_as_text(to_text(column, strings), strings) for column in columns]
    if len(texts) == 1:
        return texts[0].astype(np.int64)
    together = np.stack(texts)
    distinct, places = np.unique(together, axis=1, return_inverse=True)
    joined = ["".join(strings.texts_of(column)) for column in distinct.T.tolist()]
    return strings.intern_all(joined).astype(np.int64).take(places.reshape(-1))


def _null_as_text(column: Column, strings: StringTable) -> npt.NDArray[np.int32]:
    assert column.type is AttributeType.STRING
    if column.valid is None:
        return np.asarray(column.values, dtype=np.int32)
    return np.where(column.valid, column.values, np.int32(strings.intern("null")))
