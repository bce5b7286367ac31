"""The seam between receivers and the node: what a transport may ask of the node it is part of.

Receivers know clients and bytes; the node knows the log. A receiver checks a publication against the stream's
definition, numbers it if the client did not, submits it, and answers the client when the node says committed or
refused. All of it happens on the node's event loop, nothing blocks, and nothing here raises for a full queue: a
closed intake is a state that receivers watch, so that they stop reading.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from eiha.events.schema import StreamDefinition
from eiha.kernel.ids import ClientId, ClientSequence, NodeId
from eiha.protocol.log_entry import Publication


@dataclass(frozen=True, slots=True)
class IntakeState:
    """Whether publications are taken now; if not, why, and when it is worth trying again."""

    open: bool
    reason: str = ""
    retry_after_ms: int = 1_000


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What a client is told of the node. Addresses are advertised client addresses, ``host:port``.

    ``active_address``: where the active takes clients, empty while none is known. ``role`` as ``/role`` tells it.
    """

    node: NodeId
    role: str
    active_address: str = ""


class ClientListener(Protocol):
    """What a receiver wants to hear of one client. Called on the loop; must not raise and must not block."""

    def acked(self, through: ClientSequence) -> None:
        """Everything of the client through ``through`` is committed.

        The first call after ``attach`` answers it, also when nothing was ever committed (0).
        """

    def rejected(self, sequence: ClientSequence, reason: str, retry_after_ms: int, expected: ClientSequence) -> None:
        """Publication ``sequence`` was not accepted and changed nothing; later ones in flight will be refused too.

        ``expected``: the number the client must send next, 0 when not known.
        """


class Intake(Protocol):
    """What the node offers its receivers."""

    def facts(self) -> NodeFacts:
        """Who the node is, now."""

    def streams(self) -> Mapping[str, StreamDefinition]:
        """The streams that may be published to, by name. A new mapping whenever a deployment changed them."""

    def state(self) -> IntakeState:
        """Whether publications are taken now."""

    def watch(self, changed: Callable[[IntakeState], None]) -> Callable[[], None]:
        """Call ``changed`` at every change of ``state``; the result ends the watch."""

    def attach(self, client: ClientId, listener: ClientListener) -> Callable[[], None]:
        """Listen for ``client`` (the core's ``ClientHello``); the result detaches.

        Several listeners of one client are all told. The order of calls is that of the log.
        """

    def submit(self, publications: tuple[Publication, ...], *, duplicated: bool = False) -> None:
        """Hand over publications, in order, already checked against their streams' definitions.

        Those submitted in one turn of the loop are to be batched. Each is acked, or rejected, or the node ends.
        ``duplicated``: the client sends everything to both nodes.
        """
