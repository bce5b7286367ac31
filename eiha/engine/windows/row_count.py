"""Rows of which a window knows only how many there are: what is in them is kept elsewhere, or nowhere."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from eiha.engine.operator import OperatorState
from eiha.engine.windows.row_store import RowStore
from eiha.events.column import Column
from eiha.events.schema import Schema


class RowCount(RowStore):
    """A queue of rows that have positions and nothing else, for batch windows whose rows nobody reads."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(Schema(()))

    def append_columns(self, timestamps: npt.NDArray[np.int64], columns: Sequence[Column]) -> int:  # noqa: ARG002
        """Count the rows in; those that wait may move. The position of the first of the new rows."""
        first = self.stop - self.start
        self.start, self.stop = 0, first + len(timestamps)
        return first

    def snapshot(self) -> OperatorState:
        """How many rows wait."""
        return {"count": len(self)}

    def restore(self, state: OperatorState) -> None:
        """Count as many as a snapshot."""
        self.start, self.stop = 0, state["count"]
