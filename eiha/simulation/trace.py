"""What happened, twice: as a running checksum (always, cheap) and as readable lines (when asked)."""

from __future__ import annotations

import zlib
from collections.abc import Callable

from eiha.simulation.scheduler import MS, Scheduler

TEXT_LENGTH_MAX = 400


class Trace:
    """Collects events of one run. Equal seeds give equal ``checksum``; that is how replay is tested."""

    __slots__ = ("_scheduler", "checksum", "lines", "on")

    def __init__(self, scheduler: Scheduler, *, on: bool) -> None:
        self._scheduler = scheduler
        self.on = on
        self.checksum = 0
        self.lines: list[str] = []

    def mark(self, where: str, what: str) -> None:
        """Let an event of kind ``what`` at ``where`` count in the checksum."""
        self.checksum = zlib.crc32(f"{self._scheduler.now_us}{where}{what}".encode(), self.checksum)

    def line(self, where: str, what: str, detail: str) -> None:
        """A readable line that does not count in the checksum."""
        if len(detail) > TEXT_LENGTH_MAX:
            detail = detail[:TEXT_LENGTH_MAX] + "…"
        self.lines.append(f"{self._scheduler.now_us / MS:10.3f} ms  {where:8s} {what:18s} {detail}")

    def note(self, where: str, what: str, detail: Callable[[], str] | str = "") -> None:
        """Like ``mark``, and a readable line if the trace is on; ``detail`` is only called then."""
        self.mark(where, what)
        if self.on:
            self.line(where, what, detail if isinstance(detail, str) else detail())
