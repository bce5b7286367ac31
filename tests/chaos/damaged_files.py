"""Damage to what a node keeps on its disk, done while the node is down: flipped bits, torn ends."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final

LOG: Final = "log"
IDENTITY: Final = "disk-id"
SEEN: Final = "witness-seen"


def log_segments(location: Path) -> list[Path]:
    """The log's segments, oldest first."""
    return sorted((location / LOG).glob("*.log"))


def snapshots(location: Path) -> list[Path]:
    """The snapshots' manifests, oldest first, and their chunks."""
    return [
        *sorted(location.glob("*/*/*_*")),
        *sorted(path for path in location.glob("*/chunks/*/*") if path.is_file()),
    ]


def flip_bit(path: Path, rng: random.Random, low: float = 0.0, high: float = 1.0) -> int:
    """Flip one bit between these parts of the file; the byte's offset."""
    data = bytearray(path.read_bytes())
    first = int(low * len(data))
    offset = rng.randrange(first, max(first + 1, int(high * len(data))))
    data[offset] ^= 1 << rng.randrange(8)
    path.write_bytes(data)
    return offset


def tear_end(path: Path, rng: random.Random) -> int:
    """Cut up to 200 bytes off, or add as many that were never written in full; by how much the file changed."""
    data = path.read_bytes()
    size = rng.randint(1, 200)
    if rng.random() < 0.5:
        kept = max(0, len(data) - size)
        path.write_bytes(data[:kept])
        return kept - len(data)
    path.write_bytes(data + bytes(size))
    return size
