"""One of two values a row. Both are read, so there is no branch, which a coin toss of a condition would mislead."""

from __future__ import annotations

from eiha.engine.jit import ReadBool, ReadNumber, WriteNumber, kernel


@kernel
def choose(condition: ReadBool, then: ReadNumber, otherwise: ReadNumber, out: WriteNumber) -> None:
    """``out`` becomes ``then`` where ``condition`` is true, else ``otherwise``; all are equally long."""
    for row in range(len(condition)):
        first = then[row]
        second = otherwise[row]
        out[row] = first if condition[row] else second
