"""The operator of patterns and sequences that the compiled machine runs.

Cost: what a row says of itself is computed by columns; a row that no step can take costs next to nothing, others a
compiled pass over the partial matches that wait for their steps or, where the condition demands that a value equals one
of an earlier event, over those of that value alone. State: the matches begun, within ``within`` if there is one, and of
their events the values that are read later.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from eiha.engine.expressions.rows import Rows
from eiha.engine.operator import AT_ONCE, FIRED_CHUNK, NO_TICKS, OperatorState, RowClock
from eiha.engine.patterns import step_layout as s
from eiha.engine.patterns.references import presenter
from eiha.engine.patterns.step_program import StepProgram
from eiha.engine.patterns.step_state import StepState
from eiha.engine.patterns.stepping import fire_earliest, next_alarm_ms, start_waits, step
from eiha.events.batch import CHUNK_STRIDE, EventBatch, concatenate_batches
from eiha.events.column import Column
from eiha.events.schema import AttributeType
from eiha.events.strings import StringTable
from eiha.plan.expressions import LAST_EVENT, WHOLE_LIST, AttributeRef

Longs = npt.NDArray[np.int64]
Flags = npt.NDArray[np.uint8]

_FOUND_MIN: Final = 256
_FIRED_MAX: Final = CHUNK_STRIDE - 1
_NOTHING: Final[Any] = np.zeros(0, dtype=np.int64)
_NO_FLAGS: Final[Any] = np.zeros(0, dtype=np.uint8)


class SteppedPattern:
    """One instance at work; matches and their chunks are those of ``GeneralPattern``."""

    def __init__(self, program: StepProgram, strings: StringTable) -> None:
        self._program = program
        self._strings = strings
        self._state = StepState(program)
        self._started = not program.program.waits_at_start

    def receive(self, stream: str, batch: EventBatch, clock: RowClock) -> EventBatch:
        """The matches that the rows of ``stream`` complete, and what alarms put out that go off before them."""
        count = len(batch)
        ticks_ms = clock.ticks_ms if self._program.waits else NO_TICKS
        if not self._started and (count or len(ticks_ms)):
            self._start(int(ticks_ms[0] if len(ticks_ms) else clock.now_ms[0]))
        self._state.world[s.TICK] = 0
        if not count:
            return self._pass_time(ticks_ms)
        rows = Rows(count, (batch.columns,), batch.timestamps, clock.now_ms)
        masks, active = self._masks(stream, rows)
        chosen = np.flatnonzero(active)
        numbers = np.zeros(count, dtype=np.int64)
        if len(chosen):
            everything = len(chosen) == count
            first = self._state.events.append(stream, batch, chosen, rows if everything else rows.take(chosen))
            numbers[chosen] = np.arange(first, first + len(chosen), dtype=np.int64)
        found = self._step(stream, batch, rows, masks, active, numbers, ticks_ms)
        self._state.compact()
        return concatenate_batches(found) if len(found) > 1 else found[0]

    def fire(self, now_ms: int) -> EventBatch | None:
        """See ``Operator``."""
        state = self._state
        if not self._started:
            self._start(now_ms)
            return None
        state.make_output(_FOUND_MIN)
        while True:
            lacks = fire_earliest(now_ms, state.events.terms, state.events.terms_valid, state.restless, state.memory)
            if lacks == s.DONE:
                break
            self._make_room(lacks, 0)
        count = int(state.world[s.FOUND])
        if not count:
            return None
        found = state.found()
        found[:, 1] = np.minimum(FIRED_CHUNK + np.arange(count, dtype=np.int64), _FIRED_MAX)
        return self._put_out(found)

    def next_timer_ms(self) -> int | None:
        """See ``Operator``."""
        if not self._started:
            return AT_ONCE
        if not self._program.waits:
            return None
        due_ms = int(next_alarm_ms(self._state.memory))
        return None if due_ms == s.LATEST else due_ms

    def snapshot(self) -> OperatorState:
        """The matches begun and the waits."""
        return {"started": self._started, **self._state.snapshot()}

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self._started = state["started"]
        self._state = StepState(self._program)
        self._state.restore(state)

    def _start(self, now_ms: int) -> None:
        """The clock begins to run: absent steps at the start wait from now on."""
        self._started = True
        start_waits(now_ms, self._state.memory)

    def _pass_time(self, ticks_ms: Longs) -> EventBatch:
        """What alarms put out by the last of ``ticks_ms``, without rows."""
        program = self._program
        stream = program.streams[0]
        nothing = EventBatch(program.schemas[stream], _NOTHING, (), chunks=_NOTHING)
        masks = np.zeros((len(program.served[stream]), 0), dtype=np.uint8)
        found = self._step(stream, nothing, None, masks, _NO_FLAGS, _NOTHING, ticks_ms)
        return concatenate_batches(found) if len(found) > 1 else found[0]

    def _masks(self, stream: str, rows: Rows) -> tuple[Flags, Flags]:
        """[steps that the stream feeds, rows] what a row may serve by what it says of itself; and any of them."""
        program = self._program
        served = program.served[stream]
        masks = np.empty((len(served), rows.count), dtype=np.uint8)
        for place, position in enumerate(served.tolist()):
            masks[place] = program.program.checks[position].mask(rows)
        active: Flags = np.max(masks, axis=0)
        return masks, active

    def _step(
        self,
        stream: str,
        batch: EventBatch,
        rows: Rows | None,
        masks: Flags,
        active: Flags,
        numbers: Longs,
        ticks_ms: Longs,
    ) -> list[EventBatch]:
        program, state = self._program, self._state
        served = program.served[stream]
        at_start = np.flatnonzero(served == program.idles_at)
        begins = masks[at_start[0]] if len(at_start) else np.zeros(len(batch), dtype=np.uint8)
        arriving, arriving_valid = (_NOTHING, _NO_FLAGS) if rows is None else self._arriving(stream, rows)
        state.world[s.LAST_CHUNK] = -CHUNK_STRIDE
        state.make_output(max(_FOUND_MIN, len(batch)))
        found: list[EventBatch] = []
        row = 0
        while True:
            status, row = step(
                row,
                program.streams.index(stream),
                served,
                program.settles[stream],
                begins,
                active,
                masks.ravel(),
                batch.timestamps,
                batch.chunk_numbers(),
                numbers,
                state.restless,
                ticks_ms,
                program.clauses_of,
                program.atoms_of,
                program.atoms,
                state.events.terms,
                state.events.terms_valid,
                arriving,
                arriving_valid,
                state.memory,
            )
            if state.world[s.FOUND] or (status == s.DONE and not found):
                # before anything moves: what was found is not carried along, and it names cells by their numbers
                found.append(self._put_out(state.found()))
                state.world[s.FOUND] = 0
            if status == s.DONE:
                return found
            self._make_room(status, len(batch))

    def _make_room(self, lacks: int, cells: int) -> None:
        """More of what there may be too little of; at least ``cells`` cells."""
        state = self._state
        if lacks == s.NEEDS_SLOTS:
            state.grow()
        elif lacks == s.NEEDS_CELLS:
            state.make_cells(max(state.waiting(), cells))
        elif lacks == s.NEEDS_ALARMS:
            state.grow_alarms()
        else:
            state.make_output(2 * state.waiting())

    def _arriving(self, stream: str, rows: Rows) -> tuple[Longs, Flags]:
        """int64, uint8[arriving terms * rows]; zeros for those of other streams."""
        terms = self._program.arriving
        values = np.zeros((len(terms), rows.count), dtype=np.int64)
        valid = np.zeros((len(terms), rows.count), dtype=np.uint8)
        for place, term in enumerate(terms):
            if term.stream == stream:
                values[place], valid[place] = term.evaluate(rows)
        values[valid == 0] = 0
        return values.ravel(), valid.ravel()

    def _put_out(self, found: Longs) -> EventBatch:
        """Matches as rows."""
        columns = self._program.program.columns
        out: list[Column] = []
        for value in columns.values:
            stream = self._program.program.source.steps[value.source].stream
            if value.event_index == WHOLE_LIST:
                out.append(self._lists(found, stream, value))
            else:
                numbers = self._events(found, value.source, value.event_index)
                out.append(self._state.events.column(stream, value.attribute, numbers))
        out += [
            Column(AttributeType.BOOL, self._events(found, flag.source, flag.event_index) < 0)
            for flag in columns.events
        ]
        timestamps, chunks = np.ascontiguousarray(found[:, 0]), np.ascontiguousarray(found[:, 1])
        return EventBatch(columns.schema, timestamps, tuple(out), chunks=chunks)

    def _events(self, found: Longs, step: int, index: int) -> Longs:
        """The number of the event at ``index`` of ``step`` in each match; -1 for none."""
        at = 2 + step * s.STEP
        count = found[:, at + s.COUNT]
        if index in (0, LAST_EVENT):
            return np.where(count > 0, found[:, at + (s.LAST if index else s.FIRST)], -1)
        back = count - 1 - index if index > 0 else np.full(len(found), -1 - index, dtype=np.int64)
        known = np.flatnonzero((back >= 0) & (back < count))
        numbers = np.full(len(found), -1, dtype=np.int64)
        if self._program.listed[step] and len(known):
            cells, steps = found[known, at + s.CELL], back[known]
            while len(moving := np.flatnonzero(steps)):
                cells[moving] = self._state.cells[2 * cells[moving] + 1]
                steps[moving] -= 1
            numbers[known] = self._state.cells[2 * cells]
        return numbers

    def _lists(self, found: Longs, stream: str, value: AttributeRef) -> Column:
        """The list of all values of a step in each match."""
        at, cells = 2 + value.source * s.STEP, self._state.cells
        chains: list[list[int]] = []
        for count, first, cell in found[:, [at + s.COUNT, at + s.FIRST, at + s.CELL]].tolist():
            chain = [first] if count and not self._program.listed[value.source] else []
            while self._program.listed[value.source] and len(chain) < count:
                chain.append(int(cells[2 * cell]))
                cell = int(cells[2 * cell + 1])
            chains.append(chain[::-1])
        numbers = np.array([each for chain in chains for each in chain], dtype=np.int64)
        column = self._state.events.column(stream, value.attribute, numbers)
        present = presenter(column.type, self._strings)
        plain: list[Any] = column.values.tolist()
        valid = column.mask().tolist()
        shown = [present(each if known else None) for each, known in zip(plain, valid, strict=True)]
        lists = np.empty(len(found), dtype=np.object_)
        begin = 0
        for row, chain in enumerate(chains):
            lists[row] = tuple(shown[begin : begin + len(chain)]) if chain else None
            begin += len(chain)
        known = np.array([bool(chain) for chain in chains], dtype=np.bool_)
        return Column(AttributeType.OBJECT, lists, None if known.all() else known)
