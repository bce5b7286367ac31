"""``session`` against what a child would write: lists of rows by key, every session looked at by every timer."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eiha.engine.windows.java_hash_table import hash_map_table, spread_hash
from eiha.engine.windows.session import SessionWindow
from eiha.events.strings import StringTable
from tests.unit.engine.windows.row_by_row import SCHEMA, Call, Oracle, Row, as_rows, cut, run_operator, run_oracle
from tests.unit.engine.windows.test_window_laws import few_names, names

Chunk = list[tuple[str, Row]]


@dataclass
class Session:
    rows: list[Row] = field(default_factory=list)
    start: int = 0
    end: int = 0
    at: int = -1

    def take(self) -> list[Row]:
        rows, self.rows, self.at = self.rows, [], -1
        return rows

    def add_late(self, rows: list[Row]) -> None:
        self.at += self.at + 1 < len(self.rows)
        self.rows[self.at : self.at] = rows
        self.at += len(rows)


class SessionRows(Oracle):
    def __init__(self, gap: int, keyed: bool, latency: int) -> None:
        super().__init__(playback=True)
        self.gap, self.keyed, self.latency = gap, keyed, latency
        self.current: dict[int | None, Session] = {}
        self.previous: dict[int | None, Session] = {}
        self.set: list[int] = []
        self.most = self.late = 0
        texts = names()
        self.texts = {number: texts.text(number) for number in range(100)}

    def content(self) -> list[Row]:
        return [row for key in self.current for row in (*self.previous[key].rows, *self.current[key].rows)]

    def chunk(self, now: int, rows: list[Row]) -> list[Chunk]:
        out: Chunk = []
        leaving: list[Row] = []
        for row in rows:
            key = row[1][0] if self.keyed else None
            self.previous.setdefault(key, Session())
            if self.enter(self.current.setdefault(key, Session()), self.previous[key], row, leaving):
                out.append(("CURRENT", row))
            else:
                self.late += 1
        return [[*out, *(("EXPIRED", row) for row in leaving)]]

    def enter(self, current: Session, previous: Session, row: Row, leaving: list[Row]) -> bool:
        time = row[0]
        if not current.rows:
            current.start = time
        elif time < current.start:
            return self.enter_late(current, previous, row)
        elif time > current.end:
            if not self.latency:
                return True
            leaving += previous.take()
            previous.rows, previous.start, previous.end = current.take(), current.start, current.end
            self.set.append(previous.end + self.latency)
            current.start = time
        current.rows.append(row)
        current.end = time + self.gap
        self.set.append(current.end)
        return True

    def enter_late(self, current: Session, previous: Session, row: Row) -> bool:
        time = row[0]
        if time >= current.start - self.gap:
            current.add_late([row])
            current.start = time
            self.merge(current, previous, self.latency > 0)
            return True
        if not previous.rows or time < previous.start - self.gap:
            return False
        previous.rows.append(row)
        if time <= previous.end - self.gap and time < previous.start:
            previous.start = time
        else:
            previous.end = time + self.gap
            self.merge(current, previous, True)
        return True

    def merge(self, current: Session, previous: Session, may: bool) -> None:
        if may and previous.rows and previous.end >= current.start - self.gap:
            current.start = previous.start
            current.add_late(previous.take())

    def timers(self, now: int) -> list[Chunk]:
        out: list[Chunk] = []
        while self.set and self.set[0] <= now:
            left = self.let_leave(self.set.pop(0))
            out += [[("EXPIRED", row) for row in left]] if left else []
        return out

    def let_leave(self, timer: int) -> list[Row]:
        leaving: list[Row] = []
        self.most = max(self.most, sum(bool(each.rows) for each in self.current.values()))
        for key in self.due(self.current, timer):
            current, previous = self.current[key], self.previous[key]
            if self.latency:
                previous.rows, previous.start, previous.end = previous.rows + current.take(), current.start, current.end
                self.set.append(previous.end + self.latency)
            else:
                leaving += current.take()
        for key in self.due(self.previous, timer - self.latency):
            leaving += self.previous[key].take()
        for key in [key for key in self.current if not self.current[key].rows and not self.previous[key].rows]:
            del self.current[key], self.previous[key]
        return leaving

    def due(self, sessions: dict[int | None, Session], by: int) -> list[int | None]:
        bins = hash_map_table(self.most) - 1
        over = [(each.end, key) for key, each in sessions.items() if each.rows and each.end <= by]
        hashes = {key: spread_hash("null" if key is None else self.texts[key]) for _, key in over}
        return [key for _, key in sorted(over, key=lambda each: (each[0], hashes[each[1]] & bins, hashes[each[1]]))]


@pytest.mark.parametrize(("keyed", "latency"), [(False, 0), (False, 7), (True, 0), (True, 5), (True, 40)])
@given(calls=few_names(), gap=st.sampled_from([5, 12, 40]))
@settings(deadline=None, max_examples=15)
def test_rows_of_a_key_that_follow_one_another_leave_together(
    keyed: bool, latency: int, calls: list[Call], gap: int
) -> None:
    def make() -> SessionWindow:
        return SessionWindow(SCHEMA, gap, 0 if keyed else None, latency, strings)

    strings = names()
    window, oracle = make(), SessionRows(gap, keyed, latency)
    assert run_operator(window, calls) == run_oracle(oracle, calls)
    assert [values for *_, values in as_rows(window.content(), None)] == [values for _, values in oracle.content()]
    assert window.late == oracle.late
    assert run_operator(make(), cut(calls), make) == run_oracle(SessionRows(gap, keyed, latency), calls)


def test_many_sessions_that_end_at_once_leave_as_a_hash_map_lists_them() -> None:
    calls = [Call(1_000, [[(1_000, (number, None, 0))] for number in range(40)]), Call(1_100)]
    expected = run_oracle(SessionRows(10, True, 0), calls)
    assert run_operator(SessionWindow(SCHEMA, 10, 0, 0, names()), calls) == expected
    assert [values[0] for *_, values in expected[40:]] != list(range(40))


def test_slots_of_sessions_that_left_are_given_back() -> None:
    strings = StringTable(f"name{number}" for number in range(3_000))
    window = SessionWindow(SCHEMA, 10, 0, 5, strings)
    burst = [Call(1_000, [[(1_000, (number, None, 0))] for number in range(3_000)])]
    trickle = [Call(now, [[(now, (1 + now % 7, None, now))]]) for now in range(1_015, 3_000)]
    out = run_operator(window, burst + trickle)
    assert sum(kind == "EXPIRED" for _, kind, *_ in out) == len(out) - sum(kind == "CURRENT" for _, kind, *_ in out)
    other = SessionWindow(SCHEMA, 10, 0, 5, strings)
    other.restore(window.snapshot())
    later = [Call(now, [[(now, (now % 11, None, now))]]) for now in range(3_000, 4_000)]
    assert run_operator(window, later) == run_operator(other, later)
    assert len(window._slots) < 3_000
