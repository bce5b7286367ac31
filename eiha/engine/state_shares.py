"""The digest of a share of a state: of as many of its bytes as one position of the log can bear, without copying any.

A state is what ``snapshot`` of an operator gives. Its small values are hashed each time. Its long arrays and lists lie
one after the other on a line; the line is cut into ``shares`` of equal weight, and share k is hashed with what is
small. So equal states have equal digests for every share, and states that differ anywhere differ in at least one.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

import numpy as np

from eiha.engine.snapshot import packed
from eiha.engine.state_part import StatesOnDemand
from eiha.protocol.state_digest import DIGEST_BYTES

SHARE_BYTES: Final = 4 << 20
"""Weight of a share: blake2b takes about 4 ms for it, so that events wait no longer for a digest than for a batch."""

_LONG_BYTES: Final = 4_096
"""Arrays above this lie on the line; those below are hashed each time, with what describes them."""

_LONG_ITEMS: Final = 256
"""Lists of more items lie on the line."""

_ITEM_WEIGHT: Final = 32
"""What an item of a list weighs: a text, a number."""

_MADE_WEIGHT: Final = 32 << 10
"""What a state weighs at least that has to be made: that takes as long as to hash this much (40 µs)."""

_ITEMS_WEIGHED: Final = 8
"""Items of a list that are weighed where they hold others, such as the states of the instances of a partition."""


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A long array or list, ``weight`` for each of its items."""

    items: Any
    weight: int


@dataclass(frozen=True, slots=True)
class ShareDigest:
    """The digest of share ``share`` of ``shares``, and what the whole state weighs in bytes, about."""

    share: int
    shares: int
    digest: bytes
    weight: int


def share_digest(state: Any, turn: int) -> ShareDigest:
    """The digest of share number ``turn``, counted round and round."""
    hasher = blake2b(digest_size=DIGEST_BYTES)
    leaves: list[_Leaf] = []
    small = bytearray()
    _lay_out(state, small, leaves)
    hasher.update(small)
    weight = sum(len(leaf.items) * leaf.weight for leaf in leaves)
    shares = max(1, -(-weight // SHARE_BYTES))
    share = turn % shares
    first, stop = share * weight // shares, (share + 1) * weight // shares
    before = 0
    for leaf in leaves:
        size = len(leaf.items) * leaf.weight
        if before + size > first and before < stop:
            # an item belongs to the share in which it begins
            low = max(0, -(-(first - before) // leaf.weight))
            high = min(len(leaf.items), -(-(stop - before) // leaf.weight))
            _hash_items(hasher, leaf.items[low:high])
        before += size
    return ShareDigest(share, shares, hasher.digest(), weight + len(small))


def _lay_out(value: Any, small: bytearray, leaves: list[_Leaf]) -> None:
    """Append what is small to ``small``, what is long to ``leaves``; of these only kind and length are small."""
    match value:
        case dict():
            small += b"d%d;" % len(value)
            for key, part in value.items():
                small += packed(key)
                _lay_out(part, small, leaves)
        case np.ndarray():
            small += b"a%d;" % len(value) + value.dtype.str.encode()
            if value.nbytes > _LONG_BYTES:
                leaves.append(_Leaf(value, value.itemsize))
            else:
                small += _plain(value)
        case list() | tuple() | StatesOnDemand() if len(value) > _LONG_ITEMS:
            small += b"l%d;" % len(value)
            leaves.append(_Leaf(value, _item_weight(value)))
        case list() | tuple() | StatesOnDemand():
            small += b"l%d;" % len(value)
            for part in value:
                _lay_out(part, small, leaves)
        case _:
            small += packed(value)


def _item_weight(items: Any) -> int:
    """What an item weighs, on average: by some of them, the same ones on both nodes."""
    if not isinstance(items[0], (dict, list, tuple)):
        return _ITEM_WEIGHT
    weight = 0
    for number in range(_ITEMS_WEIGHED):
        small = bytearray()
        leaves: list[_Leaf] = []
        _lay_out(items[number * len(items) // _ITEMS_WEIGHED], small, leaves)
        weight += len(small) + sum(len(leaf.items) * leaf.weight for leaf in leaves)
    least = _MADE_WEIGHT if isinstance(items, StatesOnDemand) else _ITEM_WEIGHT
    return max(least, weight // _ITEMS_WEIGHED)


def _hash_items(hasher: Any, items: Any) -> None:
    hasher.update(_plain(items) if isinstance(items, np.ndarray) else packed(list(items)))


def _plain(array: Any) -> memoryview | bytes:
    """The bytes of ``array``: a view of them wherever they lie together."""
    return np.ascontiguousarray(array).data.cast("B") if len(array) else b""
