"""Division of ints by one positive number, by a multiplication and a shift: processors divide slowly, one at a time.

For a divisor d, with s = 31 + ceil(log2 d) and f = floor(2^s / d) + 1, f * d = 2^s + e where 0 < e <= d <= 2^(s - 31).
So for 0 <= n <= 2^31 the quotient n * f / 2^s is too large by less than what would reach the next whole number, and its
floor is that of n / d; for -n the floor of -n * f / 2^s is one less than Java's quotient. No product exceeds 63 bits.
"""

from __future__ import annotations

import numpy as np

from eiha.engine.jit import ReadInt32, WriteInt32, kernel

_BITS = 31


def factor_and_shift(divisor: int) -> tuple[int, int]:
    """What the kernels multiply with and shift by, for a ``divisor`` from 1 to 2^31 - 1."""
    assert 0 < divisor < 1 << _BITS
    shift = _BITS + (divisor - 1).bit_length()
    return (1 << shift) // divisor + 1, shift


@kernel
def quotients(values: ReadInt32, factor: int, shift: int, out: WriteInt32) -> None:
    """Java's quotients: towards zero."""
    for row in range(len(values)):
        value = np.int64(values[row])
        out[row] = ((value * factor) >> shift) + (value < 0)


@kernel
def remainders(values: ReadInt32, divisor: int, factor: int, shift: int, out: WriteInt32) -> None:
    """Java's remainders: with the sign of the value."""
    for row in range(len(values)):
        value = np.int64(values[row])
        out[row] = value - (((value * factor) >> shift) + (value < 0)) * divisor
