"""What the compiled machine holds: slots, rings, cells, and the captured events with the values read of them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from eiha.engine.expressions.rows import Rows
from eiha.engine.operator import OperatorState
from eiha.engine.patterns import step_layout as s
from eiha.engine.patterns.step_program import StepProgram
from eiha.engine.patterns.stepping import begin, link_again
from eiha.engine.windows.row_store import RowStore
from eiha.events.batch import EventBatch
from eiha.events.column import Column

Longs = npt.NDArray[np.int64]

_SLOTS_MIN: Final = 16
_ALARMS_MIN: Final = 256
_COMPACT_ABOVE: Final = 256


class CapturedEvents:
    """Events by number: where they lie in the store of their stream, and the terms that conditions read.

    Numbers rise with time; ``keep`` gives new ones.
    """

    def __init__(self, program: StepProgram) -> None:
        self._program = program
        self.count = 0
        self.width = len(program.captured)
        self._clear()

    def _clear(self) -> None:
        self.count = 0
        self.places: Longs = np.zeros(0, dtype=np.int64)
        self.streams: npt.NDArray[np.uint8] = np.zeros(0, dtype=np.uint8)
        self.terms: Longs = np.zeros(0, dtype=np.int64)
        self.terms_valid: npt.NDArray[np.uint8] = np.zeros(0, dtype=np.uint8)
        self.stores = {stream: RowStore(schema) for stream, schema in self._program.schemas.items()}

    def append(self, stream: str, batch: EventBatch, rows: Longs, taken: Rows) -> int:
        """Note the rows at ``rows``; the number of the first. ``taken``: these rows, for terms."""
        program, first, count = self._program, self.count, len(rows)
        self._make_room(first + count)
        number, width = program.streams.index(stream), self.width
        self.streams[first : first + count] = number
        if program.kept[stream]:
            columns = tuple(batch.columns[each].take(rows) for each in program.kept[stream])
            start = self.stores[stream].append(
                EventBatch(program.schemas[stream], batch.timestamps.take(rows), columns)
            )
            self.places[first : first + count] = np.arange(start, start + count, dtype=np.int64)
        for place, term in enumerate(program.captured):
            if term.stream == stream:
                values, valid = term.evaluate(taken)
                self.terms[first * width + place : (first + count) * width : width] = values
                self.terms_valid[first * width + place : (first + count) * width : width] = valid
        self.count += count
        return first

    def column(self, stream: str, attribute: int, numbers: Longs) -> Column:
        """The values of an attribute that is kept; number -1: null."""
        program = self._program
        place = program.kept[stream].index(attribute)
        type_, store = program.schemas[stream].attributes[place].type, self.stores[stream]
        known = numbers >= 0
        if not known.any():
            values = np.full(len(numbers), None) if type_.dtype == np.object_ else np.zeros(len(numbers), type_.dtype)
            return Column(type_, values, known if len(known) else None)
        places = self.places.take(np.where(known, numbers, numbers[known][0]))
        values, valid = store.column(place).take(places), store.valid(place)
        mask = known if valid is None else known & valid.take(places)
        if mask.all():
            return Column(type_, values)
        values[~mask] = None if type_.dtype == np.object_ else 0
        return Column(type_, values, mask)

    def keep(self, numbers: Longs) -> None:
        """Hold exactly the events of ``numbers``, which rise; they are numbered anew from 0."""
        width, count = self.width, len(numbers)
        places, streams = self.places.take(numbers), self.streams.take(numbers)
        for number, stream in enumerate(self._program.streams):
            if self._program.kept[stream]:
                mine = np.flatnonzero(streams == number)
                self.stores[stream].keep(places.take(mine))
                places[mine] = np.arange(len(mine), dtype=np.int64)
        terms = np.add.outer(numbers * width, np.arange(width, dtype=np.int64)).ravel()
        self.places, self.streams = places, streams
        self.terms, self.terms_valid = self.terms.take(terms), self.terms_valid.take(terms)
        self.count = count

    def snapshot(self) -> OperatorState:
        """All events; they must have been numbered anew."""
        assert len(self.places) == self.count
        return {
            "places": self.places,
            "streams": self.streams,
            "terms": self.terms,
            "terms_valid": self.terms_valid,
            "stores": [self.stores[stream].snapshot() for stream in self._program.streams],
        }

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self._clear()
        self.places, self.streams = state["places"], state["streams"]
        self.terms, self.terms_valid = state["terms"], state["terms_valid"]
        self.count = len(self.places)
        for stream, saved in zip(self._program.streams, state["stores"], strict=True):
            self.stores[stream].restore(saved)

    def _make_room(self, count: int) -> None:
        room = len(self.places)
        if count <= room:
            return
        room = max(2 * room, count)
        self.places = _longer(self.places[: self.count], room)
        self.streams = _longer(self.streams[: self.count], room)
        self.terms = _longer(self.terms[: self.count * self.width], room * self.width)
        self.terms_valid = _longer(self.terms_valid[: self.count * self.width], room * self.width)


class StepState:
    """The array of one instance; ``step_layout`` says what is in it. The attributes are views of it."""

    def __init__(self, program: StepProgram) -> None:
        self._program = program
        steps = program.steps
        self.memory: Longs = np.zeros(s.WORLD + steps * s.STATE, dtype=np.int64)
        self._view()
        world = self.world
        world[s.STATES], world[s.STRIDE], world[s.WITHIN] = steps, program.stride, program.within_ms
        world[s.IS_SEQUENCE], world[s.IDLES_AT] = program.is_sequence, program.idles_at
        world[s.TERMS] = len(program.captured)
        self.states[:, : s.TABLE] = program.table
        self.states[:, s.SWEEP_FROM] = s.SWEEP_MIN
        self.restless: Longs = np.ones(len(program.streams), dtype=np.int64)
        self.events = CapturedEvents(program)
        self._compact_above = _COMPACT_ABOVE
        if program.waits:
            self.grow_alarms()
        self.grow()
        begin(self.memory)

    def grow(self) -> None:
        """Twice the slots, and rings with twice as many places."""
        capacity = 2 * int(self.world[s.CAPACITY]) or _SLOTS_MIN
        while capacity < (self._program.steps + 2) ** 3:
            capacity *= 2
        self._resize(capacity=capacity)

    def grow_alarms(self) -> None:
        """Room for twice as many alarms."""
        self._resize(alarm_room=2 * int(self.world[s.ALARM_ROOM]) or _ALARMS_MIN)

    def make_output(self, wanted: int) -> None:
        """Room for ``wanted`` matches; those found are gone."""
        self.world[s.FOUND] = 0
        if self.world[s.FOUND_ROOM] < wanted:
            self._resize(found_room=wanted)

    def found(self) -> Longs:
        """The matches found, one a row."""
        width = self._program.stride - s.SLOT + 2
        begin = int(self.world[s.MATCHES])
        return self.memory[begin : begin + int(self.world[s.FOUND]) * width].reshape(-1, width).copy()

    def waiting(self) -> int:
        """How many more matches and cells one event may need than there are matches, or less."""
        return int(self.states[:, [s.WAITING, s.FRESH]].sum()) + 2 * (self._program.steps + 2) ** 3

    def ring(self, number: int) -> Longs:
        """The slots in a ring: ``2 * state`` those that wait, ``2 * state + 1`` fresh ones."""
        at, room = (s.FRESH_HEAD if number % 2 else s.WAIT_HEAD), int(self.world[s.RING])
        head, length = self.states[number // 2, at : at + 2].tolist()
        if not number % 2:
            length += int(self.states[number // 2, s.HOLES])
        slots: Longs = self.rings[number].take((head + np.arange(length, dtype=np.int64)) & (room - 1))
        return slots[slots >= 0]

    def alarms_of(self, state: int) -> Longs:
        """The alarms of a state."""
        head, length = self.states[state, s.ALARM_HEAD : s.ALARM_HEAD + 2].tolist()
        room = int(self.world[s.ALARM_ROOM])
        moments: Longs = self.alarms[state].take((head + np.arange(length, dtype=np.int64)) & (room - 1))
        return moments

    def _link(self) -> None:
        """Find anew by key what waits at keyed states."""
        if self._program.keyed:
            link_again(self.events.terms, self.events.terms_valid, self.memory)

    def _view(self) -> None:
        memory, steps = self.memory, self._program.steps
        self.world = memory[: s.WORLD]
        self.states = memory[s.WORLD : s.WORLD + steps * s.STATE].reshape(steps, s.STATE)
        rings, slots, free, cells, alarms, links, _, _ = self.world[s.RINGS : s.MATCHES + 1].tolist()
        self.rings = memory[rings:slots].reshape(2 * steps, -1) if rings else memory[:0].reshape(2 * steps, 0)
        self.slots = memory[slots:free].reshape(-1, self._program.stride)
        self.free = memory[free:cells]
        self.cells = memory[cells:alarms]
        self.alarms = memory[alarms:links].reshape(steps, -1) if rings else memory[:0].reshape(steps, 0)

    def _resize(self, capacity: int = 0, cells_room: int = 0, found_room: int = 0, alarm_room: int = 0) -> None:
        """Another array, with room for more; 0: as much as before."""
        before, steps, stride = self.world, self._program.steps, self._program.stride
        held = [self.ring(number) for number in range(2 * steps)]
        alarms = [self.alarms_of(state) for state in range(steps)]
        states, slots, free, cells = self.states, self.slots, self.free, self.cells
        capacity = capacity or int(before[s.CAPACITY])
        cells_room = cells_room or int(before[s.CELLS_ROOM])
        found_room = found_room or int(before[s.FOUND_ROOM])
        alarm_room = alarm_room or int(before[s.ALARM_ROOM])
        ring, width, keyed = 4 * capacity, stride - s.SLOT + 2, self._program.keyed
        sizes = [s.WORLD + steps * s.STATE, 2 * steps * ring, capacity * stride, capacity, 2 * cells_room]
        sizes += [steps * alarm_room, keyed * capacity * s.LINK, 2 * keyed * (capacity + 1)]
        assert len(sizes) == s.MATCHES - s.RINGS + 1
        self.memory = np.zeros(sum(sizes) + found_room * width, dtype=np.int64)
        self.memory[: s.WORLD] = before
        self.memory[s.RINGS : s.MATCHES + 1] = np.cumsum(sizes)
        self.memory[s.WORLD : s.WORLD + steps * s.STATE] = states.ravel()
        self._view()
        self.slots[: len(slots)] = slots
        for number, ring_before in enumerate(held):
            self._fill(number, ring_before)
        fresh = np.arange(capacity - 1, int(before[s.CAPACITY]) - 1, -1, dtype=np.int64)
        count = int(before[s.FREE])
        self.free[: len(fresh)] = fresh
        self.free[len(fresh) : len(fresh) + count] = free[:count]
        self.cells[: min(len(cells), 2 * cells_room)] = cells[: 2 * cells_room]
        world = self.world
        world[s.CAPACITY], world[s.RING], world[s.CELLS_ROOM] = capacity, ring, cells_room
        world[s.FOUND_ROOM], world[s.ALARM_ROOM] = found_room, alarm_room
        world[s.FREE] += len(fresh)
        for state, moments in enumerate(alarms):
            self._fill_alarms(state, moments)
        self._link()

    def make_cells(self, wanted: int) -> None:
        """Forget cells that no match holds; room for ``wanted`` more."""
        self._drop_cells()
        count = int(self.world[s.CELLS])
        self._resize(cells_room=max(64, 2 * count, count + wanted))

    def compact(self) -> None:
        """Forget events that no match holds, if there are many."""
        if self.events.count > self._compact_above:
            self._drop_events()
            self._compact_above = max(_COMPACT_ABOVE, 2 * self.events.count)

    def snapshot(self) -> OperatorState:
        """The matches that wait, their events, and what each state holds."""
        self._drop_cells()
        self._drop_events()
        rings = [self.ring(number) for number in range(2 * self._program.steps)]
        slots, order = _in_order_of_sight(rings)
        held = self.states[:, s.TABLE :].copy()
        held[:, [each - s.TABLE for each in (s.WAIT_HEAD, s.FRESH_HEAD, s.ALARM_HEAD, s.HOLES)]] = 0
        held[held[:, s.FRESH - s.TABLE] == 0, s.FRESH_OLDEST - s.TABLE : s.FRESH_RISES + 1 - s.TABLE] = 0
        matches = self.slots.take(slots, axis=0)
        taken = matches[:, s.SLOT :].reshape(-1, s.STEP)
        taken[taken[:, s.COUNT] == 0] = 0
        matches[:, s.SLOT :] = taken.reshape(len(matches), s.STEP * self._program.steps)
        return {
            "held": held.ravel(),
            "restless": self.restless.copy(),
            "rings": [order.take(ring) if len(ring) else ring for ring in rings],
            "alarms": [self.alarms_of(state) for state in range(self._program.steps)],
            "slots": matches.ravel(),
            "cells": self.cells[: 2 * int(self.world[s.CELLS])].copy(),
            "events": self.events.snapshot(),
        }

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave, in place of what a new instance holds."""
        stride, cells = self._program.stride, len(state["cells"]) // 2
        count = len(state["slots"]) // stride
        while self.world[s.CAPACITY] < count:
            self.grow()
        if self.world[s.CELLS_ROOM] < cells:
            self._resize(cells_room=cells)
        while self.world[s.ALARM_ROOM] < max((len(each) for each in state["alarms"]), default=0):
            self.grow_alarms()
        world, capacity = self.world, int(self.world[s.CAPACITY])
        self.states[:, s.TABLE :] = state["held"].reshape(self._program.steps, -1)
        self.restless = state["restless"].copy()
        self.slots[:count] = state["slots"].reshape(count, stride)
        for number, ring in enumerate(state["rings"]):
            self._fill(number, ring)
        for place, moments in enumerate(state["alarms"]):
            self._fill_alarms(place, moments)
        world[s.FREE] = capacity - count
        self.free[: capacity - count] = np.arange(capacity - 1, count - 1, -1, dtype=np.int64)
        self.cells[: 2 * cells] = state["cells"]
        world[s.CELLS] = cells
        self.events.restore(state["events"])
        self._link()
        self._compact_above = max(_COMPACT_ABOVE, 2 * self.events.count)

    def _fill(self, number: int, slots: Longs) -> None:
        at = s.FRESH_HEAD if number % 2 else s.WAIT_HEAD
        self.rings[number, : len(slots)] = slots
        self.states[number // 2, at : at + 2] = 0, len(slots)
        if not number % 2:
            self.states[number // 2, s.HOLES] = 0

    def _fill_alarms(self, state: int, moments: Longs) -> None:
        self.alarms[state, : len(moments)] = moments
        self.states[state, s.ALARM_HEAD : s.ALARM_HEAD + 2] = 0, len(moments)

    def _live(self) -> Longs:
        return np.flatnonzero(self.slots[:, s.REFERENCES] > 0)

    def _drop_cells(self) -> None:
        world, rows, live = self.world, self.slots, self._live()
        count = int(world[s.CELLS])
        if not count:
            return
        used = np.zeros(count, dtype=np.bool_)
        holders = []
        for step in np.flatnonzero(self._program.listed).tolist():
            at = s.SLOT + step * s.STEP
            holders.append((live[rows[live, at + s.COUNT] > 0], at + s.CELL))
        frontier = np.concatenate([rows[mine, at] for mine, at in holders])
        while len(frontier := np.unique(frontier[frontier >= 0])):
            frontier = frontier[~used[frontier]]
            used[frontier] = True
            frontier = self.cells[2 * frontier + 1]
        numbers = np.append(np.cumsum(used) - 1, s.NEVER)  # the last one: no cell
        kept = np.flatnonzero(used)
        for mine, at in holders:
            rows[mine, at] = numbers[rows[mine, at]]
        events, before = self.cells[2 * kept], numbers[self.cells[2 * kept + 1]]
        self.cells[: 2 * len(kept) : 2], self.cells[1 : 2 * len(kept) : 2] = events, before
        world[s.CELLS] = len(kept)

    def _drop_events(self) -> None:
        world, rows, live = self.world, self.slots, self._live()
        used = np.zeros(self.events.count, dtype=np.bool_)
        count = int(world[s.CELLS])
        columns = [s.SLOT + step * s.STEP + each for step in range(self._program.steps) for each in (s.FIRST, s.LAST)]
        holders = []
        for at in columns:
            taken = at - s.FIRST if (at - s.SLOT) % s.STEP == s.FIRST else at - s.LAST
            holders.append((live[(rows[live, taken + s.COUNT] > 0) & (rows[live, at] >= 0)], at))
        for mine, at in holders:
            used[rows[mine, at]] = True
        used[self.cells[: 2 * count : 2]] = True
        numbers = np.cumsum(used) - 1
        for mine, at in holders:
            rows[mine, at] = numbers[rows[mine, at]]
        self.cells[: 2 * count : 2] = numbers[self.cells[: 2 * count : 2]]
        self.events.keep(np.flatnonzero(used))


def _in_order_of_sight(rings: list[Longs]) -> tuple[Longs, Longs]:
    """The slots in ``rings``, each once, in order; and by slot its place among them."""
    everything = np.concatenate(rings)
    slots, first = np.unique(everything, return_index=True)
    slots = slots[np.argsort(first, kind="stable")]
    order = np.zeros(int(slots.max(initial=0)) + 1, dtype=np.int64)
    order[slots] = np.arange(len(slots), dtype=np.int64)
    return slots, order


def _longer(values: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
    longer = np.zeros(size, dtype=values.dtype)
    longer[: len(values)] = values
    return longer
