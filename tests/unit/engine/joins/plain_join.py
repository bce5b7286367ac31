"""A join as a child would write it: one event at a time, over lists; and a plan runtime fed with the same events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from eiha.engine.expressions.rows import EntryIdentity
from eiha.engine.lower import lower
from eiha.engine.plan_runtime import PlanRuntime
from eiha.engine.snapshot import decode_state, encode_state
from eiha.events.batch import EventBatch
from eiha.events.column import make_column
from eiha.events.schema import AttributeType, Schema
from eiha.events.strings import StringTable
from eiha.plan.compilation import compile_plan

Values = tuple[str | None, int | None, float | None, int]
"""k, v, w, ts"""

Event = tuple[int, Values]
Put = tuple[str, int, Event]
"""kind, timestamp, event"""

STREAMS = "define stream L (k string, v int, w double, ts long); define stream R (k string, v int, w double, ts long);"


@dataclass
class PlainWindow:
    """Rows held, and what comes out; ``length``, ``time`` and ``external`` windows, or none (everything None)."""

    length: int | None = None
    time: int | None = None
    external: int | None = None
    held: list[Event] = field(default_factory=list)
    alarms: list[int] = field(default_factory=list)
    record: int = -(10**9)

    def come(self, event: Event, now: int) -> list[Put]:
        """What an event that comes makes the window put out."""
        out: list[Put] = []
        if self.length is not None and len(self.held) == self.length:
            out.append(("EXPIRED", now, self.held.pop(0)))
        if self.time is not None:
            out += self.leave(now)
            if event[0] > self.record:
                self.record = event[0]
                self.alarms.append(event[0] + self.time)
        if self.external is not None:
            while self.held and self.held[0][1][3] + self.external <= event[1][3]:
                out.append(("EXPIRED", event[1][3], self.held.pop(0)))
        if (self.length, self.time, self.external) == (None, None, None):
            return [("CURRENT", event[0], event), ("EXPIRED", now, event)]
        self.held.append(event)
        return [*out, ("CURRENT", event[0], event)]

    def leave(self, now: int) -> list[Put]:
        """Events that are due."""
        assert self.time is not None
        out: list[Put] = []
        while self.held and self.held[0][0] + self.time <= now:
            out.append(("EXPIRED", now, self.held.pop(0)))
        return out

    def alarm(self, now: int) -> list[Put]:
        """What the alarms due by ``now`` put out."""
        out: list[Put] = []
        while self.alarms and self.alarms[0] <= now:
            self.alarms.pop(0)
            out += self.leave(now)
        return out


Condition = Callable[[Values, Values], bool]
Joined = tuple[str, int, tuple[Any, ...]]


@dataclass
class PlainJoin:
    """``streams``: what left and right read. Rows put out: kind, timestamp, left's and right's values."""

    streams: tuple[str, str]
    windows: tuple[PlainWindow, PlainWindow]
    filters: tuple[Callable[[Values], bool], Callable[[Values], bool]]
    keeps: tuple[bool, bool]
    triggers: tuple[bool, bool]
    condition: Condition
    now: int = 0

    def event(self, stream: str, event: Event) -> list[Joined]:
        """What an event gives, timers before it included."""
        out: list[Joined] = []
        self.now = max(self.now, event[0])
        for side in 0, 1:
            for put in self.windows[side].alarm(self.now):
                out += self.join(side, put)
        for side in 0, 1:
            if self.streams[side] == stream and self.filters[side](event[1]):
                for put in self.windows[side].come(event, self.now):
                    out += self.join(side, put)
        return out

    def join(self, side: int, put: Put) -> list[Joined]:
        """The partners of one event."""
        kind, at, (_, own) = put
        if not self.triggers[side]:
            return []
        found: list[Joined] = []
        for _, other in self.windows[1 - side].held:
            left, right = (own, other) if side == 0 else (other, own)
            if self.condition(left, right):
                found.append((kind, at, (*left[:2], *right[:2])))
        if not found and self.keeps[side]:
            found.append((kind, at, (*own[:2], None, None) if side == 0 else (None, None, *own[:2])))
        return found


@dataclass(frozen=True)
class Call:
    """One entry: events of one stream."""

    stream: str
    events: list[Event]


class Fed:
    """A plan at work: ``Out`` as a list of (timestamp, values)."""

    def __init__(self, app: str) -> None:
        self.plan = compile_plan(app, name="p")
        self.strings = StringTable()
        self.runtime = self._fresh()
        self.out: list[tuple[int, tuple[Any, ...]]] = []

    def _fresh(self) -> PlanRuntime:
        return lower(self.plan, self.strings, EntryIdentity("p"), keep=frozenset({"Out"}))

    def feed(self, calls: list[Call], *, saves: Callable[[int], bool] = lambda _: False) -> list[Any]:
        """Send all; before the calls that ``saves`` names, the state is carried to a new runtime."""
        for number, call in enumerate(calls):
            if saves(number):
                state = decode_state(encode_state(self.runtime.snapshot()))
                self.runtime = self._fresh()
                self.runtime.restore(state)
            batch = batch_of(self.plan.stream(call.stream).schema, call.events, self.strings)
            with np.errstate(all="ignore"):
                self.runtime.publish(call.stream, batch, call.events[-1][0])
            for stream, got in self.runtime.take_outputs().items():
                assert stream == "Out"
                self.out += rows_of(got, self.strings)
        assert not self.runtime.take_faults()
        return self.out


def batch_of(schema: Schema, events: list[Event], strings: StringTable) -> EventBatch:
    """Events as a batch."""
    columns = []
    for position, attribute in enumerate(schema.attributes):
        values = [event[1][position] for event in events]
        if attribute.type is AttributeType.STRING:
            filled = [0 if value is None else strings.intern(str(value)) for value in values]
        else:
            filled = [0 if value is None else value for value in values]
        valid = np.array([value is not None for value in values], dtype=np.bool_)
        columns.append(make_column(attribute.type, np.array(filled, dtype=attribute.type.dtype), valid))
    return EventBatch(schema, np.array([event[0] for event in events], dtype=np.int64), tuple(columns))


def rows_of(batch: EventBatch, strings: StringTable) -> list[tuple[int, tuple[Any, ...]]]:
    """A batch as timestamps and values."""
    texts = [
        [
            None
            if column.valid is not None and not column.valid[row]
            else strings.text(int(column.values[row]))
            if column.type is AttributeType.STRING
            else column.values[row].item()
            for row in range(len(batch))
        ]
        for column in batch.columns
    ]
    return [(int(batch.timestamps[row]), tuple(column[row] for column in texts)) for row in range(len(batch))]


def cut(calls: list[Call], sizes: list[int]) -> list[Call]:
    """The same events in other calls: none longer than the next of ``sizes``, in turn."""
    pieces: list[Call] = []
    for call in calls:
        rest = call.events
        while rest:
            size = sizes[len(pieces) % len(sizes)]
            pieces.append(Call(call.stream, rest[:size]))
            rest = rest[size:]
    return pieces
