"""The hashes of keys as Java's hash tables use them, by the ids of the keys' texts: each is computed once."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregators.growth import grown
from eiha.engine.windows.java_hash_table import spread_hash, spread_value_hash
from eiha.events.schema import AttributeType
from eiha.events.strings import StringTable

Longs = npt.NDArray[np.int64]

_UNKNOWN: Final = -1


class KeyHashes:
    """An array with a place for each string of the plan; hashes of keys are never negative."""

    __slots__ = ("_by_id", "_strings")

    def __init__(self, strings: StringTable) -> None:
        self._strings = strings
        self._by_id: Longs = np.empty(0, dtype=np.int64)

    def of_texts(self, ids: Longs) -> Longs:
        """By id, the hashes of texts; those of ``ids`` are known."""
        return self.of_values(ids, AttributeType.STRING)

    def of_values(self, ids: Longs, type_: AttributeType) -> Longs:
        """By id, the hashes of the values of ``type_`` whose texts these are; always of the same type."""
        self._by_id = grown(self._by_id, len(self._strings), _UNKNOWN)
        unknown = ids[self._by_id.take(ids) == _UNKNOWN]
        if len(unknown):
            distinct = np.unique(unknown).tolist()
            texts = self._strings.texts_of(distinct)
            if type_ is AttributeType.STRING:
                self._by_id[distinct] = [spread_hash(text) for text in texts]
            else:
                self._by_id[distinct] = [spread_value_hash(type_, text) for text in texts]
        return self._by_id
