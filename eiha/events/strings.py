"""Strings as numbers: one id space per plan, ids given in log order, so equal on both nodes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt


class StringTable:
    """Interned strings. Equal strings have equal ids; ids count up from 0 in the order of first sight.

    Not thread-safe: it belongs to the thread that applies the log.
    """

    __slots__ = ("_ids", "_texts")

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._texts: list[str] = list(texts)
        self._ids: dict[str, int] = {text: index for index, text in enumerate(self._texts)}
        assert len(self._ids) == len(self._texts)

    def __len__(self) -> int:
        return len(self._texts)

    def intern(self, text: str) -> int:
        """The id of ``text``, a new one if it was never seen."""
        number = self._ids.get(text)
        if number is None:
            number = self._ids[text] = len(self._texts)
            self._texts.append(text)
        return number

    def intern_all(self, texts: Sequence[str]) -> npt.NDArray[np.int32]:
        """The ids of ``texts``, int32, in order."""
        numbers = list(map(self._ids.get, texts))
        if None in numbers:
            numbers = [self.intern(text) for text in texts]
        return np.array(numbers, dtype=np.int32)

    def text(self, number: int) -> str:
        """The string with id ``number``."""
        return self._texts[number]

    def texts_of(self, numbers: Iterable[int]) -> tuple[str, ...]:
        """The strings with these ids, in order."""
        return tuple(map(self._texts.__getitem__, numbers))

    def texts(self) -> tuple[str, ...]:
        """All strings; the position is the id."""
        return tuple(self._texts)
