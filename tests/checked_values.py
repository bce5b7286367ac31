"""In tests every column and every batch is checked when it is made; at work nobody pays for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from eiha.events.batch import EventBatch
from eiha.events.column import Column

CHECKED: Final = (Column, EventBatch)


def check_values() -> None:
    """From now on, whatever is made of the classes above is looked at."""
    for each in CHECKED:
        each.__init__ = _checking(each.__init__)  # type: ignore[method-assign]


def _checking(make: Callable[..., None]) -> Callable[..., None]:
    if getattr(make, "checks", False):
        return make

    def run(self: Any, *arguments: Any, **named: Any) -> None:
        make(self, *arguments, **named)
        self.check()

    run.checks = True  # type: ignore[attr-defined]
    return run
