"""Places in a plan's text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Span:
    """A place in the plan text: ``line`` from 1, ``column`` from 0, ``end`` exclusive, as offsets too."""

    line: int
    column: int
    start: int
    end: int


NO_SPAN: Final = Span(0, 0, 0, 0)
