"""Remembers where the first row of each key is, for keys that are one string: what the chains find, found at once.

A memory only: what is not in it is searched for and put in. Whoever unlinks rows has their keys forgotten. It takes
eight bytes for each string of the plan.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregators.growth import grown
from eiha.engine.kernels.code_places import places_of_codes
from eiha.events.column import Column, Indices
from eiha.events.strings import StringTable

Longs = npt.NDArray[np.int64]


class FirstPlaces:
    """By string id, the place of the first row that has it, plus one; 0: not known."""

    __slots__ = ("_firsts", "_strings")

    def __init__(self, strings: StringTable) -> None:
        self._strings = strings
        self.clear()

    def clear(self) -> None:
        """Forget all."""
        self._firsts: Longs = np.zeros(64, dtype=np.int64)

    def of(self, keys: Column) -> Indices | None:
        """The place of each key's first row, if all are known; ``keys`` are strings."""
        if keys.valid is not None:
            return None
        self._firsts = grown(self._firsts, len(self._strings))
        found = np.empty(len(keys), dtype=np.int64)
        return None if places_of_codes(keys.values, self._firsts, found) else found

    def note(self, keys: Column, found: Indices) -> None:
        """Remember the first place of each key, which has one."""
        if keys.valid is None:
            self._firsts = grown(self._firsts, len(self._strings))
            self._firsts[keys.values] = found + 1

    def forget(self, codes: Longs) -> None:
        """Rows with these string ids are being unlinked."""
        self._firsts[codes[codes < len(self._firsts)]] = 0
