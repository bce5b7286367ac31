"""Messages between a node and the arbiter, which holds the witness row of many clusters; and the row itself.

Each answer carries the number of the request. A swap also carries a name of its own, random and never used again: the
row shows by which swap it was made, so that a node that lost the reply can tell its own change from another's.
"""

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
class RowChange:
    """One accepted swap, as it is kept on the arbiter's disk and told as history.

    ``replaces``: the version before (None: there was no row). ``row`` is None where an operator removed the row.
    ``changed_at_ms`` is for people: nothing is decided by it.
    """

    cluster: str
    swap: bytes
    replaces: int | None
    changed_at_ms: int
    row: WitnessRow | None


@dataclass(frozen=True, slots=True)
class ReadRow:
    """Node → arbiter: which row do you hold?"""

    request: int


@dataclass(frozen=True, slots=True)
class SwapRow:
    """Node → arbiter: put ``row`` iff the version is ``expected_version`` (None: iff there is no row)."""

    request: int
    swap: bytes
    expected_version: int | None
    row: WitnessRow


@dataclass(frozen=True, slots=True)
class ReadHistory:
    """Node → arbiter: the changes before this version, the newest of them."""

    request: int
    before_version: int


@dataclass(frozen=True, slots=True)
class RowHeld:
    """Arbiter → node: the row, and the swap that made it (empty: there is no row)."""

    request: int
    row: WitnessRow | None
    swap: bytes


@dataclass(frozen=True, slots=True)
class Swapped:
    """Arbiter → node: your row is on disk."""

    request: int


@dataclass(frozen=True, slots=True)
class NotSwapped:
    """Arbiter → node: the row is this one, not the one you expected."""

    request: int
    row: WitnessRow | None


@dataclass(frozen=True, slots=True)
class HistoryHeld:
    """Arbiter → node: changes in their order; empty: there are none before that version, or none are kept."""

    request: int
    changes: tuple[RowChange, ...]


@dataclass(frozen=True, slots=True)
class NotDone:
    """Arbiter → node: I could not, for instance because my disk is full. Nothing was changed."""

    request: int
    reason: str


WitnessRequest = ReadRow | SwapRow | ReadHistory
WitnessAnswer = RowHeld | Swapped | NotSwapped | HistoryHeld | NotDone
WitnessMessage = WitnessRequest | WitnessAnswer
