"""Run a case as batches: events of one stream that follow one another become one batch of many chunks.

What the streams get must not depend on it. Only playback cases can be run so: in a live one each step has a log entry,
and so a clock, of its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from eiha.engine.conformance.case import Advance, Case, Send
from eiha.engine.conformance.run_case import listened_streams, without_purges
from eiha.engine.conformance.values import batch_of, events_of
from eiha.engine.expressions.rows import EntryIdentity
from eiha.engine.lower import lower
from eiha.engine.plan_runtime import PlanRuntime
from eiha.engine.routes import route
from eiha.engine.snapshot import decode_state, encode_state
from eiha.events.batch import Kind
from eiha.events.strings import StringTable
from eiha.plan.compilation import compile_plan
from eiha.plan.nodes import Plan

BATCH_ROWS_MAX = 64


def bound(case: Case) -> Plan:
    plan = replace(compile_plan(case.app, name=case.name), playback=True)
    return plan if case.purging else without_purges(plan)


def is_batched_somewhere(case: Case) -> bool:
    plan = bound(case)
    return any(route(plan, step.stream).batched for step in case.steps if isinstance(step, Send))


def sends(case: Case, rows_max: int = BATCH_ROWS_MAX) -> list[Send | Advance]:
    """The steps, single events of one stream gathered."""
    gathered: list[Send | Advance] = []
    for step in case.steps:
        assert isinstance(step, Send | Advance)
        last = gathered[-1] if gathered else None
        if (
            isinstance(step, Send)
            and step.single
            and isinstance(last, Send)
            and last.single
            and last.stream == step.stream
            and len(last.events) < rows_max
        ):
            gathered[-1] = replace(last, events=(*last.events, *step.events))
        else:
            gathered.append(step)
    return gathered


def _goes_by_the_wall(plan: Plan, case: Case) -> bool:
    """Whether the clock on the wall matters, which each step moves: to triggers, cron windows, and to the first period
    of a limit that begins with a key of a partition.
    """
    begins_late = any(each.rate is not None and each.partition is not None for each in plan.queries)
    return bool(plan.triggers) or "#window.cron" in case.app or begins_late


def run_as_batches(case: Case, *, restore_between: bool = False) -> dict[str, list[list[Any]]]:
    """Events by stream. ``restore_between``: after each step the state is saved and restored into a new runtime."""
    plan, strings = bound(case), StringTable()
    keep = frozenset(listened_streams(case, plan))
    runtime = lower(plan, strings, EntryIdentity(case.name), keep=keep, wall_ms=case.start_ms)
    streams: dict[str, list[list[Any]]] = {stream: [] for stream in sorted(keep)}
    steps = sends(case, 1) if _goes_by_the_wall(plan, case) else sends(case)
    with np.errstate(all="ignore"):
        runtime.start(case.start_ms, event_clock_ms=case.playback_start_ms)
        take_rows(runtime, streams, strings)
        for step in steps:
            runtime.pass_wall_time(step.time_ms)
            if isinstance(step, Advance):
                if step.event_clock:
                    runtime.advance(step.time_ms)
            else:
                batch = batch_of(plan.stream(step.stream).schema, step.events, strings, step.stream)
                runtime.publish(step.stream, batch, step.time_ms, one_chunk=not step.single)
            take_rows(runtime, streams, strings)
            if restore_between:
                state = encode_state(runtime.snapshot())
                runtime = lower(plan, strings, EntryIdentity(case.name), keep=keep)
                runtime.restore(decode_state(state))
                assert encode_state(runtime.snapshot()) == state
    return streams


def take_rows(runtime: PlanRuntime, streams: dict[str, list[list[Any]]], strings: StringTable) -> None:
    """Add what was put out since the last call; rows that left a named window are marked as in a case."""
    for stream, rows in runtime.take_outputs().items():
        gone = rows.kind_array() == Kind.EXPIRED
        streams[stream] += [
            [*event, True] if left else event for event, left in zip(events_of(rows, strings), gone, strict=True)
        ]
