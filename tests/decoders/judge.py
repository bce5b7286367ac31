"""One input to one decoder: it may refuse with a typed error, and do nothing else wrong.

Wrong is any other exception, more processor time than a second and a little for each byte, or more memory than a
fixed part and a multiple of the input.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

CPU_S_FIXED = 1.0
CPU_S_PER_BYTE = 20e-6
MEMORY_FIXED = 24 << 20
"""Compiling a plan loads what it needs once."""
MEMORY_PER_BYTE = 200


@dataclass(frozen=True, slots=True)
class Target:
    """A decoder. ``make`` gives an input from a ``random.Random``; ``errors`` are those it may raise."""

    name: str
    make: Callable[[Any], Any]
    decode: Callable[[Any], object]
    errors: tuple[type[Exception], ...]


class Misbehaved(AssertionError):
    """A decoder did something else than decode or refuse."""


def judge(target: Target, given: Any) -> bool:
    """Whether the input was decoded, or refused. Raises ``Misbehaved``."""
    size = len(given)
    own = not tracemalloc.is_tracing()
    if own:
        tracemalloc.start()
    tracemalloc.reset_peak()
    before_bytes = tracemalloc.get_traced_memory()[0]
    begun_s = time.process_time()
    decoded = True
    try:
        target.decode(given)
    except target.errors:
        decoded = False
    except Exception as other:
        raise Misbehaved(f"{target.name} raised {type(other).__name__}: {str(other)[:300]}") from other
    finally:
        spent_s = time.process_time() - begun_s
        peak_bytes = tracemalloc.get_traced_memory()[1] - before_bytes
        if own:
            tracemalloc.stop()
    if spent_s > CPU_S_FIXED + CPU_S_PER_BYTE * size:
        raise Misbehaved(f"{target.name} took {spent_s:.2f} s for {size} bytes")
    if peak_bytes > MEMORY_FIXED + MEMORY_PER_BYTE * size:
        raise Misbehaved(f"{target.name} took {peak_bytes / 1e6:.1f} MB of memory for {size} bytes")
    return decoded
