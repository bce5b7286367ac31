"""The operator of patterns and sequences of any form: counts, pairs, absent events, quantifiers.

Cost: what a row says of itself is computed by columns; a row of a pattern that no step can take costs nothing else.
Others cost Python per waiting match. State: the matches begun, within ``within`` if there is one, and of their
events the values that are read later.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from eiha.engine.expressions.rows import Rows, Scope
from eiha.engine.operator import AT_ONCE, FIRED_CHUNK, NO_TICKS, OperatorState, RowClock
from eiha.engine.patterns.captured import Event, PartialMatch
from eiha.engine.patterns.machine import Machine
from eiha.engine.patterns.match_columns import MatchColumns
from eiha.engine.patterns.references import Reader, references
from eiha.engine.patterns.state_table import State, StateKind, state_table
from eiha.engine.patterns.step_check import StepCheck
from eiha.events.batch import CHUNK_STRIDE, EventBatch
from eiha.events.schema import Schema
from eiha.plan.expressions import AttributeRef
from eiha.plan.nodes import PatternInput

Longs = npt.NDArray[np.int64]
Masks = list[npt.NDArray[np.bool_] | bool]

_FIRED_MAX: Final = CHUNK_STRIDE - 1
_EARLIEST: Final = -(2**62)


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
        self.waits_at_start = any(state.starts and state.wait_ms is not None for state in self.states)
        self.waits = any(state.wait_ms is not None for state in self.states)
        self.lingers = any(state.kind is StateKind.COUNTED or state.partner >= 0 for state in self.states)
        self.idles_at = self._idles_at()
        self.puts_out_one = frozenset(state.position for state in self.states if self._puts_out_one(state))

    def _idles_at(self) -> int | None:
        """The step of a repeated sequence without which nothing begins; None if there is no such one."""
        starts = [state for state in self.states if state.starts]
        if not self.source.is_sequence or len(starts) > 1:
            return None
        first = starts[0]
        return first.position if first.again >= 0 and first.least > 0 and not first.is_absent else None

    def _puts_out_one(self, last: State) -> bool:
        """As recorded: of the matches that one event completes only the first comes out, the others are lost, if the
        same stream also feeds a step ``not X and ...`` before.
        """
        if not last.is_last or self.source.is_sequence:
            return False
        return any(
            state.kind is StateKind.PAIRED_ABSENT
            and (state.wait_ms is None and state.stream == last.stream and state.element < last.element)
            for state in self.states
        )

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
        self._latest_ms = _EARLIEST

    @property
    def schema(self) -> Schema:
        """Of the matches put out."""
        return self._program.columns.schema

    def receive(self, stream: str, batch: EventBatch, clock: RowClock) -> EventBatch:
        """The matches that the rows of ``stream`` complete.

        Raises:
            EngineFault: a condition cannot be computed.
        """
        program = self._program
        ticks_ms = clock.ticks_ms if program.waits else NO_TICKS
        if not self._started and (len(batch) or len(ticks_ms)):
            self._start(int(ticks_ms[0] if len(ticks_ms) else clock.now_ms[0]))
        if not len(batch):
            notes = _Notes(self._machine)
            _Alarms(self._machine, ticks_ms, notes).go_off(len(ticks_ms) - 1)
            return self._put_out(notes.found, notes.chunks)
        served = program.served[stream]
        rows = Rows(len(batch), (batch.columns,), batch.timestamps, clock.now_ms)
        masks: Masks = [program.checks[position].mask(rows) for position in served]
        visit = _Visit(self._machine, stream, program, masks, batch, clock.now_ms)
        if len(ticks_ms):
            self._visit_with_alarms(visit, _events(batch, program.kept[stream], None), ticks_ms)
        elif program.source.is_sequence:
            self._visit_sequence(visit, _events(batch, program.kept[stream], None))
        else:
            self._visit_pattern(visit, batch, masks, program.kept[stream])
        return self._put_out(visit.notes.found, visit.notes.chunks)

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
        return {"machine": self._machine.snapshot(), "started": self._started, "latest_ms": self._latest_ms}

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self._machine.restore(state["machine"])
        self._started, self._latest_ms = state["started"], state["latest_ms"]

    def _start(self, now_ms: int) -> None:
        """The clock begins to run: absent steps at the start wait from now on."""
        self._started = True
        self._machine.start(now_ms)

    def _fresh(self) -> Machine:
        program = self._program
        source = program.source
        return Machine(program.states, program.checks, source.within_ms, is_sequence=source.is_sequence)

    def _visit_with_alarms(self, visit: _Visit, events: list[Event], ticks_ms: Longs) -> None:
        """Row by row, and before each the alarms that are due by then."""
        alarms = _Alarms(self._machine, ticks_ms, visit.notes)
        for row, event in enumerate(events):
            alarms.go_off(visit.chunk(row) // CHUNK_STRIDE)
            visit.row(row, event)
        alarms.go_off(len(ticks_ms) - 1)

    def _visit_sequence(self, visit: _Visit, events: list[Event]) -> None:
        """Row by row; while nothing has begun, from one row that may begin something to the next."""
        machine, start = self._machine, self._program.idles_at
        beginnings: list[int] | None = None if start is None else visit.rows_for(start)
        row, count = 0, len(events)
        while row < count:
            if start is not None and beginnings is not None and machine.is_idle(start):
                place = bisect_left(beginnings, row)
                if place == len(beginnings):
                    return
                row = beginnings[place]
            visit.row(row, events[row])
            row += 1

    def _visit_pattern(self, visit: _Visit, batch: EventBatch, masks: Masks, kept: tuple[int, ...]) -> None:
        """The rows that some step may take, and those at which a match gets too old."""
        program, timestamps = self._program, batch.timestamps
        count = len(timestamps)
        active = _any(masks, count)
        if program.lingers and len(active) < count:
            # what got on by another way is forgotten with the next row
            active = np.union1d(active, active[active < count - 1] + 1)
        within = program.source.within_ms is not None
        earliest = int(timestamps.min())
        is_rising = earliest >= self._latest_ms and bool((timestamps[1:] >= timestamps[:-1]).all())
        if within and not is_rising:
            active = np.arange(count, dtype=np.int64)
        self._latest_ms = max(self._latest_ms, int(timestamps.max()))
        done = 0
        for row, event in zip(active.tolist(), _events(batch, kept, active), strict=True):
            if within:
                self._pass_rows(visit, timestamps, done, row)
            visit.row(row, event)
            done = row + 1
        if within:
            self._pass_rows(visit, timestamps, done, count)

    def _pass_rows(self, visit: _Visit, timestamps: Longs, start: int, stop: int) -> None:
        """Of rows that no step takes, only those matter at which a match gets too old."""
        while start < stop:
            lapse_ms = self._machine.next_lapse_ms()
            if lapse_ms is None or timestamps[stop - 1] <= lapse_ms:
                return
            row = start + int(np.searchsorted(timestamps[start:stop], lapse_ms, side="right"))
            visit.row(row, Event(int(timestamps[row]), ()))
            start = row + 1

    def _put_out(self, found: list[PartialMatch], chunks: list[int]) -> EventBatch:
        return self._program.columns.batch(self._program.reads, found, chunks)


class _Visit:
    """One batch on its way through the machine."""

    def __init__(
        self, machine: Machine, stream: str, program: PatternProgram, masks: Masks, batch: EventBatch, now_ms: Longs
    ) -> None:
        self._machine = machine
        self._stream = stream
        self._served = program.served[stream]
        self._puts_out_one = program.puts_out_one
        self._masks = masks
        self._numbers = batch.chunks
        self._count = len(batch)
        self._now_ms = now_ms
        self.notes = _Notes(machine)

    def rows_for(self, position: int) -> list[int] | None:
        """The rows that the step may take; None if it may take all, or is fed by another stream."""
        if position not in self._served:
            return []
        mask = self._masks[self._served.index(position)]
        if isinstance(mask, bool | np.bool_):
            return None if mask else []
        rows: list[int] = np.flatnonzero(mask).tolist()
        return rows

    def row(self, row: int, event: Event) -> None:
        """Show a row to all steps that its stream feeds."""
        machine = self._machine
        machine.pass_event(event.timestamp, self._stream)
        for position, mask in zip(self._served, self._masks, strict=True):
            possible = bool(mask) if isinstance(mask, bool | np.bool_) else bool(mask[row])
            machine.serve(position, event, int(self._now_ms[row]), possible=possible)
            if machine.found:
                if position in self._puts_out_one:
                    del machine.found[1:]
                self.notes.add(self.chunk(row), shares=len(self._served) > 1)

    def chunk(self, row: int) -> int:
        """The number of the chunk that a row is."""
        return row * CHUNK_STRIDE if self._numbers is None else int(self._numbers[row])


class _Notes:
    """Matches found while a batch passes, with their chunk numbers."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._last = -CHUNK_STRIDE
        self.found: list[PartialMatch] = []
        self.chunks: list[int] = []

    def add(self, chunk: int, *, shares: bool) -> None:
        """Number what the machine found; ``shares``: it is one chunk, since one stream feeds several steps."""
        end = chunk - chunk % CHUNK_STRIDE + CHUNK_STRIDE - 1
        for place, match in enumerate(self._machine.found):
            if place == 0 or not shares:
                self._last = chunk if chunk > self._last else min(self._last + 1, end)
            self.found.append(match)
            self.chunks.append(self._last)
        self._machine.found = []


class _Alarms:
    """The alarms of a batch, each at the first of ``ticks_ms`` at which it is due, and what they put out."""

    def __init__(self, machine: Machine, ticks_ms: Longs, notes: _Notes) -> None:
        self._machine = machine
        self._ticks_ms: list[int] = ticks_ms.tolist()
        self._place = 0
        self._notes = notes

    def go_off(self, last: int) -> None:
        """Let go off what is due by the moment at place ``last``."""
        last = min(last, len(self._ticks_ms) - 1)
        while self._place <= last:
            alarm = self._machine.next_alarm()
            if alarm is None or alarm[0] > self._ticks_ms[last]:
                break
            self._place = bisect_left(self._ticks_ms, alarm[0], self._place, last)
            self._machine.fire(self._ticks_ms[self._place])
            self._notes.add((self._place - 1) * CHUNK_STRIDE + 1, shares=False)
        self._place = max(self._place, last + 1)


def _any(masks: Masks, count: int) -> Longs:
    """The rows that some step may take."""
    some: Any = False
    for mask in masks:
        some = some | mask
    if isinstance(some, bool | np.bool_):
        return np.arange(count if some else 0, dtype=np.int64)
    return np.flatnonzero(some)


def _events(batch: EventBatch, kept: tuple[int, ...], rows: Longs | None) -> list[Event]:
    """All rows, or those at ``rows``, as events with the attributes ``kept``."""
    timestamps = (batch.timestamps if rows is None else batch.timestamps.take(rows)).tolist()
    if not kept:
        return [Event(timestamp, ()) for timestamp in timestamps]
    columns: list[list[Any]] = []
    for attribute in kept:
        column = batch.columns[attribute] if rows is None else batch.columns[attribute].take(rows)
        values: list[Any] = column.values.tolist()
        if column.valid is not None:
            values = [value if valid else None for value, valid in zip(values, column.valid.tolist(), strict=True)]
        columns.append(values)
    return list(map(Event, timestamps, zip(*columns, strict=True)))
