"""What rate limits mean, row by row: the model that the columnar operators are held against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

CURRENT = 0
EXPIRED = 1


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a select: ``key`` is compared, ``total`` stands for an aggregate."""

    key: str | None
    total: int
    kind: int
    group: int
    timestamp: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows that come at once, at ``now_ms`` of the plan's clock."""

    now_ms: int
    rows: tuple[Row, ...]


Shown = tuple[str | None, int, int, int]


def shown(row: Row, total: int | None = None) -> Shown:
    """What of a row is compared."""
    return row.key, row.total if total is None else total, row.kind, row.timestamp


class Model:
    """``kind``: all, first, last; ``every``: events or ms."""

    def __init__(self, kind: str, every: int, *, by_time: bool, grouped: bool) -> None:
        self.kind, self.every, self.by_time, self.grouped = kind, every, by_time, grouped
        self.due_ms = every
        self.count = 0
        self.held: list[Row] = []
        self.latest: dict[int, Row] = {}
        self.counts: dict[int, int] = {}
        self.passed_ms: dict[int, int] = {}

    def take(self, chunk: Chunk) -> list[list[Shown]]:
        """The chunks that go out because of ``chunk``."""
        if self.by_time and self.kind != "first":
            out = self.pass_time(chunk.now_ms)
            for row in chunk.rows:
                out += self.before_row(row)
                self.hold(row)
            return out
        if self.kind == "first":
            passed = [shown(row) for place, row in enumerate(chunk.rows) if self.is_first(row, chunk.now_ms, place)]
            return [passed] if passed else []
        return [each for row in chunk.rows for each in self.count_row(row)]

    def pass_time(self, now_ms: int) -> list[list[Shown]]:
        out = []
        while self.due_ms <= now_ms:
            out += self.flush()
            self.due_ms += self.every
        return out

    def before_row(self, row: Row) -> list[list[Shown]]:
        return []

    def hold(self, row: Row) -> None:
        if self.kind == "all":
            self.held.append(row)
        else:
            self.latest[row.group if self.grouped else 0] = row

    def flush(self) -> list[list[Shown]]:
        rows = self.held or list(self.latest.values())
        self.held, self.latest = [], {}
        return [[shown(row) for row in rows]] if rows else []

    def is_first(self, row: Row, now_ms: int, place: int) -> bool:
        group = row.group if self.grouped else 0
        if self.by_time:
            before = self.passed_ms.get(group)
            if before is not None and before + self.every > now_ms:
                return False
            self.passed_ms[group] = now_ms
            return True
        self.counts[group] = self.counts.get(group, 0) + 1
        return self.counts[group] % self.every == 1 % self.every

    def count_row(self, row: Row) -> list[list[Shown]]:
        self.hold(row)
        self.count += 1
        if self.count < self.every:
            return []
        self.count = 0
        return self.flush()


class SnapshotModel(Model):
    """``output snapshot every t``; ``shape``: last, balance, window."""

    def __init__(self, every: int, *, shape: str, grouped: bool, aggregated: bool) -> None:
        super().__init__("snapshot", every, by_time=True, grouped=grouped)
        self.shape, self.aggregated = shape, aggregated
        self.totals: dict[int, int] = {}
        self.balance: dict[int, int] = {}

    def before_row(self, row: Row) -> list[list[Shown]]:
        if row.timestamp < self.due_ms:
            return []
        out = self.flush()
        self.due_ms += self.every
        return out

    def hold(self, row: Row) -> None:
        group = row.group if self.grouped else 0
        if self.shape == "last":
            self.latest[group] = row
        elif self.shape == "balance":
            self.latest[group] = row
            self.balance[group] = self.balance.get(group, 0) + (1 if row.kind == CURRENT else -1)
            if not self.grouped and row.kind == EXPIRED:
                self.latest = {}
        elif row.kind == CURRENT:
            self.held.append(row)
            self.totals[group] = row.total
        else:
            for place, each in enumerate(self.held):
                if each.key == row.key and (self.aggregated or each.total == row.total):
                    del self.held[place]
                    self.totals[group] = row.total
                    break

    def flush(self) -> list[list[Shown]]:
        if self.shape == "balance" and self.grouped:
            self.latest = {group: row for group, row in self.latest.items() if self.balance[group] > 0}
            self.balance = {group: self.balance[group] for group in self.latest}
        rows: list[Shown] = [shown(row) for row in self.latest.values()]
        if self.shape == "window":
            rows = []
            groups: set[int] = set()
            for row in self.held:
                group = row.group if self.grouped else 0
                if not self.aggregated:
                    rows.append(shown(row))
                elif not self.grouped or group not in groups:
                    groups.add(group)
                    rows.append(shown(row, self.totals[group]))
        return [rows] if rows else []


def model_of(shape: dict[str, Any]) -> Model:
    """The model for what a test says of a limit."""
    if shape["kind"] == "snapshot":
        return SnapshotModel(
            shape["every"], shape=shape["shape"], grouped=shape["grouped"], aggregated=shape["aggregated"]
        )
    return Model(shape["kind"], shape["every"], by_time=shape["by_time"], grouped=shape["grouped"])
