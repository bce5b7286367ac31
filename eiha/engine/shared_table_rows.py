"""Lets queries meet tables in turns: who changes one, and who looks into it; see ``shared_table_routes``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eiha.engine.chunk_clock import ChunkClock
from eiha.engine.plan_parts import QueryProcess, TableAction
from eiha.engine.shared_table_routes import Visitor
from eiha.events.batch import CHUNK_STRIDE, EventBatch, concatenate_batches

Longs = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Visit:
    """A query that meets a table with ``rows``, which are some; ``action`` of those that put out to a table."""

    visitor: Visitor
    runtime: QueryProcess
    action: TableAction | None
    rows: EventBatch


@dataclass(frozen=True, slots=True)
class _Steps:
    """Single rows of several visits, in the order in which they meet the table: ``visit`` and ``row`` of each."""

    visit: Longs
    row: Longs
    writes: Flags


def take_turns(visits: Sequence[Visit], by_key: bool, clock: ChunkClock) -> dict[int, EventBatch | None]:
    """Run the queries of ``visits``, given in the order in which one row's chunk reaches them.

    By query what it put out for streams; what goes to tables went there.
    """
    batches = [_numbered(each.rows) for each in visits]
    pieces: list[list[EventBatch]] = [[] for _ in visits]
    if len(visits) < 2 or _are_one_step(batches):
        for place, batch in enumerate(batches):
            _meet(visits[place], batch, clock, pieces[place])
    else:
        steps = _in_order(visits, batches, timers_inside=clock.timers_inside)
        keys = _keys(visits, steps) if by_key else None
        turns = _strict_turns(visits, steps) if keys is None else _turns_by_key(steps, keys)
        order = np.argsort(turns, kind="stable")
        for part in np.split(order, np.flatnonzero(np.diff(turns.take(order))) + 1):
            visiting = steps.visit.take(part)
            for place in np.unique(visiting).tolist():
                rows = steps.row.take(part[visiting == place])
                batch = batches[place] if len(rows) == len(batches[place]) else batches[place].take(rows)
                _meet(visits[place], batch, clock, pieces[place])
    return {each.visitor.index: _whole(outs) for each, outs in zip(visits, pieces, strict=True)}


def _meet(visit: Visit, batch: EventBatch, clock: ChunkClock, outs: list[EventBatch]) -> None:
    """Give rows to the query of ``visit``: what it puts out goes to its table, or behind ``outs``."""
    out = visit.runtime.receive(visit.visitor.stream, batch, clock)
    if out is None or not len(out):
        return
    if visit.action is not None:
        visit.action.apply(out, clock.of(out))
    else:
        outs.append(out)


def _are_one_step(batches: list[EventBatch]) -> bool:
    """Whether all there is are rows of the same chunk, one for each visitor, as when an event comes alone."""
    return all(len(each) == 1 for each in batches) and len({int(each.chunk_numbers()[0]) for each in batches}) == 1


def _numbered(rows: EventBatch) -> EventBatch:
    """``rows`` with the numbers of their chunks, which a part of them keeps."""
    return EventBatch(rows.schema, rows.timestamps, rows.columns, rows.kinds, rows.chunk_numbers(), rows.collapses)


def _in_order(visits: Sequence[Visit], batches: list[EventBatch], *, timers_inside: bool) -> _Steps:
    """All rows, those first that came first; of one row of the source, in the order in which it reaches visitors.

    Numbers between those of rows are those of timers, or of one of several chunks that a row caused.
    """
    sizes = [len(batch) for batch in batches]
    visit = np.repeat(np.arange(len(visits), dtype=np.int64), sizes)
    row = np.concatenate([np.arange(size, dtype=np.int64) for size in sizes])
    numbers = np.concatenate([batch.chunk_numbers() for batch in batches])
    causes = numbers if timers_inside else numbers // CHUNK_STRIDE
    order = np.lexsort((row, visit, causes))
    writes = np.array([each.visitor.writes for each in visits], dtype=np.bool_)
    visit = visit.take(order)
    return _Steps(visit, row.take(order), writes.take(visit))


def _keys(visits: Sequence[Visit], steps: _Steps) -> Longs | None:
    """For each step the number of its key; None: some rows have none, or keys of several types."""
    columns = [each.rows.columns[each.visitor.key] for each in visits]
    if any(column.valid is not None or column.type is not columns[0].type for column in columns):
        return None
    starts = np.cumsum([0, *(len(column) for column in columns[:-1])])
    _, found = np.unique(np.concatenate([column.values for column in columns]), return_inverse=True)
    keys: Longs = found.reshape(-1).take(starts.take(steps.visit) + steps.row)
    return keys


def _strict_turns(visits: Sequence[Visit], steps: _Steps) -> Longs:
    """A turn for each run of rows that look into tables, and for each of those by which one query changes one."""
    who = np.where(steps.writes, steps.visit, len(visits))
    changes = np.zeros(len(who), dtype=np.int64)
    changes[1:] = who[1:] != who[:-1]
    return np.cumsum(changes)


def _turns_by_key(steps: _Steps, keys: Longs) -> Longs:
    """A turn for each run of rows of one key: all that look before the first change, the first changes, and so on.

    So the first change of each key comes in one turn with those of all others: rows that are inserted are in order.
    """
    order = np.argsort(keys, kind="stable")
    writes, ordered = steps.writes.take(order), keys.take(order)
    is_first = np.ones(len(order), dtype=np.bool_)
    is_first[1:] = ordered[1:] != ordered[:-1]
    begins = writes.copy()
    begins[1:] &= is_first[1:] | ~writes[:-1]
    begun = np.cumsum(begins, dtype=np.int64)
    starts = np.flatnonzero(is_first)
    before: Longs = begun.take(starts) - begins.take(starts)
    begun = begun - np.repeat(before, np.diff(np.append(starts, len(order))))
    turns = np.empty(len(order), dtype=np.int64)
    turns[order] = 2 * begun - writes
    return turns


def _whole(outs: list[EventBatch]) -> EventBatch | None:
    """What several turns put out, in the order of the rows that caused it."""
    if not outs:
        return None
    whole = concatenate_batches(outs) if len(outs) > 1 else outs[0]
    return whole.take(np.argsort(whole.chunk_numbers(), kind="stable")) if len(outs) > 1 else whole
