"""Windows as a child would write them, one row at a time over lists, and a script that runs both kinds."""

from __future__ import annotations

import pickle
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st

from eiha.engine.operator import Operator, RowClock
from eiha.events.batch import CHUNK_STRIDE, EventBatch, Kind
from eiha.events.column import make_column
from eiha.events.schema import Attribute, AttributeType, Schema

SCHEMA = Schema(
    (
        Attribute("name", AttributeType.STRING),
        Attribute("price", AttributeType.DOUBLE),
        Attribute("stamp", AttributeType.LONG),
    )
)

Row = tuple[int, tuple[int | None, float | None, int]]
"""timestamp, values"""
Out = tuple[int, str, int, tuple[int | None, float | None, int]]
"""chunk, kind, timestamp, values"""


@dataclass
class Call:
    """One entry: a chunk at ``now``, and chunks caused by timers before it; or only time that passes."""

    now: int
    chunks: list[list[Row]] = field(default_factory=list)
    caused: list[list[Row]] = field(default_factory=list)


class Oracle(ABC):
    """A window that sees chunks and timers; ``timers`` lists the chunks of all timers due, in order."""

    collapses = False

    def __init__(self, playback: bool) -> None:
        self.playback = playback
        self.clock = -(10**9)
        self.held: list[Row] = []

    def content(self) -> list[Row]:
        """What a search in the window finds."""
        return self.held

    def timers(self, now: int) -> list[list[tuple[str, Row]]]:
        return []

    @abstractmethod
    def chunk(self, now: int, rows: list[Row]) -> list[list[tuple[str, Row]]]:
        """What one chunk that comes at ``now`` makes the window put out, in chunks."""


def run_oracle(oracle: Oracle, calls: list[Call]) -> list[Out]:
    out: list[Out] = []
    base = 0
    for call in calls:
        if not call.chunks:
            for put_out in oracle.timers(call.now):
                out += [(-1, kind, ts, values) for kind, (ts, values) in put_out]
            oracle.clock = max(oracle.clock, call.now) if oracle.playback else oracle.clock
            continue
        last = -1
        for index, rows in enumerate(call.caused):
            number = base + 10 * (index + 1)
            for k, put_out in enumerate(oracle.chunk(call.now, rows)):
                last = max(number, last + 1) if k else max(number, last)
                out += [(last, *flat(row)) for row in put_out]
            last = number
            oracle.clock = max(oracle.clock, call.now)
        for rows in call.chunks:
            base += CHUNK_STRIDE
            number = max(base - CHUNK_STRIDE, last)
            for put_out in oracle.timers(call.now):
                number += 1
                out += [(number, *flat(row)) for row in put_out]
            for k, put_out in enumerate(oracle.chunk(call.now, rows)):
                out += [(base + k, *flat(row)) for row in put_out]
            last = base
            oracle.clock = max(oracle.clock, call.now)
    return out


def flat(row: tuple[str, Row]) -> tuple[str, int, tuple[int | None, float | None, int]]:
    kind, (ts, values) = row
    return kind, ts, values


def run_operator(operator: Operator, calls: list[Call], fresh: Callable[[], Operator] | None = None) -> list[Out]:
    """``fresh``: after each call the state is carried to a new operator."""
    out: list[Out] = []
    base = 0
    for call in calls:
        if call.chunks:
            batch, clock = as_batch(call, base)
            base += CHUNK_STRIDE * len(call.chunks)
            out += as_rows(operator.process(batch, clock), None)
        else:
            while (due := operator.next_timer_ms()) is not None and due <= call.now:
                fired = operator.fire(call.now)
                out += [] if fired is None else as_rows(fired, -1)
        if fresh is not None:
            state = pickle.loads(pickle.dumps(operator.snapshot()))
            operator = fresh()
            operator.restore(state)
    return out


def as_batch(call: Call, base: int) -> tuple[EventBatch, RowClock]:
    rows: list[Row] = []
    numbers: list[int] = []
    for index, chunk in enumerate(call.caused):
        rows += chunk
        numbers += [base + 10 * (index + 1)] * len(chunk)
    for chunk in call.chunks:
        base += CHUNK_STRIDE
        rows += chunk
        numbers += [base] * len(chunk)
    columns = []
    for index, attribute in enumerate(SCHEMA.attributes):
        values = [row[1][index] for row in rows]
        valid = np.array([value is not None for value in values], dtype=np.bool_)
        filled = np.array([0 if value is None else value for value in values], dtype=attribute.type.dtype)
        columns.append(make_column(attribute.type, filled, valid))
    batch = EventBatch(
        schema=SCHEMA,
        timestamps=np.array([row[0] for row in rows], dtype=np.int64),
        columns=tuple(columns),
        chunks=np.array(numbers, dtype=np.int64),
    )
    return batch, RowClock(np.full(len(rows), call.now, dtype=np.int64))


def as_rows(batch: EventBatch, chunk: int | None) -> list[Out]:
    kinds = batch.kind_array()
    numbers = batch.chunk_numbers()
    assert all(numbers[i] <= numbers[i + 1] for i in range(len(batch) - 1))
    rows: list[Out] = []
    for index in range(len(batch)):
        values = tuple(
            column.values[index].item() if column.valid is None or column.valid[index] else None
            for column in batch.columns
        )
        number = int(numbers[index]) if chunk is None else chunk
        rows.append((number, Kind(kinds[index]).name, int(batch.timestamps[index]), values))
    return rows


@st.composite
def scripts(draw: st.DrawFn, *, caused: bool = True) -> list[Call]:
    """Calls at times that never go back, with late rows, chunks of several rows, rows caused by timers, and ticks."""
    calls: list[Call] = []
    now = 1000
    identity = 0

    def rows(most: int) -> list[Row]:
        nonlocal identity
        made: list[Row] = []
        for _ in range(draw(st.integers(1, most))):
            identity += 1
            late = draw(st.sampled_from([0, 0, 0, 3, 12, 40]))
            price = draw(st.sampled_from([None, 0.5, 1.5]))
            made.append((now - late, (identity, price, now - draw(st.sampled_from([0, 0, 2, 25])))))
        return made

    for _ in range(draw(st.integers(1, 25))):
        now += draw(st.sampled_from([0, 1, 4, 10, 11, 35, 200]))
        if draw(st.integers(0, 4)) == 0:
            calls.append(Call(now))
            continue
        call = Call(now, [rows(4) for _ in range(draw(st.integers(1, 3)))])
        if caused and draw(st.integers(0, 3)) == 0:
            call.caused = [rows(3) for _ in range(draw(st.integers(1, 2)))]
        calls.append(call)
    return calls


def cut(calls: list[Call]) -> list[Call]:
    """The same with one chunk a call."""
    pieces: list[Call] = []
    for call in calls:
        if not call.chunks:
            pieces.append(call)
        for index, chunk in enumerate(call.chunks):
            pieces.append(Call(call.now, [chunk], call.caused if index == 0 else []))
    return pieces
