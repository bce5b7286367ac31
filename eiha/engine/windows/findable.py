"""What joins, named windows and on-demand queries ask of a window: the rows that it holds."""

from __future__ import annotations

from typing import Protocol

from eiha.engine.operator import Operator
from eiha.events.batch import EventBatch


class FindableWindow(Operator, Protocol):
    """A window that can be asked what is in it."""

    def content(self) -> EventBatch:
        """The rows held, in the order in which a search walks them; each a chunk, with the time at which it came.

        A sliding window holds what it will let leave, a batch window the batch that it put out last (if it was made
        with ``wants_expired``; with the flag to put current rows out at once: those of the batch that runs). The
        columns may be views, good until the window's next call.
        """
