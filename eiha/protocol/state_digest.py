"""What a node says of its state at a position of the log: digests of parts of it; and which differ from another's.

A *part* is one operator of one query, one table, the strings of a plan and so on. Parts are told by their number; both
nodes number them alike as long as they have the same plans, which ``names_digest`` tells.
"""

from __future__ import annotations

from collections.abc import Sequence as Seq
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

DIGEST_BYTES: Final = 8
"""Bytes of one digest: two states that differ by accident look alike once in 2**64."""

PARTS_COVERED_MAX: Final = 512
"""Parts that one position covers at most: a report stays below 16 KiB however many plans there are."""


@dataclass(frozen=True, slots=True)
class PartDigest:
    """The digest of share ``share`` of ``shares`` of part ``part``. How many shares there are follows from its size."""

    part: int
    share: int
    shares: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class StateDigest:
    """Digests at one position. ``covered`` begins with the part whose turn it is: both nodes have that one, unless it
    could not be digested.

    ``names``: of all parts, by number, and ``positions``, in how many positions all of the state is covered: what the
    node itself knows; so is ``untold``: parts that could not be digested, each with why. None of these is sent.
    """

    names_digest: bytes
    covered: tuple[PartDigest, ...]
    names: tuple[str, ...] = ()
    positions: int = 1
    untold: tuple[str, ...] = ()


def names_digest(names: Seq[str]) -> bytes:
    """What tells whether two nodes number the same parts."""
    return blake2b("\n".join(names).encode(), digest_size=DIGEST_BYTES).digest()


OTHER_PLANS: Final = "the plans deployed"


def differing_parts(mine: StateDigest, theirs: StateDigest) -> tuple[str, ...]:
    """The parts that both cover and that differ, by my names. Empty: no difference is seen."""
    if mine.names_digest != theirs.names_digest:
        return (OTHER_PLANS,)
    sizes = {each.part: each.shares for each in theirs.covered}
    digests = {(each.part, each.share): each.digest for each in theirs.covered}
    found = []
    for each in mine.covered:
        is_larger_or_smaller = sizes.get(each.part, each.shares) != each.shares
        if is_larger_or_smaller or digests.get((each.part, each.share), each.digest) != each.digest:
            found.append(mine.names[each.part] if each.part < len(mine.names) else f"part {each.part}")
    return tuple(dict.fromkeys(found))
