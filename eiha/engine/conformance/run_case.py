"""Run a case on the engine and record what its streams and queries put out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, assert_never

import numpy as np

from eiha.engine.conformance.case import Advance, Ask, Beyond, Case, Lifecycle, MalformedCase, Send
from eiha.engine.conformance.values import batch_of, events_of
from eiha.engine.expressions.rows import EntryIdentity
from eiha.engine.faults import EngineFault
from eiha.engine.lower import CompileText, lower
from eiha.engine.plan_runtime import PlanRuntime
from eiha.engine.snapshot import decode_state, encode_state
from eiha.errors import PlanError, UnsupportedConstruct
from eiha.events.batch import EventBatch, Kind
from eiha.events.strings import StringTable
from eiha.plan.nodes import ENTRY_MARK, INNER_MARK, Plan, Query

BEFORE_THE_FIRST_STEP = -1

_NO_EVENT = -1
"""What a query listener is told as the time of a call without events."""


@dataclass(slots=True)
class Recording:
    """What came out. ``streams``: events by stream. ``chunks``: (step, number over all listeners, size) by stream.

    ``calls``: by query, the calls of a query listener in the form of a case. ``answers``: to questions, in that form,
    too. ``tables``: their rows at the end.
    """

    streams: dict[str, list[list[Any]]] = field(default_factory=dict)
    chunks: dict[str, list[list[int]]] = field(default_factory=dict)
    calls: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)
    tables: dict[str, list[list[Any]]] = field(default_factory=dict)


class _Recorder:
    """Listens to a plan."""

    def __init__(self, case: Case, plan: Plan, strings: StringTable) -> None:
        self.recording = Recording()
        self.strings = strings
        self.step = BEFORE_THE_FIRST_STEP
        self._number = 0
        streams = listened_streams(case, plan)
        queries = case.queries if case.queries is not None else tuple(each.name for each in plan.queries if each.named)
        for stream in streams:
            self.recording.streams[stream] = []
            self.recording.chunks[stream] = []
        for query in queries:
            self.recording.calls[query] = []

    def query_put_out(self, query: Query, batch: EventBatch, turned_ms: int | None) -> None:
        """A call of a query listener."""
        calls = self.recording.calls.get(query.name)
        if calls is None:
            return
        events = events_of(batch, self.strings)
        kinds = batch.kind_array().tolist()
        # a reset stands before the current rows of its chunk, and a listener sees the time of the last event
        ends_with_reset = turned_ms is not None and Kind.CURRENT not in kinds
        last_ms = events[-1][0] if events else _NO_EVENT
        calls.append(
            {
                "ts": turned_ms if ends_with_reset else last_ms,
                "current": [each for each, kind in zip(events, kinds, strict=True) if kind == Kind.CURRENT] or None,
                "expired": [[*each, True] for each, kind in zip(events, kinds, strict=True) if kind == Kind.EXPIRED]
                or None,
                "step": self.step,
                "seq": self._next(),
            }
        )

    def stream_got(self, stream: str, batch: EventBatch) -> None:
        """A call of a stream listener."""
        events = self.recording.streams.get(stream)
        if events is None:
            return
        expired = batch.kind_array() == Kind.EXPIRED  # only those of named windows keep their kinds
        events += [
            [*event, True] if gone else event
            for event, gone in zip(events_of(batch, self.strings), expired, strict=True)
        ]
        self.recording.chunks[stream].append([self.step, self._next(), len(batch)])

    def _next(self) -> int:
        self._number += 1
        return self._number - 1


def without_purges(plan: Plan) -> Plan:
    """``plan`` with idle keys and old buckets kept, as most cases were recorded."""
    return replace(
        plan,
        partitions=tuple(replace(each, purge=None) for each in plan.partitions),
        aggregations=tuple(replace(each, purge_interval_ms=None) for each in plan.aggregations),
    )


def listened_streams(case: Case, plan: Plan) -> tuple[str, ...]:
    """Those that the case names; else all but those that only repeat the input, which recordings leave out."""
    if case.streams is not None:
        return case.streams
    filled = {query.output.target for query in plan.queries} | set(case.expected.get("streams", {}))
    hidden = (INNER_MARK, ENTRY_MARK)
    return tuple(each.name for each in plan.streams if each.name in filled and not each.name.startswith(hidden))


class CaseRun:
    """A case at work: the plan, its virtual clock and the last snapshot.

    Args:
        case: what to run.
        compile_text: from text and name to the bound plan.

    Raises:
        PlanError: the plan is refused.
        UnsupportedConstruct: the plan or the case asks for something that the engine does not run.
    """

    def __init__(self, case: Case, compile_text: CompileText) -> None:
        self._case = case
        plan = replace(compile_text(case.app, name=case.name), playback=case.playback)
        self._plan = plan if case.purging else without_purges(plan)
        self._strings = StringTable()
        self._recorder = _Recorder(case, self._plan, self._strings)
        self._now_ms = case.start_ms
        self._saved: bytes | None = None
        self._runtime = self._lowered()
        self._start()
        for construct in [step.construct for step in case.steps if isinstance(step, Beyond)]:
            raise UnsupportedConstruct(construct)

    def run(self) -> Recording:
        """Take all steps."""
        with np.errstate(all="ignore"):
            self._ask_after(BEFORE_THE_FIRST_STEP)
            for number, step in enumerate(self._case.steps):
                self._recorder.step = number
                self._now_ms = max(self._now_ms, step.time_ms)
                if self._case.playback:
                    self._runtime.pass_wall_time(self._now_ms)
                match step:
                    case Send():
                        self._send(step)
                    case Advance():
                        if step.event_clock or not self._case.playback:
                            self._runtime.advance(self._now_ms)
                    case Lifecycle():
                        self._live_on(step)
                    case Ask(text=text):
                        if not self._case.playback:
                            self._runtime.advance(self._now_ms)
                        self._ask(text, number)
                    case Beyond():
                        raise AssertionError(step)
                    case _:
                        assert_never(step)
                self._ask_after(number)
            self._read_tables()
        self._recorder.recording.faults += self._runtime.take_faults()
        return self._recorder.recording

    def _ask_after(self, number: int) -> None:
        for text in self._case.asked.get(number, ()):
            self._ask(text, number)

    def _ask(self, text: str, number: int) -> None:
        recorded: dict[str, Any] = {"after": number, "query": text}
        try:
            answer = self._runtime.ask(text)
        except (PlanError, EngineFault) as refusal:
            self._recorder.recording.answers.append({**recorded, "ok": False, "error": str(refusal)})
            return
        rows: list[Any] | None = [] if answer.is_statement else None
        recorded["ok"] = True
        recorded["types"] = [[each.name, each.type.value] for each in answer.schema.attributes]
        recorded["events"] = rows if answer.rows is None else events_of(answer.rows, answer.strings)
        self._recorder.recording.answers.append(recorded)

    def _read_tables(self) -> None:
        names = self._case.tables
        for name in (each.name for each in self._plan.tables) if names is None else names:
            answer = self._runtime.ask(f"from `{name}`")
            events = [] if answer.rows is None else events_of(answer.rows, answer.strings)
            self._recorder.recording.tables[name] = [values for _, values in events]

    def _lowered(self) -> PlanRuntime:
        return lower(
            self._plan,
            self._strings,
            EntryIdentity(self._case.name),
            keep=frozenset(),
            listener=self._recorder,
            wall_ms=self._now_ms,
        )

    def _start(self) -> None:
        with np.errstate(all="ignore"):
            self._runtime.start(self._now_ms, event_clock_ms=self._case.playback_start_ms)

    def _send(self, step: Send) -> None:
        if all(definition.name != step.stream for definition in self._plan.streams):
            raise MalformedCase(f"a step of {self._case.name!r} sends to {step.stream!r}, which the app does not have")
        schema = self._plan.stream(step.stream).schema
        events = step.events
        if not step.stamped:
            events = tuple((self._runtime.clock_ms, values) for _, values in events)
        batch = batch_of(schema, events, self._strings, step.stream)
        self._runtime.publish(step.stream, batch, self._now_ms, one_chunk=not step.single)

    def _live_on(self, step: Lifecycle) -> None:
        if not self._case.playback:
            self._runtime.advance(self._now_ms)
        if step.action == "stop":
            self._runtime.stop()
            return
        if step.action.startswith("persist"):
            self._saved = encode_state(self._runtime.snapshot())
        restores = step.action.endswith("restore") and self._saved is not None
        if step.action.startswith("restart") or step.action == "persist_restore":
            self._recorder.recording.faults += self._runtime.take_faults()
            self._runtime = self._lowered()
            if self._case.restores_before_start and restores:
                self._restore()
                restores = False
            self._start()
        if restores:
            self._restore()
        if not self._case.playback:
            self._runtime.advance(self._now_ms)

    def _restore(self) -> None:
        assert self._saved is not None
        # triggers count from the start of the app, whatever is restored
        self._runtime.restore(decode_state(self._saved), triggers=False)
