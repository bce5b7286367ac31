"""The operator of patterns and sequences of any form: counts, pairs, absent events, quantifiers.

Cost: what a row says of itself is computed by columns; a row of a pattern that no step can take costs nothing else.
Others cost Python per waiting match. State: the matches begun, within ``within`` if there is one, and of their
events the values that are read later.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from eiha.engine.expressions.rows import Rows, Scope
from eiha.engine.operator import AT_ONCE, FIRED_CHUNK, OperatorState, RowClock
from eiha.engine.patterns.captured import Event, PartialMatch
from eiha.engine.patterns.machine import Machine
from eiha.engine.patterns.match_columns import MatchColumns
from eiha.engine.patterns.references import Reader, references
from eiha.engine.patterns.state_table import StateKind, state_table
from eiha.engine.patterns.step_check import StepCheck
from eiha.events.batch import CHUNK_STRIDE, EventBatch
from eiha.events.schema import Schema
from eiha.plan.expressions import AttributeRef
from eiha.plan.nodes import PatternInput

Longs = npt.NDArray[np.int64]
Masks = list[npt.NDArray[np.bool_] | bool]

_FIRED_MAX: Final = CHUNK_STRIDE - 1


class PatternProgram:
    """What all instances of one pattern share: the states, the conditions, which values events keep.

    Args:
        source: as bound.
        columns: what the query reads of matches.
        scope: of the plan.
    """

    def __init__(self, source: PatternInput, columns: MatchColumns, scope: Scope) -> None:
        self.source = source
        self.columns = columns
        self.states = state_table(source)
        self.checks = tuple(StepCheck(source.steps, index, scope) for index in range(len(source.steps)))
        kept = self._kept()
        places = tuple({attribute: place for place, attribute in enumerate(kept[step.stream])} for step in source.steps)
        reader = Reader(source, places, scope.strings)
        for index, check in enumerate(self.checks):
            check.compile(index, reader, scope)
        self.reads = columns.readers(reader)
        self.kept = kept
        self.served = {stream: self._served(stream) for stream in kept}
        # a stale match of a counted step or of an or may begin a new one when it gets too old: then no row is skipped
        lingers = any(state.kind is StateKind.COUNTED or state.partner >= 0 for state in self.states)
        renews = source.within_ms is not None and any(state.renewed_at >= 0 for state in self.states)
        self.waits_at_start = any(state.starts and state.wait_ms is not None for state in self.states)
        self.skips_rows = not source.is_sequence and not (lingers and renews)

    def _kept(self) -> dict[str, tuple[int, ...]]:
        """By stream, the attributes that are read after the step's own mask."""
        read: dict[str, set[int]] = {step.stream: set() for step in self.source.steps}
        parts = (*self.columns.values, *(check.rest for check in self.checks))
        for each in references(parts):
            if isinstance(each, AttributeRef):
                read[self.source.steps[each.source].stream].add(each.attribute)
        return {stream: tuple(sorted(attributes)) for stream, attributes in read.items()}

    def _served(self, stream: str) -> tuple[int, ...]:
        """The steps that ``stream`` feeds, last ones first; of a pair the leader first."""
        states = [state for state in self.states if state.stream == stream]
        states.sort(key=lambda state: (-state.element, not state.leads))
        return tuple(state.position for state in states)


class GeneralPattern:
    """One instance of a pattern at work.

    A match has the timestamp of its last event, or of the moment at which a wait was over. Matches that one row
    completes come oldest first, each as a chunk of its own; those that one step of a stream that feeds several
    completes are one chunk.
    """

    def __init__(self, program: PatternProgram) -> None:
        self._program = program
        self._machine = self._fresh()
        self._started = not program.waits_at_start

    @property
    def schema(self) -> Schema:
        """Of the matches put out."""
        return self._program.columns.schema

    def receive(self, stream: str, batch: EventBatch, clock: RowClock) -> EventBatch:
        """The matches that the rows of ``stream`` complete.

        Raises:
            EngineFault: a condition cannot be computed.
        """
        if not len(batch):
            return self._put_out([], [])
        if not self._started:
            self._start(int(clock.now_ms[0]))
        program = self._program
        served = program.served[stream]
        rows = Rows(len(batch), (batch.columns,), batch.timestamps, clock.now_ms)
        masks: Masks = [program.checks[position].mask(rows) for position in served]
        found: list[PartialMatch] = []
        chunks: list[int] = []
        self._run(stream, batch, clock.now_ms, self._active_rows(masks, batch.timestamps), masks, found, chunks)
        return self._put_out(found, chunks)

    def fire(self, now_ms: int) -> EventBatch | None:
        """See ``Operator``."""
        if not self._started:
            self._start(now_ms)
            return None
        machine = self._machine
        machine.fire(now_ms)
        found, machine.found = machine.found, []
        if not found:
            return None
        return self._put_out(found, [min(FIRED_CHUNK + place, _FIRED_MAX) for place in range(len(found))])

    def next_timer_ms(self) -> int | None:
        """See ``Operator``."""
        if not self._started:
            return AT_ONCE
        alarm = self._machine.next_alarm()
        return None if alarm is None else alarm[0]

    def snapshot(self) -> OperatorState:
        """The matches begun and the waits."""
        return {"machine": self._machine.snapshot(), "started": self._started}

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self._machine.restore(state["machine"])
        self._started = state["started"]

    def _start(self, now_ms: int) -> None:
        """The clock begins to run: absent steps at the start wait from now on."""
        self._started = True
        self._machine.start(now_ms)

    def _fresh(self) -> Machine:
        program = self._program
        source = program.source
        return Machine(program.states, program.checks, source.within_ms, is_sequence=source.is_sequence)

    def _active_rows(self, masks: Masks, timestamps: Longs) -> Longs:
        """The rows that can change anything."""
        count = len(timestamps)
        everything = np.arange(count, dtype=np.int64)
        if not self._program.skips_rows:
            return everything
        if self._program.source.within_ms is not None and not bool((timestamps[1:] >= timestamps[:-1]).all()):
            return everything
        some: Any = False
        for mask in masks:
            some = some | mask
        if isinstance(some, bool | np.bool_):
            return everything if some else everything[:0]
        return np.flatnonzero(some)

    def _run(
        self,
        stream: str,
        batch: EventBatch,
        now_ms: Longs,
        active: Longs,
        masks: Masks,
        found: list[PartialMatch],
        chunks: list[int],
    ) -> None:
        machine, program = self._machine, self._program
        served = program.served[stream]
        shares_chunk = len(served) > 1
        numbers = batch.chunk_numbers().take(active).tolist()
        possible = [_flags(mask, active) for mask in masks]
        last = -1
        for place, event in enumerate(_events(batch, program.kept[stream], active)):
            machine.pass_event(event.timestamp, stream)
            for position, flags in zip(served, possible, strict=True):
                machine.serve(position, event, int(now_ms[active[place]]), possible=flags[place])
                if not machine.found:
                    continue
                for number, match in enumerate(machine.found):
                    if number == 0 or not shares_chunk:
                        chunk = numbers[place]
                        end = chunk - chunk % CHUNK_STRIDE + CHUNK_STRIDE - 1
                        last = chunk if chunk > last else min(last + 1, end)
                    found.append(match)
                    chunks.append(last)
                machine.found = []
        if program.skips_rows:
            machine.pass_time(int(batch.timestamps[-1]))

    def _put_out(self, found: list[PartialMatch], chunks: list[int]) -> EventBatch:
        return self._program.columns.batch(self._program.reads, found, chunks)


def _flags(mask: npt.NDArray[np.bool_] | bool, active: Longs) -> list[bool]:
    if isinstance(mask, bool | np.bool_):
        return [bool(mask)] * len(active)
    flags: list[bool] = mask.take(active).tolist()
    return flags


def _events(batch: EventBatch, kept: tuple[int, ...], active: Longs) -> list[Event]:
    """The rows at ``active`` as events with the attributes ``kept``."""
    timestamps = batch.timestamps.take(active).tolist()
    if not kept:
        return [Event(timestamp, ()) for timestamp in timestamps]
    columns: list[list[Any]] = []
    for attribute in kept:
        column = batch.columns[attribute].take(active)
        values: list[Any] = column.values.tolist()
        if column.valid is not None:
            values = [value if valid else None for value, valid in zip(values, column.valid.tolist(), strict=True)]
        columns.append(values)
    return [Event(timestamp, row) for timestamp, row in zip(timestamps, zip(*columns, strict=True), strict=True)]
