"""Sides whose rows leave in any order, or stand elsewhere: what they hold is looked at as it is when it is searched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final, Protocol

import numpy as np

from eiha.engine.expressions.rows import Columns, TakenColumns
from eiha.engine.joins.entrance import Entrance, Keys
from eiha.engine.joins.side import Asked, Emitted, Pairs, all_pairs
from eiha.engine.joins.trail import Trail
from eiha.engine.joins.trail_search import search
from eiha.engine.operator import OperatorState, RowClock
from eiha.engine.windows.findable import FindableWindow
from eiha.events.batch import EventBatch, Kind
from eiha.events.column import Column, Indices
from eiha.events.schema import Schema

_CURRENT: Final = int(Kind.CURRENT)
_EXPIRED: Final = int(Kind.EXPIRED)


class Holder(Protocol):
    """Something that holds rows: a window, or a named one."""

    def content(self) -> EventBatch:
        """The rows held, in the order of a search."""


class SettledRows:
    """The rows that a holder holds, as a trail made anew for each search."""

    __slots__ = ("_columns", "_kept", "_keys", "_schema")

    def __init__(self, schema: Schema, kept: tuple[int, ...], keys: Keys) -> None:
        self._schema = schema
        self._kept = kept
        self._keys = keys
        self._columns: tuple[Column, ...] = ()

    def find(self, content: EventBatch, asked: Asked) -> Iterator[Pairs]:
        """Candidates among ``content``, by position in it."""
        self._columns = tuple([content.columns[position] for position in self._kept])
        rows, count = len(content), asked.count
        if not rows or not count:
            return iter(())
        words, linkable = self._keys.of(self._columns)
        if words is None:
            return all_pairs(np.zeros(count, dtype=np.int64), np.full(count, rows, dtype=np.int64))
        trail = Trail(Schema(()), keyed=True)
        trail.append((), rows, words, linkable)
        return search(trail, replace(asked, held=None))

    def partners(self, found: Indices) -> Columns:
        """The rows at these positions."""
        return TakenColumns(self._columns, found)


class WindowSide:
    """A side with a window of any kind.

    Args:
        entrance: what stands before the window.
        schema: of the columns that the join keeps.
        keys: where the join must find equal values.
        window: the window.
        drops_batches: rows that leave as a batch are not told of, although the window does.
        holds: what is searched: the window, or nothing.
    """

    __slots__ = ("_drops_batches", "_entrance", "_holds", "_keys", "_settled", "_window")

    def __init__(
        self,
        entrance: Entrance,
        schema: Schema,
        keys: Keys,
        window: FindableWindow,
        *,
        drops_batches: bool = False,
        holds: bool = True,
    ) -> None:
        self._entrance = entrance
        self._keys = keys
        self._window = window
        self._drops_batches = drops_batches
        self._holds = holds
        self._settled = SettledRows(schema, tuple(range(len(schema))), keys)

    def advance(self, batch: EventBatch, clock: RowClock) -> Emitted:
        """What the window puts out."""
        batch, clock = self._entrance.enter(batch, clock)
        due = self._window.next_timer_ms()
        if not len(batch) and (due is None or not len(clock.ticks_ms) or due > clock.ticks_ms[-1]):
            return emitted_rows(batch, batch.columns, self._keys)
        return self._emitted(self._window.process(batch, clock))

    def fire(self, now_ms: int) -> Emitted | None:
        """What the window puts out at its earliest timer."""
        fired = self._window.fire(now_ms)
        return None if fired is None else self._emitted(fired)

    def next_timer_ms(self) -> int | None:
        """The window's."""
        return self._window.next_timer_ms()

    def settle(self) -> None:
        """Nothing is kept back."""

    def find(self, asked: Asked) -> Iterator[Pairs]:
        """Candidates among what the window holds."""
        return self._settled.find(self._window.content(), asked) if self._holds else iter(())

    def partners(self, found: Indices) -> Columns:
        """Rows of the window."""
        return self._settled.partners(found)

    def snapshot(self) -> OperatorState:
        """What the window holds."""
        return {"window": self._window.snapshot(), **self._entrance.snapshot()}

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self._entrance.restore(state)
        self._window.restore(state["window"])

    def _emitted(self, out: EventBatch) -> Emitted:
        if self._drops_batches and out.collapses and out.kinds is not None:
            out = out.take(np.flatnonzero(out.kinds != _EXPIRED))
        return emitted_rows(out, out.columns, self._keys)


class HoardingSide:
    """A side with a batch window, of a join that puts out no expired rows: nothing ever leaves what it is searched for.

    So it is as recorded; memory grows with the rows that come. See the warning that such a plan gets.
    """

    __slots__ = ("_entrance", "_keys", "_trail", "_window")

    def __init__(self, entrance: Entrance, schema: Schema, keys: Keys, window: FindableWindow) -> None:
        self._entrance = entrance
        self._keys = keys
        self._window = window
        self._trail = Trail(schema, keyed=bool(keys.positions))

    def advance(self, batch: EventBatch, clock: RowClock) -> Emitted:
        """What the window puts out; its current rows stay for good."""
        batch, clock = self._entrance.enter(batch, clock)
        due = self._window.next_timer_ms()
        if not len(batch) and (due is None or not len(clock.ticks_ms) or due > clock.ticks_ms[-1]):
            return emitted_rows(batch, batch.columns, self._keys)
        return self._hoard(self._window.process(batch, clock))

    def fire(self, now_ms: int) -> Emitted | None:
        """What the window puts out at its earliest timer."""
        fired = self._window.fire(now_ms)
        return None if fired is None else self._hoard(fired)

    def next_timer_ms(self) -> int | None:
        """The window's."""
        return self._window.next_timer_ms()

    def settle(self) -> None:
        """Nothing leaves."""

    def find(self, asked: Asked) -> Iterator[Pairs]:
        """Candidates among all rows ever put out."""
        return search(self._trail, asked)

    def partners(self, found: Indices) -> Columns:
        """The rows of these numbers."""
        return self._trail.columns(found)

    def snapshot(self) -> OperatorState:
        """All rows ever put out, and what the window holds."""
        return {"rows": self._trail.snapshot(), "window": self._window.snapshot(), **self._entrance.snapshot()}

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self._entrance.restore(state)
        self._window.restore(state["window"])
        columns = self._trail.saved_columns(state["rows"])
        self._trail.clear()
        self._append(columns, state["rows"]["rows"])

    def _hoard(self, out: EventBatch) -> Emitted:
        fresh = out if out.kinds is None else out.take(np.flatnonzero(out.kinds == _CURRENT))
        if len(fresh):
            self._append(fresh.columns, len(fresh))
        return emitted_rows(out, out.columns, self._keys)

    def _append(self, columns: tuple[Column, ...], rows: int) -> None:
        words, linkable = self._keys.of(columns)
        self._trail.append(columns, rows, words, linkable)


class PassingSide:
    """A stream without a window, of a join for which its rows leave no trace: they look for partners, and are gone."""

    __slots__ = ("_entrance", "_keys")

    def __init__(self, entrance: Entrance, keys: Keys) -> None:
        self._entrance = entrance
        self._keys = keys

    def advance(self, batch: EventBatch, clock: RowClock) -> Emitted:
        """The rows."""
        batch, _ = self._entrance.enter(batch, clock)
        return emitted_rows(batch, batch.columns, self._keys)

    def fire(self, now_ms: int) -> Emitted | None:  # noqa: ARG002 - the protocol's form
        """Nothing."""
        return None

    def next_timer_ms(self) -> int | None:
        """Never."""
        return None

    def settle(self) -> None:
        """Nothing is kept."""

    def find(self, asked: Asked) -> Iterator[Pairs]:  # noqa: ARG002 - the protocol's form
        """There is never a row."""
        return iter(())

    def partners(self, found: Indices) -> Columns:
        """Never asked for any."""
        raise AssertionError(found)

    def snapshot(self) -> OperatorState:
        """What stands before."""
        return self._entrance.snapshot()

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self._entrance.restore(state)


class HeldSide:
    """A side whose rows somebody else holds: a named window, which tells of what it puts out.

    Args:
        schema: of the columns that the join keeps.
        kept: where they lie in the rows of ``holder``.
        keys: where the join must find equal values.
        holder: the window.
    """

    __slots__ = ("_holder", "_kept", "_keys", "_settled")

    def __init__(self, schema: Schema, kept: tuple[int, ...], keys: Keys, holder: Holder) -> None:
        self._kept = kept
        self._keys = keys
        self._holder = holder
        self._settled = SettledRows(schema, kept, keys)

    def advance(self, batch: EventBatch, clock: RowClock) -> Emitted:  # noqa: ARG002 - the protocol's form
        """The rows, with the kinds that they have."""
        columns = tuple([batch.columns[position] for position in self._kept]) if len(batch) else ()
        return emitted_rows(batch, columns, self._keys)

    def fire(self, now_ms: int) -> Emitted | None:  # noqa: ARG002 - the protocol's form
        """Nothing."""
        return None

    def next_timer_ms(self) -> int | None:
        """Never: the window itself has the timers."""
        return None

    def settle(self) -> None:
        """Nothing is kept."""

    def find(self, asked: Asked) -> Iterator[Pairs]:
        """Candidates among what is held now."""
        return self._settled.find(self._holder.content(), asked)

    def partners(self, found: Indices) -> Columns:
        """Rows of the window."""
        return self._settled.partners(found)

    def snapshot(self) -> OperatorState:
        """Nothing."""
        return {}

    def restore(self, state: OperatorState) -> None:
        """Nothing."""


def emitted_rows(out: EventBatch, columns: tuple[Column, ...], keys: Keys) -> Emitted:
    """The rows of a batch as what comes out of a side."""

    def at(indices: Indices) -> Columns:
        return TakenColumns(columns, indices)

    words, linkable = keys.of(columns) if len(out) else (None, None)
    is_chunk_each = out.chunks is None
    return Emitted(out.kinds, out.timestamps, out.chunk_numbers(), at, words, linkable, is_chunk_each, whole=columns)
