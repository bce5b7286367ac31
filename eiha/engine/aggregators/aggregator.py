"""What an aggregator is: rows that add or take away, a running value after each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from eiha.engine.operator import OperatorState
from eiha.events.batch import Kinds
from eiha.events.column import Column, Mask

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Touched:
    """The rows at hand: no timers and resets among them.

    ``groups`` int64[n], all below ``group_count``. ``epochs`` int64[n] is raised by each reset before the row.
    """

    groups: Numbers
    group_count: int
    kinds: Kinds
    epochs: Numbers

    def __len__(self) -> int:
        return len(self.groups)

    def take(self, indices: Numbers) -> Touched:
        """The rows at ``indices``."""
        return Touched(self.groups.take(indices), self.group_count, self.kinds.take(indices), self.epochs.take(indices))


class Aggregator(Protocol):
    """One aggregate of a selector, over all its groups."""

    def update(self, touched: Touched, argument: Column | None) -> Column:
        """The value after each row; ``argument`` None for ``count()`` only."""

    def in_use(self, epoch: int) -> Mask:
        """By group, whether its accumulator is not as it began, seen from ``epoch`` on; False behind the end."""

    def keep(self, groups: Numbers) -> None:
        """Forget all groups but these (rising), which are numbered anew from 0; the others are not in use."""

    def snapshot(self) -> OperatorState:
        """The accumulators."""

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
