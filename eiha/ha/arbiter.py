"""The arbiter: the witness rows of many clusters, each changed only by compare-and-set. Decides; keeps no file.

``consider`` gives the answer to a request; where it is a change, also what must be on disk before the answer may be
sent. The shell persists it, then calls ``apply``: until then the row is the old one. Requests are considered one after
the other, so that each sees what the one before changed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import assert_never

from eiha.errors import MalformedFrame
from eiha.protocol.limits import WITNESS_HISTORY_PAGE
from eiha.protocol.witness_messages import (
    HistoryHeld,
    NotSwapped,
    ReadHistory,
    ReadRow,
    RowChange,
    RowHeld,
    Swapped,
    SwapRow,
    WitnessAnswer,
    WitnessRequest,
    WitnessRow,
)


@dataclass(frozen=True, slots=True)
class Considered:
    """The answer, and the change that must be durable, and applied, before it is sent."""

    answer: WitnessAnswer
    change: RowChange | None = None


class Arbiter:
    """All rows.

    Args:
        history_max: changes kept of each cluster, the current row's included; older ones are forgotten.
    """

    __slots__ = ("_changes", "_history_max")

    def __init__(self, history_max: int) -> None:
        assert history_max >= 1
        self._history_max = history_max
        self._changes: dict[str, deque[RowChange]] = {}

    def row(self, cluster: str) -> WitnessRow | None:
        """The row of ``cluster``."""
        changes = self._changes.get(cluster)
        return changes[-1].row if changes else None

    def consider(self, cluster: str, request: WitnessRequest, now_ms: int) -> Considered:
        """What to answer a node of ``cluster``. ``now_ms``: the time to write into the history.

        Raises:
            MalformedFrame: a row of another cluster, or a swap that would not raise the version.
        """
        match request:
            case ReadRow(number):
                changes = self._changes.get(cluster)
                return Considered(RowHeld(number, self.row(cluster), changes[-1].swap if changes else b""))
            case ReadHistory(number, before):
                return Considered(HistoryHeld(number, self._history(cluster, before)))
            case SwapRow():
                return self._consider_swap(cluster, request, now_ms)
            case _:
                assert_never(request)

    def removal(self, cluster: str, swap: bytes, now_ms: int) -> RowChange | None:
        """The change by which an operator removes a row; None: there is none."""
        row = self.row(cluster)
        return None if row is None else RowChange(cluster, swap, row.version, now_ms, None)

    def fits(self, change: RowChange) -> bool:
        """Whether ``change`` follows what is here. The first change of a cluster that is kept follows anything."""
        if change.cluster not in self._changes:
            return True
        row = self.row(change.cluster)
        return change.replaces == (None if row is None else row.version)

    def apply(self, change: RowChange) -> None:
        """Take over a change that is durable."""
        assert self.fits(change), change
        if change.row is None:
            self._changes.pop(change.cluster, None)
            return
        self._changes.setdefault(change.cluster, deque(maxlen=self._history_max)).append(change)

    def kept(self) -> Iterator[RowChange]:
        """Every change that is remembered: enough to make this arbiter anew."""
        for changes in self._changes.values():
            yield from changes

    @property
    def kept_count(self) -> int:
        """How many ``kept`` gives."""
        return sum(len(changes) for changes in self._changes.values())

    def _consider_swap(self, cluster: str, request: SwapRow, now_ms: int) -> Considered:
        number, swap, expected, row = request.request, request.swap, request.expected_version, request.row
        if row.cluster != cluster:
            raise MalformedFrame(f"a node of cluster {cluster!r} may not change the row of {row.cluster!r}")
        if row.version <= (expected or 0):
            raise MalformedFrame(f"a swap must raise the version, not move it from {expected} to {row.version}")
        changes = self._changes.get(cluster)
        if changes and changes[-1].swap == swap:
            return Considered(Swapped(number))  # the same request again: it is applied already, and still holds
        current = self.row(cluster)
        if expected != (None if current is None else current.version):
            return Considered(NotSwapped(number, current))
        return Considered(Swapped(number), RowChange(cluster, swap, expected, now_ms, row))

    def _history(self, cluster: str, before: int) -> tuple[RowChange, ...]:
        found = [
            change
            for change in self._changes.get(cluster, ())
            if change.row is not None and change.row.version < before
        ]
        return tuple(found[-WITNESS_HISTORY_PAGE:])
