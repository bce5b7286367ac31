"""Lines through measured points, and how far off they are at worst."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """``fixed + per_unit * size``; ``error``: the largest relative difference to a point it was fitted to."""

    fixed: float
    per_unit: float
    error: float

    def at(self, size: float) -> float:
        """The value for ``size``; nothing is below 0."""
        return max(0.0, self.fixed + self.per_unit * size)


def fit_line(sizes: Sequence[float], values: Sequence[float]) -> Line:
    """The line of least relative squares: a point of 1,000 counts like one of 10,000,000."""
    weights = [1 / max(abs(value), 1e-12) ** 2 for value in values]
    total = sum(weights)
    mean_size = sum(w * x for w, x in zip(weights, sizes, strict=True)) / total
    mean_value = sum(w * y for w, y in zip(weights, values, strict=True)) / total
    spread = sum(w * (x - mean_size) ** 2 for w, x in zip(weights, sizes, strict=True))
    both = sum(w * (x - mean_size) * (y - mean_value) for w, x, y in zip(weights, sizes, values, strict=True))
    per_unit = both / spread if spread else 0.0
    fixed = mean_value - per_unit * mean_size
    line = Line(fixed, per_unit, 0.0)
    errors = [abs(line.at(x) - y) / y for x, y in zip(sizes, values, strict=True) if y > 0]
    return Line(fixed, per_unit, max(errors, default=0.0))


@dataclass(frozen=True, slots=True)
class Steps:
    """Between measured sizes on a straight line over the logarithm of the size, beyond them as at the ends.

    For the time of an event, which steps up where the state leaves one cache after the other.
    """

    sizes: tuple[float, ...]
    values: tuple[float, ...]

    def at(self, size: float) -> float:
        """The value for ``size``."""
        sizes, values = self.sizes, self.values
        if size <= sizes[0]:
            return values[0]
        for index in range(1, len(sizes)):
            if size <= sizes[index]:
                part = math.log(size / sizes[index - 1]) / math.log(sizes[index] / sizes[index - 1])
                return values[index - 1] + part * (values[index] - values[index - 1])
        return values[-1]
