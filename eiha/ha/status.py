"""What an operator sees of a member. Read by shells; nothing here steers."""

from __future__ import annotations

from dataclasses import dataclass

from eiha.kernel.ids import Epoch, Incarnation, NodeId, Sequence
from eiha.protocol.vitals import QUIET, Vitals


@dataclass(frozen=True, slots=True)
class Transition:
    """A move between roles, for the last few of them."""

    at_wall_ms: int
    before: str
    after: str
    trigger: str
    detail: str


@dataclass(frozen=True, slots=True)
class SinkStatus:
    """One lane of the outbox."""

    sink: str
    open: bool
    published_through: Sequence
    waiting_rows: int
    waiting_bytes: int
    stalled_ms: int = 0
    """How long rows have waited without the store taking any (on the active)."""


@dataclass(frozen=True, slots=True)
class TransferStatus:
    """A snapshot that is on its way. ``direction``: ``sending | receiving``; bytes: of the chunks that were lacking."""

    direction: str
    peer: NodeId
    done_bytes: int
    total_bytes: int
    elapsed_ms: int

    @property
    def bytes_per_s(self) -> int:
        """Its rate so far."""
        return self.done_bytes * 1_000 // self.elapsed_ms

    @property
    def left_s(self) -> int | None:
        """How long it takes if it goes on like this; None while that cannot be told."""
        return None if not self.bytes_per_s else (self.total_bytes - self.done_bytes) // self.bytes_per_s

    def __str__(self) -> str:
        percent = 100 * self.done_bytes // self.total_bytes if self.total_bytes else 100
        left = "" if self.left_s is None else f", {self.left_s} s left"
        return (
            f"{self.direction} {self.done_bytes >> 20} of {self.total_bytes >> 20} MiB ({percent} %), "
            f"{self.bytes_per_s / 1e6:.0f} MB/s{left}"
        )


@dataclass(frozen=True, slots=True)
class MemberStatus:
    """A member at one moment.

    ``state``: ``solo | synced | joining | no-quorum | fenced | starting | halted``. ``peer_lag_entries``: how many
    entries the peer is behind (active), or this node behind the active's commit watermark (passive).

    ``peer_silence_ms``: how long the peer has owed acknowledgements without giving any. ``peer_held_off_ms``: for how
    much longer a peer that was put out ``peer_put_out_count`` times is not let in. ``symptoms``: what is slow or stuck.
    """

    node: NodeId
    incarnation: Incarnation
    role: str
    state: str
    epoch: Epoch
    active: NodeId | None
    peer: NodeId | None
    peer_connected: bool
    witness_version: int
    log_end: Sequence
    persisted_through: Sequence
    acked_through: Sequence
    committed_through: Sequence
    applied_through: Sequence
    peer_lag_entries: int
    pending_publications: int
    pending_bytes: int
    log_memory_bytes: int
    outbox_rows: int
    outbox_bytes: int
    sinks: tuple[SinkStatus, ...]
    sessions: int
    intake_open: bool
    intake_reason: str
    failover_cover: str
    dropped: tuple[tuple[str, int], ...]
    transfer: TransferStatus | None
    transitions: tuple[Transition, ...]
    vitals: Vitals = QUIET
    peer_vitals: Vitals | None = None
    peer_silence_ms: int = 0
    peer_put_out_count: int = 0
    peer_held_off_ms: int = 0
    symptoms: tuple[str, ...] = ()
    peer_symptoms: tuple[str, ...] = ()
    log_uncovered_bytes: int = 0
    """Of the log what came after the newest snapshot."""
    plans: tuple[str, ...] = ()
    """Names of those deployed."""
    state_difference: str = ""
    """Where the states of the nodes were last found to differ, in words; empty: never since this node started."""
