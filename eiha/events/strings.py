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

    def find(self, text: str) -> int | None:
        """The id of ``text``; None if it was never seen."""
        return self._ids.get(text)

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


class StringOverlay(StringTable):
    """The strings of ``base`` and, beside them, new ones that ``base`` never learns of.

    For whoever looks at a plan from outside: what one node is asked must not change the ids that both give. It is good
    as long as ``base`` gets no new strings.
    """

    __slots__ = ("_base", "_first")

    def __init__(self, base: StringTable) -> None:
        super().__init__()
        self._base = base
        self._first = len(base)

    def __len__(self) -> int:
        return self._first + super().__len__()

    def find(self, text: str) -> int | None:
        """The id of ``text``; None if it was never seen."""
        number = self._base.find(text)
        if number is None:
            number = super().find(text)
            return None if number is None else self._first + number
        return number

    def intern(self, text: str) -> int:
        """The id of ``text``, a new one of the overlay if it was never seen."""
        number = self._base.find(text)
        return self._first + super().intern(text) if number is None else number

    def intern_all(self, texts: Sequence[str]) -> npt.NDArray[np.int32]:
        """The ids of ``texts``, int32, in order."""
        return np.array([self.intern(text) for text in texts], dtype=np.int32)

    def text(self, number: int) -> str:
        """The string with id ``number``."""
        return self._base.text(number) if number < self._first else super().text(number - self._first)

    def texts_of(self, numbers: Iterable[int]) -> tuple[str, ...]:
        """The strings with these ids, in order."""
        return tuple(map(self.text, numbers))

    def texts(self) -> tuple[str, ...]:
        """All strings; the position is the id."""
        return (*self._base.texts(), *super().texts())
