"""Which parts of the state are digested at a position of the log: a bounded piece of work that in time covers all.

Each position covers

- the part whose turn it is, by the number of the position alone, so that both nodes cover it;
- parts known to be small, whole, so that an error in them shows at the next position;
- one share of a part known to be large, so that large ones are covered sooner than their turns come.

What a node knows of sizes it learned from digests; a node that was just restored knows nothing and covers less for one
round. So the second and third are compared only where both nodes cover them.
"""

from __future__ import annotations

from collections.abc import Sequence as Seq
from typing import Final

from eiha.engine.state_part import StatePart
from eiha.engine.state_shares import share_digest
from eiha.protocol.state_digest import PARTS_COVERED_MAX, PartDigest

SMALL_BYTES: Final = 16 << 10
"""A part up to this is covered at each position: with the bound on their number 8 MiB in all, some 10 ms."""

_ALWAYS_MAX: Final = PARTS_COVERED_MAX - 2
"""Small parts of one position: beside these, one has its turn and one is large."""


class DigestRotation:
    """What is known of the sizes of parts. Begins anew where the parts change."""

    __slots__ = ("_shares", "_untold", "_weights")

    def __init__(self) -> None:
        self._weights: dict[int, int] = {}
        self._shares: dict[int, int] = {}
        self._untold: list[str] = []

    def cover(self, parts: Seq[StatePart], position: int) -> tuple[PartDigest, ...]:
        """The digests of position number ``position``; the part whose turn it is comes first.

        A part whose state cannot be told is left out, and ``take_untold`` says why: the others are compared as ever.
        """
        if not parts:
            return ()
        rounds, turn = divmod(position, len(parts))
        wanted = [(turn, rounds)]
        large = sorted(part for part, shares in self._shares.items() if shares > 1)
        if large:
            rounds, place = divmod(position, len(large))
            wanted.append((large[place], rounds))
        small = [part for part, weight in self._weights.items() if weight <= SMALL_BYTES and part != turn]
        if len(small) > _ALWAYS_MAX:
            small.sort()
            first = position * _ALWAYS_MAX % len(small)
            small = (small + small)[first : first + _ALWAYS_MAX]
        wanted += [(part, 0) for part in sorted(small)]
        found = (self._digest(parts, part, turn) for part, turn in wanted)
        return tuple(each for each in found if each is not None)

    def take_untold(self) -> tuple[str, ...]:
        """Which parts could not be digested since the last call, each with why."""
        untold, self._untold = tuple(dict.fromkeys(self._untold)), []
        return untold

    def positions(self, parts: int) -> int:
        """In how many positions everything is covered, as far as sizes are known."""
        large = [shares for shares in self._shares.values() if shares > 1]
        return max(parts, max(large, default=0) * len(large))

    def _digest(self, parts: Seq[StatePart], part: int, turn: int) -> PartDigest | None:
        try:
            found = share_digest(parts[part].state(), turn)
        except Exception as cause:  # noqa: BLE001  whatever an operator raises is told by whoever asked
            self._untold.append(f"{parts[part].name}: its state cannot be told: {type(cause).__name__}: {cause}")
            return None
        self._weights[part] = found.weight
        self._shares[part] = found.shares
        return PartDigest(part, found.share, found.shares, found.digest)
