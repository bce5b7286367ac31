"""Values → msgpack, for everything that one event needs packed."""

from __future__ import annotations

from typing import Any, Final

import msgpack

BUFFER_BYTES: Final = 1 << 10
"""What packing begins with; it grows as needed. msgpack's own 256 KiB come from the system and go back to it whenever
something of about that size is packed, which takes ten times as long as the packing."""


def pack(value: Any) -> bytes:
    """The msgpack form of ``value``; bytes and texts are told apart."""
    packed: bytes = msgpack.Packer(use_bin_type=True, buf_size=BUFFER_BYTES).pack(value)
    return packed
