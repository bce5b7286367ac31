"""What a select hands to the rate limit behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from eiha.events.batch import EventBatch
from eiha.events.schema import Schema

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Resets:
    """Resets of batch windows: before which row each stands (``places``), its timestamp and its chunk."""

    places: Numbers
    timestamps: Numbers
    chunks: Numbers


_NONE: Final[Numbers] = np.empty(0, dtype=np.int64)

NO_RESETS: Final = Resets(_NONE, _NONE, _NONE)


@dataclass(frozen=True, slots=True)
class Selected:
    """The rows that a select put out.

    ``groups``: the number of each row's group, below ``group_count``; None without group by. ``resets`` are told of
    where there is no group by and rows do not stand for whole chunks.
    """

    rows: EventBatch
    groups: Numbers | None
    group_count: int
    resets: Resets

    def __bool__(self) -> bool:
        return len(self.rows) > 0 or len(self.resets.places) > 0


NOTHING_SELECTED: Final = Selected(EventBatch(Schema(()), _NONE, ()), None, 1, NO_RESETS)
"""No rows; of no schema, since nobody looks at their columns."""
