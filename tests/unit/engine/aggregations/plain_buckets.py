"""An aggregation as a child would write it: every event is kept, and every question goes through all of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from eiha.plan.granularities import Granularity

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LENGTHS = {
    Granularity.SECOND: 1_000,
    Granularity.MINUTE: 60_000,
    Granularity.HOUR: 3_600_000,
    Granularity.DAY: 86_400_000,
}


@dataclass(frozen=True)
class Event:
    """``key`` and ``n`` may be null; ``time_ms`` is what ``aggregate by`` reads, ``arrival_ms`` the clock."""

    key: str | None
    n: int | None
    x: float | None
    time_ms: int
    arrival_ms: int


def bucket_start(time_ms: int, granularity: Granularity) -> int:
    length = LENGTHS.get(granularity)
    if length is not None:
        return time_ms // length * length
    moment = EPOCH + timedelta(milliseconds=time_ms)
    month = moment.month if granularity is Granularity.MONTH else 1
    return (datetime(moment.year, month, 1, tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1)


@dataclass
class PlainBuckets:
    """``retention_ms`` and ``interval_ms`` as in the definition; the first purge is due an interval after the first
    event.
    """

    granularities: tuple[Granularity, ...]
    retention_ms: tuple[int | None, ...]
    interval_ms: int | None
    kept: dict[Granularity, list[Event]] = field(default_factory=dict)
    due_ms: int | None = None

    def add(self, event: Event) -> None:
        if self.interval_ms is not None:
            if self.due_ms is None:
                self.due_ms = event.arrival_ms + self.interval_ms
            self.purge(event.arrival_ms)
        for granularity in self.granularities:
            self.kept.setdefault(granularity, []).append(event)

    def purge(self, now_ms: int) -> None:
        assert self.interval_ms is not None
        assert self.due_ms is not None
        if self.due_ms <= now_ms:
            # of purges without an event between them the last one drops what all would
            self.due_ms += (now_ms - self.due_ms) // self.interval_ms * self.interval_ms
            for granularity, retention_ms in zip(self.granularities, self.retention_ms, strict=True):
                if retention_ms is not None:
                    cutoff_ms = self.due_ms - retention_ms
                    events = self.kept.get(granularity, [])
                    self.kept[granularity] = [e for e in events if bucket_start(e.time_ms, granularity) >= cutoff_ms]
            self.due_ms += self.interval_ms

    def find(self, start_ms: int, end_ms: int, granularity: Granularity, now_ms: int) -> list[list[Any]]:
        """Rows: start, key, sum of n, avg of n, sum of x, min of n, max of x, count, distinctCount of n, latest n."""
        if self.interval_ms is not None and self.due_ms is not None:
            reader = replace(self, kept=dict(self.kept))
            reader.purge(now_ms)
            return reader._found(start_ms, end_ms, granularity, now_ms)
        return self._found(start_ms, end_ms, granularity, now_ms)

    def _found(self, start_ms: int, end_ms: int, granularity: Granularity, now_ms: int) -> list[list[Any]]:
        buckets: dict[tuple[int, str], list[Event]] = {}
        for event in self.kept.get(granularity, []):
            if start_ms <= self._judged_at(event, granularity, now_ms) < end_ms:
                start = bucket_start(event.time_ms, granularity)
                buckets.setdefault((start, "null" if event.key is None else event.key), []).append(event)
        return [[start, key, *summary(events)] for (start, key), events in sorted(buckets.items())]

    def _judged_at(self, event: Event, granularity: Granularity, now_ms: int) -> int:
        """By what still is in the clock's own second, minute and so on when the question comes."""
        for finer in self.granularities:
            same = bucket_start(event.arrival_ms, finer) == bucket_start(now_ms, finer)
            if finer is granularity or same:
                return bucket_start(event.time_ms, finer)
        raise AssertionError(granularity)


def summary(events: list[Event]) -> list[Any]:
    numbers = [event.n for event in events if event.n is not None]
    values = [event.x for event in events if event.x is not None]
    latest = max(events, key=lambda event: event.time_ms)
    newest = [event for event in events if event.time_ms == latest.time_ms][-1]
    return [
        sum(numbers) if numbers else None,
        sum(numbers) / len(events) if numbers else None,
        sum(values) if values else None,
        min(numbers) if numbers else None,
        max(values) if values else None,
        len(events),
        len({event.n for event in events}),
        newest.n,
    ]
