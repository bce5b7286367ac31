"""CPU time and names of another process's threads, as Linux counts them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

LEAST_SHARE = 0.01
"""Threads that took less of the process's time than this are told together."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Nanoseconds of CPU per thread id, and each thread's name."""

    nanoseconds: Mapping[int, int]
    names: Mapping[int, str]

    @classmethod
    def of(cls, pid: int) -> Usage:
        """What the threads of ``pid`` have used so far; those that ended are not told."""
        nanoseconds: dict[int, int] = {}
        names: dict[int, str] = {}
        for directory in Path(f"/proc/{pid}/task").iterdir():
            thread = int(directory.name)
            try:
                names[thread] = "event loop" if thread == pid else (directory / "comm").read_text().strip()
                nanoseconds[thread] = int((directory / "schedstat").read_text().split()[0])
            except FileNotFoundError:
                names.pop(thread, None)  # it ended meanwhile
        return cls(nanoseconds, names)


def usage_since(before: Usage, pid: int, events: float) -> dict[str, float]:
    """CPU time since ``before`` per event, in ns, by name of thread, the most first."""
    now = Usage.of(pid)
    by_name: dict[str, float] = {}
    for thread, nanoseconds in now.nanoseconds.items():
        name = now.names[thread]
        by_name[name] = by_name.get(name, 0.0) + (nanoseconds - before.nanoseconds.get(thread, 0)) / events
    total = sum(by_name.values())
    found = {name: cost for name, cost in by_name.items() if cost >= LEAST_SHARE * total}
    found["others"] = total - sum(found.values())
    return {name: round(cost, 1) for name, cost in sorted(found.items(), key=lambda each: -each[1])}
