"""Publications before they are in the log: pending on the active, held on the passive. Bounded on both."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from eiha.ha import rules
from eiha.ha.policy import Policy
from eiha.ha.sessions import Sessions
from eiha.kernel.ids import ClientId, ClientSequence, MonotonicMs
from eiha.protocol.entry_codec import PUBLICATION_OVERHEAD_BYTES
from eiha.protocol.log_entry import Publication


@dataclass(frozen=True, slots=True)
class Gap:
    """Refused: the client's next number is ``expected``."""

    expected: ClientSequence


class Taken:
    """The publication is taken and will be acknowledged when it is committed."""


class Duplicate:
    """The publication was taken before."""


TAKEN = Taken()
DUPLICATE = Duplicate()
Offer = Taken | Duplicate | Gap


def size_of(publication: Publication) -> int:
    """About how many bytes ``publication`` takes."""
    return len(publication.payload) + PUBLICATION_OVERHEAD_BYTES + len(publication.client_id) + len(publication.stream)


class Pending:
    """The active's queue to the log, in order of arrival.

    ``_taken``: per client the highest number that is pending or in the log but not committed; what is committed is
    in the sessions.
    """

    __slots__ = ("_policy", "_queue", "_sessions", "_taken", "bytes")

    def __init__(self, policy: Policy, sessions: Sessions) -> None:
        self._policy = policy
        self._sessions = sessions
        self._queue: deque[Publication] = deque()
        self._taken: dict[ClientId, ClientSequence] = {}
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def full(self) -> bool:
        """Whether nothing more is taken: twice the bound at which intake closes."""
        return _full(self.bytes, len(self._queue), self._policy)

    def taken(self, client_id: ClientId) -> ClientSequence:
        """The client's highest number that is committed, in the log, or pending."""
        taken = self._taken.get(client_id)
        return self._sessions.committed(client_id) if taken is None else taken

    def offer(self, publication: Publication) -> Offer:
        """Take the publication if it is its client's next."""
        before = self.taken(publication.client_id)
        if rules.is_duplicate(before, publication.client_sequence):
            return DUPLICATE
        if publication.client_sequence > before + 1:
            return Gap(ClientSequence(before + 1))
        self._taken[publication.client_id] = publication.client_sequence
        self._queue.append(publication)
        self.bytes += size_of(publication)
        return TAKEN

    def note_logged(self, publication: Publication) -> None:
        """The publication stands in the log, uncommitted, from an epoch before this queue."""
        self._taken[publication.client_id] = publication.client_sequence

    def note_committed(self, client_id: ClientId, sequence: ClientSequence) -> None:
        """The sessions know this one now."""
        if self._taken.get(client_id) == sequence:
            del self._taken[client_id]

    def next_entry(self) -> tuple[Publication, ...]:
        """The publications of the next entry, at least one if any is pending."""
        queue, policy = self._queue, self._policy
        items: list[Publication] = []
        size = 0
        while queue and len(items) < policy.entry_publications_max:
            item_size = size_of(queue[0])
            if items and size + item_size > policy.entry_bytes_max:
                break
            items.append(queue.popleft())
            size += item_size
        self.bytes -= size
        return tuple(items)

    def unresolved(self) -> tuple[ClientId, ...]:
        """Clients with something that is not committed."""
        return tuple(self._taken)

    def clear(self) -> None:
        """Forget everything: this node is not active any more."""
        self._queue.clear()
        self._taken.clear()
        self.bytes = 0


@dataclass(slots=True)
class _Held:
    publication: Publication
    size: int
    forward: bool
    sent_ms: MonotonicMs | None
    since_ms: MonotonicMs


def _full(size: int, count: int, policy: Policy) -> bool:
    return size > 2 * policy.pending_bytes_max or count >= 2 * policy.pending_publications_max


class Held:
    """What the passive's clients sent: kept until it is seen committed, and forwarded unless the client itself
    sends everything to both nodes."""

    __slots__ = ("_clients", "_count", "_policy", "_resend_ms", "_sessions", "_unsent", "bytes")

    def __init__(self, policy: Policy, sessions: Sessions) -> None:
        self._policy = policy
        self._sessions = sessions
        self._clients: dict[ClientId, deque[_Held]] = {}
        self._unsent: deque[_Held] = deque()
        self._count = 0
        self._resend_ms = 0
        self.bytes = 0

    def __len__(self) -> int:
        return self._count

    @property
    def full(self) -> bool:
        """Whether nothing more is taken: twice the bound at which intake closes."""
        return _full(self.bytes, self._count, self._policy)

    @property
    def unsent(self) -> bool:
        """Whether something waits to be forwarded."""
        return bool(self._unsent)

    def offer(self, publication: Publication, *, forward: bool, now_ms: MonotonicMs) -> Offer:
        """Keep the publication if it may be its client's next (this node may know less than the active)."""
        client_id, sequence = publication.client_id, publication.client_sequence
        if rules.is_duplicate(self._sessions.committed(client_id), sequence):
            return DUPLICATE
        line = self._clients.get(client_id)
        if line:
            last = line[-1].publication.client_sequence
            if sequence <= last:
                return DUPLICATE
            if sequence > last + 1:
                return Gap(ClientSequence(last + 1))
        else:
            line = self._clients[client_id] = deque()
        held = _Held(publication, size_of(publication), forward, None, now_ms)
        line.append(held)
        self._count += 1
        self.bytes += held.size
        if forward:
            self._unsent.append(held)
        return TAKEN

    def note_committed(self, client_id: ClientId, sequence: ClientSequence, now_ms: MonotonicMs) -> None:
        """Everything of the client through here is in the log: it is kept no longer."""
        line = self._clients.get(client_id)
        if line is None:
            return
        while line and line[0].publication.client_sequence <= sequence:
            self._drop_first(line)
        if line:
            line[0].since_ms = now_ms
        else:
            del self._clients[client_id]

    def to_forward(self, now_ms: MonotonicMs) -> list[Publication]:
        """What was not sent to the active yet, now counted as sent."""
        due: list[Publication] = []
        while self._unsent:
            held = self._unsent.popleft()
            if held.sent_ms is None:
                held.sent_ms = now_ms
                due.append(held.publication)
        return due

    def resend_overdue(self, now_ms: MonotonicMs, *, everything: bool = False) -> None:
        """Count as unsent what was sent long ago and is not in the log: it got lost with a link or an active.

        An active that is merely slow must not be buried: one message's worth each ``forward_retry_ms``. ``everything``:
        the link or the active is new, so all that was sent may be lost.
        """
        if not everything and now_ms < self._resend_ms:
            return
        limit = now_ms - self._policy.forward_retry_ms
        room = self.bytes if everything else self._policy.append_bytes_max
        for line in self._clients.values():
            sent = line[0].sent_ms
            if not everything and (sent is None or sent > limit):
                continue
            for held in line:
                if held.forward and held.sent_ms is not None and room > 0:
                    held.sent_ms = None
                    room -= held.size
                    self._resend_ms = now_ms + self._policy.forward_retry_ms
                    self._unsent.append(held)

    def drop_gaps(self, now_ms: MonotonicMs) -> list[tuple[Publication, ClientSequence]]:
        """Give up clients whose next publication never came; returns the first refused of each and what it misses."""
        refused: list[tuple[Publication, ClientSequence]] = []
        for client_id, line in list(self._clients.items()):
            expected = ClientSequence(self._sessions.committed(client_id) + 1)
            first = line[0]
            if first.publication.client_sequence <= expected:
                continue
            if now_ms - first.since_ms > self._policy.forward_gap_ms:
                refused.append((first.publication, expected))
                while line:
                    self._drop_first(line)
                del self._clients[client_id]
        return refused

    def drain(self) -> Iterator[Publication]:
        """Give up everything held, each client's in order: this node became active, or joins anew."""
        clients = self._clients
        self._clients = {}
        self._unsent.clear()
        self._count = 0
        self.bytes = 0
        for line in clients.values():
            for held in line:
                yield held.publication

    def _drop_first(self, line: deque[_Held]) -> None:
        held = line.popleft()
        held.sent_ms = MonotonicMs(0)  # not to be sent any more if it still waits in the queue of unsent ones
        self._count -= 1
        self.bytes -= held.size
