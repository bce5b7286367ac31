"""Pings, pongs, and what they tell: whether the peer is there, what it is, how far it is."""

from __future__ import annotations

from eiha.ha.context import Context
from eiha.ha.failure_detector import FailureDetector
from eiha.ha.own_vitals import OwnVitals
from eiha.ha.replica import Replica
from eiha.ha.roles import Role
from eiha.kernel.ids import NO_EPOCH, Epoch, MonotonicMs
from eiha.protocol.peer_messages import Ping, Pong
from eiha.protocol.vitals import Vitals


class Heartbeat:
    """The round trips of one member. ``active_heard_ms``: when the peer last said that it is active; None: never."""

    __slots__ = ("_ctx", "_due_ms", "_replica", "active_heard_ms", "detector", "own_vitals",
                 "peer_epoch", "peer_role", "peer_sees_witness", "peer_vitals")  # fmt: skip

    def __init__(self, ctx: Context, replica: Replica) -> None:
        self._ctx = ctx
        self._replica = replica
        self.detector = FailureDetector(ctx.policy, ctx.monotonic_ms)
        self._due_ms = 0
        self.active_heard_ms: MonotonicMs | None = None
        self.peer_role = ""
        self.peer_epoch: Epoch = NO_EPOCH
        self.peer_sees_witness = False
        self.own_vitals = OwnVitals(ctx, replica)
        self.peer_vitals: Vitals | None = None
        """As of the peer's last Ping; None: it sent none since the links are up."""

    def link_changed(self, *, opened: bool) -> None:
        """A link came or went."""
        now_ms = self._ctx.monotonic_ms
        if not self._ctx.links.any_open:
            self.peer_vitals = None
        self.detector.links(any_open=self._ctx.links.any_open, now_ms=now_ms)
        if opened:
            self.detector.restart(now_ms)

    def tick(self, epoch: Epoch) -> bool:
        """Send a Ping when it is time. True: this node itself stood still for long."""
        now_ms = self._ctx.monotonic_ms
        paused = self.detector.tick(now_ms)
        if paused and self.active_heard_ms is not None:
            self.active_heard_ms = now_ms
        if now_ms >= self._due_ms:
            self.send(epoch)
        return paused

    def send(self, epoch: Epoch, *, halting: bool = False) -> None:
        """Send a Ping now. ``halting``: the last one; the peer need not wait for the links to close."""
        ctx, replica = self._ctx, self._replica
        self._due_ms = ctx.monotonic_ms + ctx.policy.heartbeat_ms
        active = ctx.role is Role.ACTIVE
        ctx.send_management(
            Ping(
                epoch,
                ctx.incarnation,
                Role.HALTED.value if halting else ctx.role.value,
                self.detector.next_nonce(ctx.monotonic_ms),
                ctx.turns,
                replica.log.end,
                replica.log.committed_through,
                replica.outbox.progress(replica.applied_through) if active else (),
                self.own_vitals.now,
            )
        )

    def ping(self, message: Ping, epoch: Epoch, *, witness_reachable: bool) -> None:
        """The peer's Ping: answer, and note what it says of itself."""
        ctx = self._ctx
        ctx.send_management(Pong(message.nonce, epoch, witness_reachable))
        self.detector.ping(message.loop_progress, ctx.monotonic_ms)
        self.peer_role = message.role
        self.peer_epoch = message.epoch
        self.peer_vitals = message.vitals
        if message.role == Role.ACTIVE.value:
            self.active_heard_ms = ctx.monotonic_ms

    def pong(self, message: Pong) -> None:
        """A round trip is complete."""
        self.detector.pong(message.nonce)
        self.peer_sees_witness = message.witness_reachable
