"""Randomness with a name: one generator per purpose, so that a change in one part does not stir all others."""

from __future__ import annotations

import random


class Randomness:
    """Gives out generators that depend on the seed and the purpose only (not on PYTHONHASHSEED)."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def stream(self, purpose: str) -> random.Random:
        """A generator for ``purpose``; asked twice, it gives the same numbers twice."""
        return random.Random(f"eiha {self.seed} {purpose}")  # noqa: S311


def microseconds(rng: random.Random, low: int, high: int) -> int:
    """A whole number from ``low`` to ``high``: like ``randint``, at a third of its cost."""
    return low + int(rng.random() * (high - low + 1))
