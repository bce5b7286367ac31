"""What came of the events that were acknowledged: counted, not judged, so that algorithms can be compared."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields

EventId = tuple[str, int]
"""A client and the number of its publication."""


@dataclass(frozen=True, slots=True)
class Losses:
    """Counts of publications of one run or of many.

    ``acknowledged``: the client was told that all is well. ``events_*``: rows of the event store. ``outputs_*``: rows
    of the processed-data store. ``two_actives_ms``: how long two nodes published. ``runs_with_wrong_state``: the sums
    of the node that is active in the end are not those of the events acknowledged.
    """

    runs: int = 0
    acknowledged: int = 0
    events_lost: int = 0
    events_doubled: int = 0
    outputs_lost: int = 0
    outputs_doubled: int = 0
    two_actives_ms: int = 0
    runs_with_wrong_state: int = 0

    def __add__(self, other: Losses) -> Losses:
        return Losses(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(Losses)))


def counted(
    acknowledged: set[EventId],
    events: Counter[EventId],
    outputs: Counter[EventId],
    *,
    two_actives_ms: int = 0,
    has_wrong_state: bool = False,
) -> Losses:
    """One run: how often each publication stands in each store. What was never acknowledged is nobody's loss."""
    return Losses(
        runs=1,
        acknowledged=len(acknowledged),
        events_lost=sum(1 for each in acknowledged if not events[each]),
        events_doubled=sum(1 for count in events.values() if count > 1),
        outputs_lost=sum(1 for each in acknowledged if not outputs[each]),
        outputs_doubled=sum(1 for count in outputs.values() if count > 1),
        two_actives_ms=two_actives_ms,
        runs_with_wrong_state=int(has_wrong_state),
    )


class Stage:
    """What predecessor nodes share besides the network: their database, and the disks' persistence files.

    ``files``: by the identity of a disk, which a wiped one loses.
    """

    def __init__(self) -> None:
        self.events: Counter[EventId] = Counter()
        self.outputs: Counter[EventId] = Counter()
        self.files: dict[str, bytes] = {}
        self.two_actives_us = 0
        self._active_since: dict[str, int] = {}
        self._both_since_us = 0

    def becomes_active(self, node: str, now_us: int) -> None:
        """``node`` publishes from now on."""
        if node in self._active_since:
            return
        self._active_since[node] = now_us
        if len(self._active_since) == 2:
            self._both_since_us = now_us

    def ends_active(self, node: str, now_us: int) -> None:
        """``node`` is gone or publishes no more."""
        if len(self._active_since) == 2 and node in self._active_since:
            self.two_actives_us += now_us - self._both_since_us
        self._active_since.pop(node, None)
