"""The engine: log entries in, outputs out. Pure: the same entries give the same outputs and the same digest.

Plans are deployed, replaced and removed by entries. Each has strings, clock and state of its own; a publication goes to
every plan that defines its stream, in order of deployment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, assert_never

import numpy as np

from eiha.engine import from_outside
from eiha.engine.carry_over import carry_over
from eiha.engine.digest_rotation import DigestRotation
from eiha.engine.error_rows import ErrorRows, rows_of
from eiha.engine.expressions.rows import EntryIdentity
from eiha.engine.left_out import LeftOut
from eiha.engine.lower import CompileText, lower
from eiha.engine.plan_runtime import PlanRuntime
from eiha.engine.snapshot import decode_state, encode_state, state_digest
from eiha.engine.state_part import StatePart
from eiha.engine.state_stream import read_state, write_state
from eiha.engine.string_sweep import sweep
from eiha.engine.wire_edge import WireEdge
from eiha.errors import (
    CorruptFile,
    EihaError,
    MalformedBatch,
    PlanError,
    PlanFailed,
    PlanNotSaved,
    UnknownPlan,
    WrongSchema,
)
from eiha.events.batch import EventBatch
from eiha.events.schema import StreamDefinition
from eiha.events.strings import StringTable
from eiha.events.wire import decode
from eiha.kernel.ids import LogTimeMs, Sequence
from eiha.plan.compilation import compile_plan
from eiha.plan.nodes import Plan
from eiha.protocol.answers import RowsFound, StatementFits
from eiha.protocol.log_entry import (
    DeployPlan,
    EpochStart,
    LogEntry,
    Publication,
    Publications,
    Quarantine,
    RemovePlan,
    TableStatement,
    TimeTick,
)
from eiha.protocol.outputs import AppliedEntry, OutputBatch
from eiha.protocol.plan_streams import is_for, stream_of
from eiha.protocol.snapshot_format import StateReader, StateWriter
from eiha.protocol.state_digest import StateDigest, names_digest

EVENTS_SINK = "events"
"""Outbox lane of the raw rows of stored streams."""

PROCESSED_SINK = "processed"
"""Outbox lane of the rows of published streams."""


@dataclass(slots=True)
class _Deployed:
    """One plan at work. ``name`` is that of its deployment, whatever its text calls itself."""

    name: str
    text: str
    plan: Plan
    strings: StringTable
    identity: EntryIdentity
    edge: WireEdge
    runtime: PlanRuntime

    def publish(
        self,
        publication: Publication,
        log_time_ms: int,
        left_out: LeftOut | None,
        place: int,
        errors: dict[str, ErrorRows],
    ) -> None:
        """Rows from the wire. Raises ``MalformedBatch`` or ``WrongSchema`` before anything changes.

        What ``left_out`` says of the publication at ``place`` of its entry does not enter.
        """
        stream = stream_of(publication)
        schema = self.plan.stream(stream).schema
        wire = decode(publication.payload, schema)
        if left_out is not None:
            wire = left_out.without_bad_rows(wire, self.plan, self.name, place)
        batch = self.edge.enter(wire, schema, log_time_ms)
        self.runtime.publish(stream, batch, log_time_ms)
        self.keep_failed(errors, publication, has_time=wire.timestamps is not None)

    def keep_failed(
        self, errors: dict[str, ErrorRows], publication: Publication | None = None, *, has_time: bool = False
    ) -> None:
        """Rows on which the plan failed since, at ``publication`` or as time passed, become error rows."""
        if self.runtime.failed:
            self.runtime.failed.give(rows_of(errors, self.name), self.edge, publication, has_time=has_time)

    def outputs(self, entry: LogEntry) -> list[OutputBatch]:
        """What the entry made the plan put out."""
        taken = self.runtime.take_outputs()
        found: list[OutputBatch] = []
        for sink, streams in ((EVENTS_SINK, self.plan.stored_streams), (PROCESSED_SINK, self.plan.published_streams)):
            found += [self._output(sink, name, taken[name], entry) for name in streams if name in taken]
        return found

    def _output(self, sink: str, stream: str, rows: EventBatch, entry: LogEntry) -> OutputBatch:
        return OutputBatch(
            sink,
            self.name,
            self.plan.stream(stream),
            entry.sequence,
            entry.log_time_ms,
            0,
            self.edge.leave(rows),
        )

    def next_timer_ms(self) -> int | None:
        """The log time at which the plan wants to be told that time has passed."""
        return self.runtime.next_wall_timer_ms() if self.plan.playback else self.runtime.next_timer_ms()

    def state(self) -> dict[str, Any]:
        """Text, strings and state: all that a restore needs."""
        return {"text": self.text, "strings": self.strings.snapshot(), "state": self.runtime.snapshot()}

    def parts(self) -> tuple[StatePart, ...]:
        """The same as ``state``, part by part."""
        text = StatePart("text", ("text",), lambda: self.text)
        own = (text, StatePart("strings", ("strings",), self.strings.snapshot))
        return tuple(
            part.within(f"plan {self.name!r}", "plans", self.name)
            for part in (*own, *(each.at("state") for each in self.runtime.parts()))
        )

    def sweep(self, log_time_ms: int) -> None:
        """Forget strings that nothing holds, if many came. Between entries, when outputs and faults were taken."""
        if self.strings.is_sweep_due:
            self.runtime = sweep(
                self.strings,
                self.runtime,
                lambda: lower(self.plan, self.strings, self.identity, wall_ms=log_time_ms),
            )
            self.edge = WireEdge(self.strings)


class EngineRuntime:
    """All plans of a node; ``eiha.ports.Engine``.

    Args:
        compile_text: from a plan's text and name to the bound plan.
    """

    __slots__ = (
        "_compile",
        "_log_time_ms",
        "_names_digest",
        "_notes",
        "_part_names",
        "_plans",
        "_refusal",
        "_rotation",
        "_sequence",
        "_suspended",
        "_working_on",
    )

    def __init__(self, compile_text: CompileText = compile_plan) -> None:
        self._compile = compile_text
        self._plans: dict[str, _Deployed] = {}
        self._notes: list[str] = []
        self._refusal = ""
        self._log_time_ms = 0
        self._sequence = 0
        self._suspended: dict[str, str] = {}
        self._working_on = ""
        self._part_names: tuple[str, ...] = ()
        self._names_digest = b""
        self._rotation = DigestRotation()

    def apply(self, entry: LogEntry, quarantined: tuple[Quarantine, ...] = ()) -> AppliedEntry:
        """Apply one entry, without what is quarantined of it; what fails as it may is a fact in ``faults``.

        Raises:
            PlanFailed: something raised that nobody expected; the state is undefined until the next ``restore``.
        """
        assert entry.sequence > self._sequence, (entry.sequence, self._sequence)
        try:
            return self._applied(entry, quarantined)
        except Exception as cause:
            raise PlanFailed(self._working_on, _words(cause)) from cause

    def _applied(self, entry: LogEntry, quarantined: tuple[Quarantine, ...]) -> AppliedEntry:
        self._working_on = ""
        self._sequence = entry.sequence
        self._log_time_ms = max(self._log_time_ms, entry.log_time_ms)
        faults: list[str] = []
        errors: dict[str, ErrorRows] = {}
        left_out: LeftOut | None = None
        if quarantined or self._suspended:
            left_out = self._left_out(entry, quarantined, errors, faults)
        with np.errstate(all="ignore"):
            filled = _streams_of(entry)
            for deployed in self._plans.values():
                self._working_on = deployed.name
                if left_out is not None and left_out.covers(deployed.name):
                    continue
                deployed.identity.begin(deployed.name, entry.sequence)
                if deployed.plan.playback:
                    deployed.runtime.pass_wall_time(self._log_time_ms)
                elif deployed.plan.defined.isdisjoint(filled):
                    deployed.runtime.advance(self._log_time_ms)
                deployed.keep_failed(errors)
            self._apply_body(entry, left_out, errors, faults)
            outputs: list[OutputBatch] = []
            for deployed in self._plans.values():
                self._working_on = deployed.name
                deployed.keep_failed(errors)
                outputs += deployed.outputs(entry)
        outputs += [rows for each in errors.values() if (rows := each.output(entry)) is not None]
        for deployed in self._plans.values():
            self._working_on = deployed.name
            faults += [f"plan {deployed.name!r}, {fault}" for fault in deployed.runtime.take_faults()]
            deployed.sweep(self._log_time_ms)
        notes, self._notes = tuple(self._notes), []
        refusal, self._refusal = self._refusal, ""
        return AppliedEntry(tuple(outputs), self.next_timer_ms(), tuple(faults), notes, refusal)

    def ask(self, plan: str, text: str, rows_max: int) -> RowsFound | StatementFits:
        """Answer a question from the state as it is; a statement is only looked at. See ``ports.AskedEngine``."""
        deployed = self._plans.get(plan)
        if deployed is None:
            raise UnknownPlan(self._no_such_plan(plan))
        return from_outside.answer(deployed.runtime, text, rows_max, Sequence(self._sequence))

    def _left_out(
        self,
        entry: LogEntry,
        quarantined: tuple[Quarantine, ...],
        errors: dict[str, ErrorRows],
        faults: list[str],
    ) -> LeftOut:
        """What plans do not get of the entry; its rows are kept as errors, plans are suspended."""
        left_out = LeftOut(entry, quarantined, self._suspended, errors)
        faults += left_out.faults()
        self._suspended.update(left_out.newly_suspended)
        for deployed in self._plans.values():
            if left_out.covers(deployed.name):
                left_out.keep(deployed.plan, deployed.name)
        return left_out

    def _apply_body(
        self, entry: LogEntry, left_out: LeftOut | None, errors: dict[str, ErrorRows], faults: list[str]
    ) -> None:
        match entry.body:
            case Publications(items):
                for place, publication in enumerate(items):
                    self._publish(publication, place, left_out, errors, faults)
            case DeployPlan(plan, text):
                self._working_on = plan
                if left_out is None or not left_out.forbids(plan):
                    self._deploy(plan, text, faults)
            case RemovePlan(plan):
                self._suspended.pop(plan, None)
                if self._plans.pop(plan, None) is None:
                    faults.append(f"plan {plan!r} cannot be removed: it is not deployed")
            case TableStatement(plan=plan, text=text):
                self._working_on = plan
                if left_out is not None and left_out.covers(plan):
                    self._refusal = "not carried out: " + left_out.why(plan)[1]
                else:
                    self._carry_out(plan, text, faults)
            case TimeTick() | EpochStart() | Quarantine():
                pass
            case _:
                assert_never(entry.body)

    def snapshot(self) -> bytes:
        """The whole state, plans included. Raises ``PlanNotSaved``."""
        state = self._state()
        try:
            return encode_state(state)
        except Exception as cause:
            raise self._not_saved(cause) from cause

    def restore(self, content: bytes) -> None:
        """Replace the whole state; on an error nothing has changed.

        Raises:
            CorruptFile: ``content`` is damaged, of another version, or holds a plan that does not compile here.
        """
        self._adopt(decode_state(content))

    def write_state(self, writer: StateWriter) -> None:
        """The whole state as a stream: what ``snapshot`` gives, without a copy of all of it at once.

        Raises:
            PlanNotSaved: part of it has been written then; and whatever ``writer`` raises.
        """
        state = self._state()
        try:
            write_state(state, writer)
        except (EihaError, OSError):
            raise
        except Exception as cause:
            raise self._not_saved(cause) from cause

    def read_state(self, reader: StateReader) -> None:
        """Replace the whole state by that of a stream. What was there goes first: two states may not fit into memory.

        Raises:
            CorruptFile: as for ``restore``; the engine is empty then.
        """
        self._plans = {}
        self._adopt(read_state(reader))

    def _adopt(self, state: dict[str, Any]) -> None:
        try:
            parts = state.pop("plans")
            plans = {name: self._restored(name, parts.pop(name)) for name in tuple(parts)}
            sequence, log_time_ms = int(state["sequence"]), int(state["log_time_ms"])
        except PlanError as cause:
            raise CorruptFile(f"a plan of the engine state does not compile: {cause}") from cause
        except (KeyError, TypeError, ValueError) as cause:
            raise CorruptFile(f"the engine state has not the sections that its plans need: {cause!r}") from cause
        self._plans, self._sequence, self._log_time_ms = plans, sequence, log_time_ms
        self._suspended = dict(state.get("suspended", {}))
        self._part_names = ()

    def streams(self) -> Mapping[str, StreamDefinition]:
        """The streams that may be published to: those that plans define."""
        found: dict[str, StreamDefinition] = {}
        for deployed in self._plans.values():
            for definition in deployed.plan.streams:
                if definition.name in deployed.plan.defined:
                    found.setdefault(definition.name, definition)
        return found

    def strings(self) -> Mapping[str, int]:
        """How many different strings each plan holds."""
        return {name: deployed.strings.count for name, deployed in self._plans.items()}

    def digest(self) -> bytes:
        """16 bytes that are equal iff the states are. Encodes all of it."""
        return state_digest(self._state())

    def digest_at(self, position: int) -> StateDigest:
        """See ``ports.Engine``."""
        parts = self._parts()
        names = tuple(part.name for part in parts)
        if names != self._part_names:
            self._part_names, self._rotation = names, DigestRotation()
            self._names_digest = names_digest(names)
        covered = self._rotation.cover(parts, position)
        positions, untold = self._rotation.positions(len(parts)), self._rotation.take_untold()
        return StateDigest(self._names_digest, covered, self._part_names, positions, untold)

    def next_timer_ms(self) -> LogTimeMs | None:
        """Log time of the earliest timer; in playback only that of what the clock on the wall drives."""
        dues: list[int] = []
        for name, deployed in self._plans.items():
            self._working_on = name
            if name not in self._suspended and (due := deployed.next_timer_ms()) is not None:
                dues.append(due)
        return LogTimeMs(min(dues)) if dues else None

    def suspended(self) -> Mapping[str, str]:
        """Plans that get nothing until they are deployed anew, each with why."""
        return self._suspended

    def _publish(
        self,
        publication: Publication,
        place: int,
        left_out: LeftOut | None,
        errors: dict[str, ErrorRows],
        faults: list[str],
    ) -> None:
        known = False
        for deployed in self._plans.values():
            if not is_for(publication, deployed.name, deployed.plan.defined):
                continue
            known = True
            self._working_on = deployed.name
            if left_out is not None and left_out.covers(deployed.name):
                continue
            try:
                deployed.publish(publication, self._log_time_ms, left_out, place, errors)
            except (MalformedBatch, WrongSchema) as fault:
                faults.append(f"plan {deployed.name!r}, stream {publication.stream!r}: {fault}; rows are not taken")
                rows_of(errors, deployed.name).add_undecodable(publication, str(fault))
        if not known:
            reason = f"no plan defines stream {publication.stream!r}"
            faults.append(f"{reason}: {publication.rows} rows are not taken")
            rows_of(errors, "").add_undecodable(publication, reason)

    def _carry_out(self, plan: str, text: str, faults: list[str]) -> None:
        deployed = self._plans.get(plan)
        if deployed is None:
            self._refusal = self._no_such_plan(plan)
        else:
            faults += [f"plan {plan!r}, {each}" for each in deployed.runtime.take_complaints()]
            self._refusal = from_outside.carry_out(deployed.runtime, text)
        if self._refusal:
            faults.append(f"plan {plan!r}, statement: {self._refusal}")

    def _no_such_plan(self, plan: str) -> str:
        known = ", ".join(self._plans) or "none"
        return f"no plan {plan!r} is deployed; deployed: {known}"

    def _deploy(self, name: str, text: str, faults: list[str]) -> None:
        """Deploy or replace. The same text again changes nothing; of another text, parts that are new begin empty."""
        before = self._plans.get(name)
        if before is not None and before.text == text:
            self._suspended.pop(name, None)
            return
        try:
            deployed = self._lowered(name, text, StringTable() if before is None else before.strings.copied())
        except PlanError as refusal:
            faults.append(f"plan {name!r} is not deployed: {refusal}")
            return
        clash = self._clash(name, deployed.plan)
        if clash is not None:
            faults.append(f"plan {name!r} is not deployed: {clash}")
            return
        deployed.runtime.start(self._log_time_ms)
        if before is not None:
            held = before.runtime.snapshot()
            carried = carry_over(before.plan, held, deployed.plan, deployed.runtime.snapshot())
            deployed.runtime.restore(carried.state)
            deployed.runtime.resume()
            self._notes.append(f"plan {name!r} is replaced; {carried}")
        self._plans[name] = deployed
        self._suspended.pop(name, None)

    def _clash(self, name: str, plan: Plan) -> str | None:
        """A stream that another plan defines differently: a publication could not fit both."""
        for other in self._plans.values():
            if other.name == name:
                continue
            for definition in plan.streams:
                if definition.name in plan.defined & other.plan.defined:
                    theirs = other.plan.stream(definition.name).schema
                    if theirs != definition.schema:
                        return f"plan {other.name!r} defines stream {definition.name!r} as {theirs}"
        return None

    def _lowered(self, name: str, text: str, strings: StringTable) -> _Deployed:
        plan = self._compile(text, name=name)
        identity = EntryIdentity(name, self._sequence)
        runtime = lower(plan, strings, identity, wall_ms=self._log_time_ms)
        return _Deployed(name, text, plan, strings, identity, WireEdge(strings), runtime)

    def _restored(self, name: str, part: dict[str, Any]) -> _Deployed:
        deployed = self._lowered(name, part["text"], StringTable.restored(part["strings"]))
        deployed.runtime.restore(part["state"])
        return deployed

    def _parts(self) -> tuple[StatePart, ...]:
        clocks = StatePart(
            "engine", (), lambda: [self._sequence, self._log_time_ms, list(self._plans), self._suspended]
        )
        return (clocks, *(part for deployed in self._plans.values() for part in deployed.parts()))

    def _state(self) -> dict[str, Any]:
        return {
            "sequence": self._sequence,
            "log_time_ms": self._log_time_ms,
            "suspended": dict(self._suspended),
            "plans": {name: self._state_of(deployed) for name, deployed in self._plans.items()},
        }

    def _state_of(self, deployed: _Deployed) -> dict[str, Any]:
        try:
            return deployed.state()
        except Exception as cause:
            raise PlanNotSaved(deployed.name, _words(cause)) from cause

    def _not_saved(self, cause: Exception) -> PlanNotSaved:
        """Something of the state cannot be written: the first plan of which that is so by itself is named."""
        for deployed in self._plans.values():
            state = self._state_of(deployed)
            try:
                encode_state(state)
            except Exception as own:  # noqa: BLE001  told to the caller
                return PlanNotSaved(deployed.name, _words(own))
        return PlanNotSaved("", _words(cause))


def _words(cause: Exception) -> str:
    return f"{type(cause).__name__}: {cause}" if str(cause) else type(cause).__name__


def _streams_of(entry: LogEntry) -> frozenset[str]:
    """The streams that an entry brings rows for: plans that read them move their clock when the rows come."""
    if isinstance(entry.body, Publications):
        return frozenset(publication.stream for publication in entry.body.items)
    return frozenset()
