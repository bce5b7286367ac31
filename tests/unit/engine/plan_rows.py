"""Feed rows to a plan and read what stream ``Out`` gets: one by one, as one batch, and with a restore in between."""

from __future__ import annotations

from typing import Any

from eiha.engine.conformance.values import batch_of, events_of
from eiha.engine.expressions.rows import EntryIdentity
from eiha.engine.lower import lower
from eiha.engine.plan_runtime import PlanRuntime
from eiha.engine.snapshot import decode_state, encode_state
from eiha.events.strings import StringTable
from eiha.plan.compilation import compile_plan

START_MS = 1_000
Event = list[Any]


def one_by_one(text: str, rows: list[tuple[Any, ...]], *, restore_after: int | None = None) -> list[Event]:
    """``[timestamp, [values]]`` of ``Out``; row i has timestamp 1000 + i."""
    strings = StringTable()
    runtime = _runtime(text, strings)
    out: list[Event] = []
    for index, row in enumerate(rows):
        if index == restore_after:
            state = encode_state(runtime.snapshot())
            fresh = StringTable(strings.texts())
            runtime = _runtime(text, fresh)
            runtime.restore(decode_state(state))
            assert encode_state(runtime.snapshot()) == state
            strings = fresh
        schema = runtime.plan.stream("S").schema
        runtime.publish("S", batch_of(schema, [(START_MS + index, row)], strings, "S"), START_MS + index)
        taken = runtime.take_outputs().get("Out")
        out += [] if taken is None else events_of(taken, strings)
    return out


def as_batch(text: str, rows: list[tuple[Any, ...]]) -> list[Event]:
    """The same, all rows in one batch."""
    strings = StringTable()
    runtime = _runtime(text, strings)
    schema = runtime.plan.stream("S").schema
    events = [(START_MS + index, row) for index, row in enumerate(rows)]
    runtime.publish("S", batch_of(schema, events, strings, "S"), START_MS)
    taken = runtime.take_outputs().get("Out")
    return [] if taken is None else events_of(taken, strings)


def faults_of(text: str, rows: list[tuple[Any, ...]]) -> list[str]:
    """What rows, fed one by one, make fail."""
    strings = StringTable()
    runtime = _runtime(text, strings)
    schema = runtime.plan.stream("S").schema
    for index, row in enumerate(rows):
        runtime.publish("S", batch_of(schema, [(START_MS + index, row)], strings, "S"), START_MS + index)
    return list(runtime.take_faults())


def _runtime(text: str, strings: StringTable) -> PlanRuntime:
    return lower(compile_plan(text), strings, EntryIdentity("plan", 1), keep=frozenset({"Out"}))
