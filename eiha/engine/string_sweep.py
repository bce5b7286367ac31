"""Which strings a plan still holds: at positions of the log, all others are forgotten, and their ids are given again.

What is held is read from the plan's state as a snapshot has it: every number in it that could be an id is taken for
one, also each half of a long, since pairs of keys are packed that way. So nothing that is held is ever lost, whatever
operators there are; a number that only looks like an id keeps a string until the next time, and there are never
more such than numbers in the state.

Whatever operators know beside their state (ids by text, ranks of strings, indexes of tables) is gone with them: the
plan goes on as one that was restored from that snapshot. So a node that ran through and one that was restored
stay equal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from eiha.engine.operator import OperatorState
from eiha.engine.plan_runtime import PlanRuntime
from eiha.engine.snapshot import decode_state, encode_state
from eiha.events.strings import StringTable

_PART_WEIGHT: Final = 32
"""What a part of the state weighs beside its numbers, by the time that it takes to save and restore it."""

_LOW_HALF: Final = (1 << 32) - 1


def sweep(strings: StringTable, runtime: PlanRuntime, make: Callable[[], PlanRuntime]) -> PlanRuntime:
    """Forget the strings that ``runtime`` does not hold; what goes on in its place.

    Between entries only, when outputs and faults have been taken. ``make`` gives such a runtime without state.
    """
    with np.errstate(all="ignore"):
        state = decode_state(encode_state(runtime.snapshot()))
        held, weight = held_ids(state, len(strings))
        strings.forget_all_but(held, weight)
        fresh = make()
        fresh.restore(state)
    return fresh


def held_ids(state: OperatorState, count: int) -> tuple[npt.NDArray[np.bool_], int]:
    """Which of the ids below ``count`` may stand in ``state``, and how much state that is."""
    held = np.zeros(count, dtype=np.bool_)
    plain: list[int] = []
    weight = 0
    parts: list[Any] = [state]
    while parts:
        part = parts.pop()
        match part:
            case bool() | None | str() | float() | bytes():
                weight += 1
            case int():
                weight += 1
                plain.append(part)
            case dict():
                weight += _PART_WEIGHT
                parts += part.keys()
                parts += part.values()
            case list() | tuple() | frozenset():
                weight += _PART_WEIGHT
                parts += part
            case np.ndarray():
                weight += _PART_WEIGHT + len(part)
                if part.dtype.kind in "iu":
                    _mark(part, held)
            case _:
                raise TypeError(f"{type(part).__name__} cannot be part of a state")
    # numbers of more than 64 bits are values of objects, no ids
    _mark(np.array([each for each in plain if -(1 << 63) <= each < 1 << 63], dtype=np.int64), held)
    return held, weight


def _mark(numbers: npt.NDArray[Any], held: npt.NDArray[np.bool_]) -> None:
    _mark_in_range(numbers, held)
    if numbers.dtype.itemsize == np.dtype(np.int64).itemsize:
        _mark_in_range(numbers >> 32, held)
        _mark_in_range(numbers & _LOW_HALF, held)


def _mark_in_range(numbers: npt.NDArray[Any], held: npt.NDArray[np.bool_]) -> None:
    held[numbers[(numbers >= 0) & (numbers < len(held))]] = True
