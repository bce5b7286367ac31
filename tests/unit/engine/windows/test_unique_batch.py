"""Batches with one row for each key against what a child would write: a dict of the rows by key."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eiha.engine.windows.external_time_batch import ExternalPeriods
from eiha.engine.windows.java_hash_table import hash_map_order, hash_map_table, spread_hash
from eiha.engine.windows.unique_batch import UniqueBatches, UniqueBatchWindow
from eiha.engine.windows.unique_external import UniqueExternalTimeBatchWindow
from eiha.engine.windows.unique_periods import UniquePeriodsWindow
from tests.unit.engine.windows.row_by_row import SCHEMA, Call, Oracle, Row, as_rows, cut, run_operator, run_oracle
from tests.unit.engine.windows.test_window_laws import few_names, names

Chunk = list[tuple[str, Row]]


class Batches(Oracle):
    """Keyed by name."""

    def __init__(self, batches: UniqueBatches, playback: bool) -> None:
        super().__init__(playback)
        self.batches = batches
        self.current: dict[int | None, Row] = {}
        self.sent: list[Row] = []
        self.end: int | None = None
        self.is_over = False
        self.most = 0
        self.texts = names()

    def content(self) -> list[Row]:
        return self.sent if self.batches.length_ms is not None else list(self.current.values())

    def send(self, at: int) -> list[Chunk]:
        self.most = max(self.most, len(self.current))
        hashes = [spread_hash("null" if key is None else self.texts.text(key)) for key in self.current]
        rows = list(self.current.values())
        rows = [rows[place] for place in hash_map_order(hashes, hash_map_table(self.most))]
        out: Chunk = [("EXPIRED", (at, values)) for _, values in self.sent]
        out += [("RESET", (at, rows[0][1]))] if rows else []
        out += [("CURRENT", (at, values)) for _, values in rows]
        self.sent, self.current = rows, {}
        return [out] if out else []

    def chunk(self, now: int, rows: list[Row]) -> list[Chunk]:
        length = self.batches.length_ms
        is_due, was_over = False, self.is_over
        if length is not None:
            if self.end is None:
                start = self.batches.start_ms
                self.end = now + length - (0 if start is None else (now - start) % length)
            if now >= self.end:
                self.end += length
                self.is_over, is_due = False, not was_over
        if was_over:
            return []
        out: list[Chunk] = []
        for row in rows:
            if not (self.batches.first and row[1][0] in self.current):
                self.current[row[1][0]] = row
            if len(self.current) == self.batches.keys:
                out += self.send(now)
                if length is not None:
                    self.is_over = True
                    return out
        return out + (self.send(now) if is_due else [])

    def timers(self, now: int) -> list[Chunk]:
        out: list[Chunk] = []
        while self.end is not None and self.end <= now:
            at = now if self.playback else max(self.end, self.clock)
            self.clock = max(self.clock, at)
            assert self.batches.length_ms is not None
            self.end += self.batches.length_ms
            if not self.is_over:
                out += self.send(at)
            self.is_over = False
            while not self.current and not self.sent and self.end <= now:
                self.end += self.batches.length_ms
        return out


@pytest.mark.parametrize(
    "batches",
    [
        UniqueBatches(keys=3),
        UniqueBatches(keys=2, first=True),
        UniqueBatches(length_ms=20),
        UniqueBatches(length_ms=30, start_ms=7, first=True),
        UniqueBatches(keys=2, length_ms=40),
    ],
    ids=str,
)
@given(calls=few_names(), playback=st.booleans())
@settings(deadline=None, max_examples=20)
def test_a_batch_has_one_row_for_each_key(batches: UniqueBatches, calls: list[Call], playback: bool) -> None:
    strings = names()

    def make() -> UniqueBatchWindow:
        return UniqueBatchWindow(SCHEMA, 0, batches, strings, playback=playback)

    window, oracle = make(), Batches(batches, playback)
    expected = run_oracle(oracle, calls)
    assert run_operator(window, calls) == expected
    assert [values for *_, values in as_rows(window.content(), None)] == [values for _, values in oracle.content()]
    assert run_operator(make(), cut(calls), make) == expected


@given(
    calls=few_names(),
    start_ms=st.sampled_from([None, 0, 7]),
    length_ms=st.sampled_from([10, 30]),
    replaces=st.booleans(),
)
@settings(deadline=None, max_examples=40)
def test_periods_without_a_timeout_are_those_of_the_window_that_looks_row_by_row(
    calls: list[Call], start_ms: int | None, length_ms: int, replaces: bool
) -> None:
    strings = names()
    periods = ExternalPeriods(2, length_ms, start_ms, None, 0, replaces)

    def make() -> UniquePeriodsWindow:
        return UniquePeriodsWindow(SCHEMA, 0, periods, strings)

    window, other = make(), UniqueExternalTimeBatchWindow(SCHEMA, 0, periods, strings, playback=True)
    expected = run_operator(other, calls)
    assert run_operator(window, calls) == expected
    assert as_rows(window.content(), None) == as_rows(other.content(), None)
    assert run_operator(make(), cut(calls), make) == expected


def test_many_keys_go_out_as_a_hash_map_lists_them() -> None:
    calls = [Call(1_000, [[(1_000, (number % 97, None, number))] for number in range(400)])]
    expected = run_oracle(Batches(UniqueBatches(keys=90), True), calls)
    window = UniqueBatchWindow(SCHEMA, 0, UniqueBatches(keys=90), names(), playback=True)
    assert run_operator(window, calls) == expected
    assert sum(kind == "CURRENT" for _, kind, *_ in expected) == 4 * 90
