"""Whether the two nodes' states agree: digests of both at equal positions, compared on the active."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from eiha.ha.inputs import SnapshotTaken
from eiha.kernel.ids import Sequence
from eiha.protocol.state_digest import StateDigest, differing_parts

DIGESTS_KEPT = 64
"""Positions whose digests wait for those of the other node: it is never further behind than its backlog may be."""

PARTS_NAMED_MAX = 8
"""Parts that a difference names; where more differ, the first ones tell where to look."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The states differ after ``sequence``, in ``parts`` (the first ones) and ``more`` others."""

    sequence: Sequence
    parts: tuple[str, ...]
    more: int

    def __str__(self) -> str:
        more = f"; and in {self.more} more" if self.more else ""
        return f"states differ after entry {self.sequence} in {'; '.join(self.parts)}{more}"


MINE = "mine"
PEER = "peer"

DUMP_WAIT_MS = 2_000
"""So long a resync waits for the position at which both nodes dump their states; then they dump what they have."""


ORDER_KEPT_MS = 60_000
"""So long the active holds its dump for a peer that does not come back; after that it gets another snapshot."""


@dataclass(slots=True)
class DumpOrder:
    """On the active: both nodes are to dump their states as of ``position``, which its engine was given last.

    ``request``: of the snapshot that is this node's dump and that the peer gets to begin anew from. ``told``: the peer
    knows; until then it is not told that this node's engine is further, so that it does not go further either.
    """

    request: int
    position: Sequence
    since_ms: int
    told: bool = False
    taken: SnapshotTaken | None = None


@dataclass(frozen=True, slots=True)
class Dump:
    """A snapshot that is kept as this node's dump of ``position``; ``is_snapshot``: it is good for restarts, too."""

    position: Sequence
    is_snapshot: bool


class DigestComparison:
    """The digests of both nodes whose counterparts have not come yet."""

    __slots__ = ("_mine", "_theirs")

    def __init__(self) -> None:
        self._mine: OrderedDict[Sequence, StateDigest] = OrderedDict()
        self._theirs: OrderedDict[Sequence, StateDigest] = OrderedDict()

    def mine(self, sequence: Sequence, digest: StateDigest) -> Difference | None:
        """This node's digests; what is found to differ."""
        return None if sequence in self._mine else self._keep(self._mine, sequence, digest)

    def theirs(self, sequence: Sequence, digest: StateDigest) -> Difference | None:
        """The peer's digests; what is found to differ."""
        return self._keep(self._theirs, sequence, digest)

    def _keep(
        self, kept: OrderedDict[Sequence, StateDigest], sequence: Sequence, digest: StateDigest
    ) -> Difference | None:
        kept[sequence] = digest
        if len(kept) > DIGESTS_KEPT:
            kept.popitem(last=False)
        mine, theirs = self._mine.get(sequence), self._theirs.get(sequence)
        if mine is None or theirs is None:
            return None
        parts = differing_parts(mine, theirs)
        if not parts:
            return None
        self._theirs.clear()  # what the peer told of the state that it is about to discard
        return Difference(sequence, parts[:PARTS_NAMED_MAX], max(0, len(parts) - PARTS_NAMED_MAX))
