"""Every rate limit against its model, however the rows are cut into batches and whenever the state is carried away."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eiha.engine.chunk_rows import chunks_of
from eiha.engine.operator import RowClock
from eiha.engine.operators.selected import NO_RESETS, Selected
from eiha.engine.rate_limits.by_events import (
    AllByEvents,
    FirstByEvents,
    FirstOfGroupByEvents,
    LastByEvents,
    LastOfGroupByEvents,
)
from eiha.engine.rate_limits.by_time import AllByTime, LastByTime
from eiha.engine.rate_limits.first_by_time import FirstByTime
from eiha.engine.rate_limits.limiter import RateLimiter
from eiha.engine.rate_limits.snapshots import LastRowSnapshot
from eiha.engine.rate_limits.window_snapshots import WindowSnapshot
from eiha.engine.snapshot import decode_state, encode_state
from eiha.events.batch import CHUNK_STRIDE, EventBatch
from eiha.events.column import Column
from eiha.events.schema import Attribute, AttributeType, Schema
from eiha.events.strings import StringTable
from tests.unit.engine.rate_limits.limiter_model import CURRENT, EXPIRED, Chunk, Row, Shown, model_of

SCHEMA = Schema((Attribute("key", AttributeType.STRING), Attribute("total", AttributeType.LONG)))
GROUPS = 3

COUNTED = [
    {"kind": kind, "every": every, "by_time": False, "grouped": grouped}
    for kind in ("all", "first", "last")
    for every in (1, 2, 3)
    for grouped in (False, True)
]
TIMED = [
    {"kind": kind, "every": 40, "by_time": True, "grouped": grouped}
    for kind in ("all", "first", "last")
    for grouped in (False, True)
]
SNAPSHOTS = [
    {"kind": "snapshot", "every": 40, "by_time": True, "grouped": grouped, "shape": shape, "aggregated": aggregated}
    for grouped in (False, True)
    for shape, aggregated in (("last", False), ("balance", True), ("window", True), ("window", False))
]


def limiter_of(shape: dict[str, Any], strings: StringTable) -> RateLimiter:
    every, grouped = shape["every"], shape["grouped"]
    match shape["kind"], shape["by_time"]:
        case "all", False:
            return AllByEvents(every, SCHEMA)
        case "first", False:
            return FirstOfGroupByEvents(every) if grouped else FirstByEvents(every)
        case "last", False:
            return LastOfGroupByEvents(every, SCHEMA) if grouped else LastByEvents(every)
        case "all", True:
            return AllByTime(every, 0, SCHEMA)
        case "first", True:
            return FirstByTime(every)
        case "last", True:
            return LastByTime(every, 0, SCHEMA)
        case _:
            if shape["shape"] == "window":
                aggregates = (1,) if shape["aggregated"] else ()
                return WindowSnapshot(every, 0, SCHEMA, aggregates, grouped=grouped, strings=strings)
            return LastRowSnapshot(every, 0, SCHEMA, grouped=grouped, windowed=shape["shape"] == "balance")


@st.composite
def histories(draw: st.DrawFn, *, with_expired: bool) -> list[Chunk]:
    chunks, now_ms = [], 0
    for _ in range(draw(st.integers(0, 14))):
        now_ms += draw(st.integers(0, 55))
        rows = []
        for _ in range(draw(st.integers(1, 4))):
            kind = draw(st.sampled_from((CURRENT, EXPIRED))) if with_expired else CURRENT
            stamp = now_ms if kind == EXPIRED else max(now_ms - draw(st.sampled_from((0, 0, 30))), 0)
            key, group = draw(st.sampled_from(("a", "b", None))), draw(st.integers(0, GROUPS - 1))
            rows.append(Row(key, draw(st.integers(0, 2)), kind, group, stamp))
        chunks.append(Chunk(now_ms, tuple(rows)))
    return chunks


def fed(limiter: RateLimiter, chunks: list[Chunk], strings: StringTable, *, grouped: bool) -> list[list[Shown]]:
    """The chunks that ``limiter`` puts out for one batch of chunks."""
    rows = [row for chunk in chunks for row in chunk.rows]
    texts = np.array([0 if row.key is None else strings.intern(row.key) for row in rows], dtype=np.int32)
    valid = np.array([row.key is not None for row in rows], dtype=np.bool_)
    sizes = [len(chunk.rows) for chunk in chunks]
    batch = EventBatch(
        SCHEMA,
        np.array([row.timestamp for row in rows], dtype=np.int64),
        (
            Column(AttributeType.STRING, texts, None if valid.all() else valid),
            Column(AttributeType.LONG, np.array([row.total for row in rows], dtype=np.int64)),
        ),
        np.array([row.kind for row in rows], dtype=np.uint8),
        np.repeat(np.arange(len(chunks), dtype=np.int64) * CHUNK_STRIDE, sizes),
    )
    ticks_ms = np.array([chunk.now_ms for chunk in chunks], dtype=np.int64)
    groups = np.array([row.group for row in rows], dtype=np.int64) if grouped else None
    selected = Selected(batch, groups, GROUPS if grouped else 1, NO_RESETS)
    out = limiter.process(selected, RowClock(np.repeat(ticks_ms, sizes), ticks_ms))
    if out is None or not len(out):
        return []
    assert (np.diff(out.chunk_numbers()) >= 0).all()
    return [_shown(chunk, strings) for chunk in chunks_of(out)]


def _shown(chunk: EventBatch, strings: StringTable) -> list[Shown]:
    keys, totals = chunk.columns
    return [
        (strings.text(int(key)) if known else None, int(total), int(kind), int(stamp))
        for key, known, total, kind, stamp in zip(
            keys.values, keys.mask(), totals.values, chunk.kind_array(), chunk.timestamps, strict=True
        )
    ]


def fired(limiter: RateLimiter, now_ms: int, strings: StringTable) -> list[list[Shown]]:
    out = []
    while (due := limiter.next_timer_ms()) is not None and due <= now_ms:
        batch = limiter.fire(now_ms)
        if batch is not None:
            out.append(_shown(batch, strings))
    return out


@pytest.mark.parametrize("shape", [*COUNTED, *TIMED, *SNAPSHOTS], ids=str)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_limit_does_what_its_model_does_however_rows_are_cut(shape: dict[str, Any], data: st.DataObject) -> None:
    history = data.draw(histories(with_expired=shape.get("shape") != "last"))
    model, strings = model_of(shape), StringTable()
    expected = [each for chunk in history for each in model.take(chunk)]
    limiter = limiter_of(shape, strings)
    found: list[list[Shown]] = []
    start = 0
    while start < len(history):
        stop = data.draw(st.integers(start + 1, len(history)))
        if data.draw(st.booleans()):
            saved = decode_state(encode_state(limiter.snapshot()))
            limiter = limiter_of(shape, strings)
            limiter.restore(saved)
        if stop == start + 1 and data.draw(st.booleans()):
            found += fired(limiter, history[start].now_ms, strings)
        found += fed(limiter, history[start:stop], strings, grouped=shape["grouped"])
        start = stop
    assert found == expected


@pytest.mark.parametrize("shape", [*COUNTED, *TIMED, *SNAPSHOTS], ids=str)
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_a_restored_limit_has_the_state_of_the_one_that_was_saved(shape: dict[str, Any], data: st.DataObject) -> None:
    history, strings = data.draw(histories(with_expired=shape.get("shape") != "last")), StringTable()
    limiter, twin = limiter_of(shape, strings), limiter_of(shape, strings)
    if history:
        fed(limiter, history, strings, grouped=shape["grouped"])
    saved = encode_state(limiter.snapshot())
    twin.restore(decode_state(saved))
    assert encode_state(twin.snapshot()) == saved


def test_a_snapshot_holds_no_more_than_what_is_in() -> None:
    strings = StringTable()
    limiter = WindowSnapshot(1_000, 0, SCHEMA, (1,), grouped=False, strings=strings)
    for step in range(3_000):
        row = Row(f"key {step}", step, CURRENT, 0, 1)
        fed(limiter, [Chunk(1, (row, Row(row.key, step, EXPIRED, 0, 1)))], strings, grouped=False)
    assert len(limiter._store) < 1_000
    assert limiter._numbers.count < 1_000


def test_periods_that_a_jump_of_the_clock_skips_are_made_up_for_up_to_a_bound() -> None:
    strings = StringTable()
    limiter = LastRowSnapshot(1, 0, SCHEMA, grouped=False, windowed=False)
    fed(limiter, [Chunk(0, (Row("a", 1, CURRENT, 0, 0),))], strings, grouped=False)
    out = fired(limiter, 10**9, strings)
    assert len(out) <= 10_001
    assert limiter.next_timer_ms() == 10**9 + 1
