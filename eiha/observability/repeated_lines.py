"""Lines that strangers can cause at will: each kind once a minute, with how many more there were."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from eiha.observability.logs import EventLog

QUIET_S: Final = 60.0
KINDS_MAX: Final = 1_000
"""Kinds are codes of ours; above, something else got into them, and all are begun anew."""


class RepeatedLines:
    """Writes to ``log``, sparingly. On the event loop."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def say(self, level: str, event: str, kind: str, text: str, **facts: Any) -> None:
        """A line, unless one of this event and kind was written within the last minute."""
        now_s = asyncio.get_running_loop().time()
        at_s, more = self._said.get((event, kind), (-QUIET_S, 0))
        if now_s - at_s < QUIET_S:
            self._said[(event, kind)] = (at_s, more + 1)
            return
        if len(self._said) >= KINDS_MAX:
            self._said.clear()
        self._said[(event, kind)] = (now_s, 0)
        self._log.write(level, event, text + (f" ({more} more like it since the last line)" if more else ""), **facts)
