"""Run a case as batches: events of one stream that follow one another become one batch of many chunks.

What the streams get must not depend on it. Only playback cases can be run so: in a live one each step has a log entry,
and so a clock, of its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from eiha.engine.conformance.case import Advance, Case, Send
from eiha.engine.conformance.run_case import listened_streams
from eiha.engine.conformance.values import batch_of, events_of
from eiha.engine.expressions.rows import EntryIdentity
from eiha.engine.lower import lower
from eiha.engine.routes import route
from eiha.engine.snapshot import decode_state, encode_state
from eiha.events.strings import StringTable
from eiha.plan.compilation import compile_plan
from eiha.plan.nodes import Plan

BATCH_ROWS_MAX = 64


def bound(case: Case) -> Plan:
    return replace(compile_plan(case.app, name=case.name), playback=True)


def is_batched_somewhere(case: Case) -> bool:
    plan = bound(case)
    return any(route(plan, step.stream).batched for step in case.steps if isinstance(step, Send))


def sends(case: Case) -> list[Send | Advance]:
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
            and len(last.events) < BATCH_ROWS_MAX
        ):
            gathered[-1] = replace(last, events=(*last.events, *step.events))
        else:
            gathered.append(step)
    return gathered


def run_as_batches(case: Case, *, restore_between: bool = False) -> dict[str, list[list[Any]]]:
    """Events by stream. ``restore_between``: after each step the state is saved and restored into a new runtime."""
    plan, strings = bound(case), StringTable()
    keep = frozenset(listened_streams(case, plan))
    runtime = lower(plan, strings, EntryIdentity(case.name), keep=keep)
    streams: dict[str, list[list[Any]]] = {stream: [] for stream in sorted(keep)}
    with np.errstate(all="ignore"):
        for step in sends(case):
            if isinstance(step, Advance):
                if step.event_clock:
                    runtime.advance(step.time_ms)
            else:
                batch = batch_of(plan.stream(step.stream).schema, step.events, strings, step.stream)
                runtime.publish(step.stream, batch, step.time_ms, one_chunk=not step.single)
            for stream, rows in runtime.take_outputs().items():
                streams[stream] += events_of(rows, strings)
            if restore_between:
                state = encode_state(runtime.snapshot())
                runtime = lower(plan, strings, EntryIdentity(case.name), keep=keep)
                runtime.restore(decode_state(state))
                assert encode_state(runtime.snapshot()) == state
    return streams
