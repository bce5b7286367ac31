"""The replicated log's entries: the one order that both nodes apply."""

from __future__ import annotations

from dataclasses import dataclass, field

from eiha.kernel.ids import (
    ClientId,
    ClientSequence,
    Epoch,
    Incarnation,
    LogPosition,
    LogTimeMs,
    NodeId,
    Sequence,
)


@dataclass(frozen=True, slots=True)
class Publication:
    """What one client sent in one message: a batch for one stream, numbered by the client.

    ``payload`` is the wire form (``events.wire``) as the client made it; nobody encodes it again.
    """

    client_id: ClientId
    client_sequence: ClientSequence
    stream: str
    rows: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Publications:
    """Events: what had arrived while the entry before was on its way, in order of arrival."""

    items: tuple[Publication, ...]


@dataclass(frozen=True, slots=True)
class TimeTick:
    """Nothing but the entry's log time: timers due by then fire."""


@dataclass(frozen=True, slots=True)
class DeployPlan:
    """Deploy, or replace, the plan called ``plan``."""

    plan: str
    text: str


@dataclass(frozen=True, slots=True)
class RemovePlan:
    """Remove the plan called ``plan`` and its state."""

    plan: str


@dataclass(frozen=True, slots=True)
class EpochStart:
    """First entry of an epoch: who became active. Everything before it in the log is committed with it."""

    active: NodeId
    incarnation: Incarnation


@dataclass(frozen=True, slots=True)
class TableStatement:
    """An on-demand insert, update or delete, for the tables of the plan called ``plan``.

    ``request`` tells the node that was asked which entry is the one it waits for; the engine does not look at it.
    """

    request: str
    plan: str
    text: str


@dataclass(frozen=True, slots=True)
class RowRange:
    """Rows ``first`` up to, not including, ``end`` of the publication at place ``publication`` of an entry."""

    publication: int
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Quarantine:
    """The entry at ``sequence``, which stands before this one and which nobody has applied, is poison: leave it out.

    ``plan``: the plan that fails on it and is not to see it; empty: no plan sees it. ``rows``: leave out these only;
    empty: the whole entry. ``suspends``: the plan gets nothing more until it is deployed anew. ``cause`` is one of
    ``raised | killed | hung``, ``reason`` says more. Rows that are left out go to the error store.
    """

    sequence: Sequence
    plan: str
    rows: tuple[RowRange, ...]
    suspends: bool
    cause: str
    reason: str


EntryBody = Publications | TimeTick | DeployPlan | RemovePlan | EpochStart | TableStatement | Quarantine


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One entry. Same ``(epoch, sequence)`` means same bytes on both nodes.

    ``encoded`` is the entry's wire and disk form, made once by the sequencer (``protocol.entry_codec``); it does
    not take part in comparison.
    """

    epoch: Epoch
    sequence: Sequence
    log_time_ms: LogTimeMs
    body: EntryBody
    encoded: bytes = field(default=b"", compare=False, repr=False)

    @property
    def position(self) -> LogPosition:
        """Where the entry stands."""
        return LogPosition(self.sequence, self.epoch)
