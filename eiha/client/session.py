"""A client's publications from the moment they are numbered to their acknowledgement. No I/O.

Numbers are contiguous from 1 within one session id. A publication that is refused for good leaves a gap that nothing
may fill: what follows it moves to a new session id. So whatever of the old session is still on its way somewhere stays
behind the gap for ever, and nothing can be counted twice or be taken for something else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from eiha.kernel.ids import ClientSequence
from eiha.protocol.client_messages import Publish, PublishRows

MakeMessage = Callable[[ClientSequence, int], Publish | PublishRows]

_COMPACT_AFTER: Final = 1_024
"""Settled publications kept at the front of the list before they are cut off, so that cutting is rare."""


@dataclass(slots=True, eq=False)
class Pending:
    """One unacknowledged publication.

    ``make`` gives its message once number and stream number are known. ``rows_through`` and ``bytes_through`` count
    everything of the session up to and with it, so that any stretch is one subtraction. ``sends``: how often it was
    sent under its present number. ``is_refused``: for good; it is a gap that nothing after it can pass.
    """

    sequence: int
    stream: str
    rows: int
    size: int
    make: MakeMessage
    futures: list[asyncio.Future[int]] = field(default_factory=list)
    rows_through: int = 0
    bytes_through: int = 0
    sends: int = 0
    is_refused: bool = False


class Session:
    """Unacknowledged publications in order. ``name`` must be unique in the cluster, for ever."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._generation = 1
        self._next = 1
        self._items: list[Pending] = []
        self._head = 0
        self._added_rows = 0
        self._added_bytes = 0
        self.settled_rows = 0
        self.settled_bytes = 0
        self.acked_through = 0

    def __len__(self) -> int:
        """Unacknowledged publications."""
        return len(self._items) - self._head

    @property
    def client_id(self) -> str:
        """The session id on the wire."""
        return self._name if self._generation == 1 else f"{self._name}~{self._generation}"

    @property
    def unacked_rows(self) -> int:
        """Rows that are not acknowledged."""
        return self._added_rows - self.settled_rows

    @property
    def unacked_bytes(self) -> int:
        """Payload bytes that are not acknowledged."""
        return self._added_bytes - self.settled_bytes

    @property
    def first(self) -> int:
        """Number of the first unacknowledged publication, or of the next one."""
        items, head = self._items, self._head
        return items[head].sequence if head < len(items) else self._next

    @property
    def last(self) -> int:
        """Number of the newest publication; that before the next one if there is none."""
        return self._next - 1

    def add(self, stream: str, rows: int, size: int, make: MakeMessage, futures: list[asyncio.Future[int]]) -> None:
        """Number a publication."""
        self._append(Pending(self._next, stream, rows, size, make, futures))

    def get(self, sequence: int) -> Pending | None:
        """The unacknowledged publication with that number."""
        index = sequence - self.first + self._head
        return self._items[index] if self._head <= index < len(self._items) else None

    def ack(self, through: int) -> list[Pending]:
        """Everything through ``through`` is committed; what that settles, in order."""
        count = min(max(0, through - self.first + 1), len(self))
        settled = self._items[self._head : self._head + count]
        if settled:
            self._head += count
            self.settled_rows = settled[-1].rows_through
            self.settled_bytes = settled[-1].bytes_through
            self.acked_through = settled[-1].sequence
            if self._head >= _COMPACT_AFTER and 2 * self._head >= len(self._items):
                del self._items[: self._head]
                self._head = 0
        return settled

    def drain(self) -> list[Pending]:
        """Give up everything unacknowledged; what it was."""
        items = self._items[self._head :]
        self._items = []
        self._head = 0
        self.settled_rows, self.settled_bytes = self._added_rows, self._added_bytes
        return items

    def mark_refused(self, sequence: int, *, whole_stream: bool) -> list[Pending]:
        """Publication ``sequence`` is refused for good, and with ``whole_stream`` the later ones for its stream.

        They stay, as the gap they are, until everything before them is settled: see ``drop_refused``.
        """
        culprit = self.get(sequence)
        if culprit is None:
            return []
        marked = [
            pending
            for pending in self._items[sequence - self.first + self._head :]
            if not pending.is_refused and (pending is culprit or (whole_stream and pending.stream == culprit.stream))
        ]
        for pending in marked:
            pending.is_refused = True
        return marked

    def drop_refused(self) -> bool:
        """If the first unacknowledged publication is refused, drop all that are and renew; whether that was so.

        Not before: what precedes the gap was accepted under the present session id, and sent under another it would
        count twice.
        """
        if not len(self) or not self._items[self._head].is_refused:
            return False
        self._items = [pending for pending in self._items[self._head :] if not pending.is_refused]
        self._head = 0
        self.renew()
        return True

    def renew(self) -> None:
        """A new session id; what is unacknowledged is numbered anew from 1."""
        items = self._items[self._head :]
        self._generation += 1
        self._items = []
        self._head = self._added_rows = self._added_bytes = self.settled_rows = self.settled_bytes = 0
        self._next = 1
        self.acked_through = 0
        for pending in items:
            pending.sequence = self._next
            pending.sends = 0
            self._append(pending)

    def _append(self, pending: Pending) -> None:
        self._next += 1
        self._added_rows += pending.rows
        self._added_bytes += pending.size
        pending.rows_through = self._added_rows
        pending.bytes_through = self._added_bytes
        self._items.append(pending)
