"""What the parts of a member share: who it is, what it asks of its shell, what it knows of the world."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from eiha.ha import roles
from eiha.ha.divergence import Difference
from eiha.ha.effects import AckClient, Effect, Fact, Halt, RejectClient, RememberWitness, RoleChanged, Send, SetIntake
from eiha.ha.inputs import Channel
from eiha.ha.links import Links
from eiha.ha.policy import Policy
from eiha.ha.readmission import Readmission
from eiha.ha.roles import Role, Trigger
from eiha.ha.status import Transition
from eiha.ha.witness_row import WitnessRow
from eiha.kernel.ids import ClientId, ClientSequence, Incarnation, MonotonicMs, NodeId, Now, WallMs
from eiha.protocol.log_entry import Publication
from eiha.protocol.peer_messages import EventSyncMessage, ManagementMessage, PeerIdentity

TRANSITIONS_KEPT = 20


@dataclass(frozen=True, slots=True)
class MemberConfig:
    """What a member is told once. ``sinks``: the lanes of the outbox, the same on both nodes."""

    cluster: str
    node: NodeId
    sinks: tuple[str, ...] = ()
    policy: Policy = field(default_factory=Policy)


class Context:
    """Shared by the parts of one member. ``effects`` collects what the current step asks for, in order."""

    __slots__ = (
        "_acks",
        "_intake",
        "config",
        "difference",
        "dropped",
        "effects",
        "halted",
        "incarnation",
        "intake_reason",
        "links",
        "monotonic_ms",
        "policy",
        "readmission",
        "remembered_version",
        "role",
        "row",
        "transitions",
        "turns",
        "wall_ms",
    )

    def __init__(self, config: MemberConfig) -> None:
        self.config = config
        self.policy = config.policy
        self.role = Role.STARTING
        self.incarnation = Incarnation("")
        self.links = Links()
        self.readmission = Readmission(config.policy)
        self.row: WitnessRow | None = None
        """The newest row seen. A hint for when to act; every act checks the row again by compare-and-set."""
        self.effects: list[Effect] = []
        self.monotonic_ms = MonotonicMs(0)
        self.wall_ms = WallMs(0)
        self.turns = 0
        self.halted = False
        self.remembered_version = 0
        self.transitions: deque[Transition] = deque(maxlen=TRANSITIONS_KEPT)
        self.dropped: dict[str, int] = {}
        self.difference: Difference | None = None
        """In what the states of the two nodes were last found to differ, on the node that found it."""
        self.intake_reason = "starting"
        self._intake: bool | None = None
        self._acks: dict[ClientId, ClientSequence] = {}

    @property
    def me(self) -> PeerIdentity:
        """This node and this disk."""
        return PeerIdentity(self.config.node, self.incarnation)

    @property
    def intake_open(self) -> bool:
        """What the shell was told last."""
        return self._intake is True

    def begin(self, now: Now) -> None:
        """A step begins."""
        self.monotonic_ms = now.monotonic_ms
        self.wall_ms = now.wall_ms
        self.turns += 1

    def finish(self) -> tuple[Effect, ...]:
        """The step is over: what it asks for, with one acknowledgement per client, first, since clients wait."""
        effects = tuple(self.effects)
        self.effects.clear()
        if self._acks:
            acks = tuple([AckClient(client_id, through) for client_id, through in self._acks.items()])
            self._acks.clear()
            return acks + effects
        return effects

    def emit(self, effect: Effect) -> None:
        """Ask for ``effect``."""
        self.effects.append(effect)

    def send_event_sync(self, message: EventSyncMessage) -> bool:
        """Send over the current eventSync link. False: there is none."""
        link = self.links.link(Channel.EVENT_SYNC)
        if link is not None:
            self.effects.append(Send(Channel.EVENT_SYNC, link, message))
        return link is not None

    def send_management(self, message: ManagementMessage) -> bool:
        """Send over the current management link. False: there is none."""
        link = self.links.link(Channel.MANAGEMENT)
        if link is not None:
            self.effects.append(Send(Channel.MANAGEMENT, link, message))
        return link is not None

    def move(self, trigger: Trigger, detail: str) -> None:
        """Change the role as the table says.

        Raises:
            IllegalTransition: the table has no such move; nothing changed.
        """
        before = self.role
        self.role = roles.next_role(before, trigger)
        self.transitions.append(Transition(self.wall_ms, before.value, self.role.value, trigger.value, detail))
        self.emit(RoleChanged(before.value, self.role.value, trigger.value, detail))

    def fact(self, event: str, detail: str, level: str = "info") -> None:
        """Tell the log."""
        self.emit(Fact(level, event, detail))

    def halt(self, reason: str, *, failed: bool = True, stuck: bool = False) -> None:
        """Stop for good. Further inputs have no effect."""
        if self.halted:
            return
        self.halted = True
        self.move(Trigger.STOPPED, reason)
        self.fact("halted", reason, "error" if failed else "info")
        self.emit(Halt(reason, failed, stuck))

    def remember(self, row: WitnessRow) -> None:
        """This row was seen; its version is kept on disk, so that a witness gone backwards is noticed later."""
        self.row = row
        if row.version > self.remembered_version:
            self.remembered_version = row.version
            self.emit(RememberWitness(row.version))

    def set_intake(self, *, is_open: bool, reason: str) -> None:
        """Tell the shell to read from clients or not; said only when it changes."""
        self.intake_reason = reason
        if self._intake is not is_open:
            self._intake = is_open
            self.emit(SetIntake(is_open, reason))

    def acknowledge(self, client_id: ClientId, through: ClientSequence) -> None:
        """Acknowledge with this step; the last one of a client counts."""
        self._acks[client_id] = through

    def refuse(self, publication: Publication, reason: str, expected: int = 0, *, retry: bool = True) -> None:
        """Tell the client that a publication is not taken."""
        self.count_dropped(f"refused: {reason}", publication.rows)
        self.emit(
            RejectClient(
                publication.client_id,
                publication.client_sequence,
                reason,
                self.policy.retry_after_ms if retry else 0,
                ClientSequence(expected),
            )
        )

    def count_dropped(self, reason: str, rows: int) -> None:
        """Count what is not taken, by reason."""
        self.dropped[reason] = self.dropped.get(reason, 0) + rows
