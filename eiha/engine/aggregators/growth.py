"""Arrays that grow with the number of groups."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

_ROOM_MIN = 16

FORGET_MIN: Final = 1 << 16
"""So many new groups or values come at least before it is looked which ones are back where they began."""


def next_look(living: int) -> int:
    """At how many groups (or values) to look again which can be forgotten, if ``living`` cannot."""
    return 2 * living + FORGET_MIN


def grown(array: npt.NDArray[Any], size: int, fill: object = 0) -> npt.NDArray[Any]:
    """``array`` if it has room for ``size`` entries, else a copy with twice the room, new entries ``fill``."""
    if size <= len(array):
        return array
    room = max(_ROOM_MIN, 1 << (size - 1).bit_length())
    wider = np.full(room, fill, dtype=array.dtype)
    wider[: len(array)] = array
    return wider
