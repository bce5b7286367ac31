"""The witness's one row, and the three outcomes of changing it."""

from __future__ import annotations

from dataclasses import dataclass

from eiha.kernel.ids import Epoch, Incarnation, NodeId
from eiha.protocol.peer_messages import PeerIdentity


@dataclass(frozen=True, slots=True)
class WitnessRow:
    """Who is active, at which epoch, and who may take over. Changes only by compare-and-set on ``version``.

    ``synced`` always contains the active; an entry is committed when every member of it has the entry.
    ``version`` is raised by every change (rule R6). ``reason`` goes into the history.
    """

    cluster: str
    epoch: Epoch
    active: NodeId
    active_incarnation: Incarnation
    synced: tuple[PeerIdentity, ...]
    version: int
    reason: str

    def names(self, node: NodeId, incarnation: Incarnation) -> bool:
        """Whether the synced set holds this very disk."""
        return PeerIdentity(node, incarnation) in self.synced


@dataclass(frozen=True, slots=True)
class Mine:
    """The compare-and-set was applied; ``row`` is what the witness holds now."""

    row: WitnessRow


@dataclass(frozen=True, slots=True)
class Others:
    """The row was not as expected; ``row`` is what it is (None: there is no row)."""

    row: WitnessRow | None


@dataclass(frozen=True, slots=True)
class Unknown:
    """No answer, or an answer lost after the commit: not mine until read again."""

    cause: str


CasOutcome = Mine | Others | Unknown


@dataclass(frozen=True, slots=True)
class Read:
    """The row as read with a locking read; None: the cluster has no row yet."""

    row: WitnessRow | None


ReadOutcome = Read | Unknown
