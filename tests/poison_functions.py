"""An extension package whose functions do harm on certain numbers; for tests of poison events.

Imported by unit tests, and installed as a package for real nodes by ``tests/integration/test_poison.py``.
"""

from __future__ import annotations

import os
from typing import Any, Final

from eiha.extensions import scalar_function, window

ABORTS: Final = 666_001
HANGS: Final = 666_002
RAISES: Final = 666_003
HIDES: Final = 666_004
SHOWS: Final = 666_005
DEFIES: Final = 666_006


@scalar_function("poison:touch", "number long -> long", deterministic=True, on_error="null")
def touch(number: int) -> int:
    """Give the number back, unless it is poison."""
    if number == ABORTS:
        os.abort()
    while number == HANGS:
        pass
    return number


@window("poison:keep", "", deterministic=True)
class Keep:
    """Lets rows through; what it is asked about timers raises after a bad row, where nobody expects it to.

    The last attribute of a row is its number. From ``HIDES`` to ``SHOWS`` its state cannot be told,
    from ``DEFIES`` on it is nothing that can be written.
    """

    def __init__(self) -> None:
        self._is_spoilt = False
        self._is_hidden = False
        self._state: object = None

    def receive(self, row: tuple[Any, ...], now_ms: int) -> list[tuple[tuple[Any, ...], bool]]:
        self._is_spoilt = self._is_spoilt or row[-1] == RAISES
        self._state = object() if row[-1] == DEFIES else None if row[-1] == SHOWS else self._state
        self._is_hidden = (self._is_hidden or row[-1] == HIDES) and row[-1] != SHOWS
        return [(row, False)]

    def fire(self, now_ms: int) -> list[tuple[tuple[Any, ...], bool]]:
        return []

    def timer_ms(self) -> None:
        if self._is_spoilt:
            raise RuntimeError(f"number {RAISES} is not to be asked about")

    def snapshot(self) -> object:
        if self._is_hidden:
            raise RuntimeError("not to be told")
        return self._is_spoilt if self._state is None else self._state

    def restore(self, state: bool) -> None:
        self._is_spoilt = state
