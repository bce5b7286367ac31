"""Strings as numbers: one id space per plan, ids given in log order, so equal on both nodes.

Ids that nothing holds are forgotten at positions of the log (``engine.string_sweep``) and then given again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

SWEEP_MIN: Final = 1 << 18
"""So many new strings come at least before it is looked which ones nothing holds any more."""

_WEIGHT_PER_STRING: Final = 8
"""So much state is looked through at most for each new string: sweeps cost a bounded time per string."""


class StringView:
    """Strings by their ids, as they were when the view was taken: what is forgotten later stays readable here."""

    __slots__ = ("_texts",)

    def __init__(self, texts: list[str]) -> None:
        self._texts = texts

    def __len__(self) -> int:
        return len(self._texts)

    def text(self, number: int) -> str:
        """The string with id ``number``."""
        return self._texts[number]

    def texts_of(self, numbers: Iterable[int]) -> tuple[str, ...]:
        """The strings with these ids, in order."""
        return tuple(map(self._texts.__getitem__, numbers))

    def texts(self) -> tuple[str, ...]:
        """All strings; the position is the id. The empty string stands where an id was forgotten."""
        return tuple(self._texts)


class StringTable(StringView):
    """Interned strings. Equal strings have equal ids; new ones get the smallest that is free.

    Not thread-safe: it belongs to the thread that applies the log.

    Args:
        texts: strings with the ids 0, 1, ...
    """

    __slots__ = ("_free", "_ids", "_limit")

    def __init__(self, texts: Iterable[str] = ()) -> None:
        super().__init__(list(texts))
        self._ids: dict[str, int] = {text: index for index, text in enumerate(self._texts)}
        self._free: list[int] = []  # the smallest one last
        self._limit = len(self._texts) + SWEEP_MIN
        assert len(self._ids) == len(self._texts)

    @property
    def count(self) -> int:
        """How many strings there are."""
        return len(self._texts) - len(self._free)

    @property
    def is_sweep_due(self) -> bool:
        """Whether so many strings came that it is time to look which ones nothing holds."""
        return self.count >= self._limit

    def view(self) -> StringView:
        """For readers who may come when ids have been forgotten."""
        return StringView(self._texts)

    def find(self, text: str) -> int | None:
        """The id of ``text``; None if there is none."""
        return self._ids.get(text)

    def intern(self, text: str) -> int:
        """The id of ``text``, a new one if there is none."""
        number = self._ids.get(text)
        if number is None:
            if self._free:
                number = self._free.pop()
                self._texts[number] = text
            else:
                number = len(self._texts)
                self._texts.append(text)
            self._ids[text] = number
        return number

    def intern_all(self, texts: Sequence[str]) -> npt.NDArray[np.int32]:
        """The ids of ``texts``, int32, in order."""
        numbers = list(map(self._ids.get, texts))
        if None in numbers:
            numbers = [self.intern(text) for text in texts]
        return np.array(numbers, dtype=np.int32)

    def forget_all_but(self, held: npt.NDArray[np.bool_], weight: int) -> None:
        """Forget the ids that are not ``held`` (bool, by id).

        Views that were taken before keep all they had. ``weight``: how much state was looked through; the more, the
        later the next time.
        """
        assert len(held) == len(self._texts)
        kept = held.copy()
        kept[self._free] = False
        living = np.flatnonzero(kept)
        end = int(living[-1]) + 1 if len(living) else 0
        texts = self._texts
        self._texts = [""] * end
        self._ids = {}
        for number in living.tolist():
            text = texts[number]
            self._texts[number] = text
            self._ids[text] = number
        self._free = np.flatnonzero(~kept[:end])[::-1].tolist()
        self._limit = len(living) + max(SWEEP_MIN, len(living), weight // _WEIGHT_PER_STRING)

    def copied(self) -> StringTable:
        """Another table with the same ids."""
        return StringTable.restored(self.snapshot())

    def snapshot(self) -> dict[str, Any]:
        """All strings, which ids are free, and when to look next."""
        return {
            "texts": list(self._texts),
            "free": np.array(self._free, dtype=np.int64),
            "limit": self._limit,
        }

    @classmethod
    def restored(cls, state: dict[str, Any]) -> StringTable:
        """The table of a snapshot."""
        table = cls()
        table._texts = list(state["texts"])
        table._free = state["free"].tolist()
        table._limit = state["limit"]
        free = set(table._free)
        table._ids = {text: number for number, text in enumerate(table._texts) if number not in free}
        if len(table._ids) != table.count:
            raise ValueError("strings of a snapshot stand twice in it")
        return table


class StringOverlay(StringTable):
    """The strings of ``base`` and, beside them, new ones that ``base`` never learns of.

    For whoever looks at a plan from outside: what one node is asked must not change the ids that both give. Interning
    is good as long as ``base`` gets no new strings and forgets none, reading for ever.
    """

    __slots__ = ("_base", "_below", "_first")

    def __init__(self, base: StringTable) -> None:
        super().__init__()
        self._base = base
        self._below = base.view()
        self._first = len(base)

    def __len__(self) -> int:
        return self._first + super().__len__()

    def view(self) -> StringView:
        """Itself."""
        return self

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
        return self._below.text(number) if number < self._first else super().text(number - self._first)

    def texts_of(self, numbers: Iterable[int]) -> tuple[str, ...]:
        """The strings with these ids, in order."""
        return tuple(map(self.text, numbers))

    def texts(self) -> tuple[str, ...]:
        """All strings; the position is the id."""
        return (*self._below.texts()[: self._first], *super().texts())
