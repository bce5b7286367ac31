"""A join at work: the first stage of its query.

A row that comes out of one side, current or expired, finds its partners among the rows that the other side held at
that moment. Each such row gives a chunk of its own; with a stream joined with itself, what one event causes on one
side is a chunk. The left side goes first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from eiha.engine.expressions.rows import Columns, Rows
from eiha.engine.joins.chains import number_chunks
from eiha.engine.joins.layout import JoinLayout
from eiha.engine.joins.side import NO_PAIRS, Asked, Emitted, Held, Longs, Pairs, Side
from eiha.engine.joins.sliding_side import SlidingSide
from eiha.engine.operator import NO_TICKS, OperatorState, RowClock
from eiha.events.batch import CHUNK_STRIDE, EventBatch, Kind, Kinds
from eiha.events.column import Column, Indices, concatenate, make_column
from eiha.events.light import light_dataclass
from eiha.events.repeated import is_row_numbers, repeated
from eiha.events.schema import AttributeType

_CURRENT: Final = int(Kind.CURRENT)
_EXPIRED: Final = int(Kind.EXPIRED)
_RESET: Final = int(Kind.RESET)

Condition = Callable[[Rows], npt.NDArray[np.bool_] | bool]

_NO_NUMBERS: Final[Longs] = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class JoinRules:
    """What a join does with the rows of each side.

    ``streams``: whose rows come in on left and right; None: nobody's. ``triggers``: which sides look for partners.
    ``keeps``: whose rows come out without a partner, too. ``rest``: what pairs must satisfy beside equal keys.
    ``tells_expired``, ``tells_resets``: whether anybody looks at such rows.
    """

    streams: tuple[str | None, str | None]
    triggers: tuple[bool, bool]
    keeps: tuple[bool, bool]
    rest: Condition | None
    tells_expired: bool
    tells_resets: bool


@light_dataclass(frozen=True, slots=True)
class _Joined:
    """Rows put out because of rows of one side. ``causes``: which of those, by number; ``chunks``: that they had."""

    side: int
    causes: Longs
    chunks: Longs
    kinds: Kinds | None
    timestamps: Longs
    columns: tuple[Column, ...]
    is_chunk_each: bool


class Join:
    """See the module.

    Args:
        sides: left and right.
        rules: what to do.
        layout: of what is put out.
    """

    units: Longs
    """For each row of the last ``receive`` or ``fire``, which row it comes from: the span of order by and limit."""

    __slots__ = ("_layout", "_nothing", "_rules", "_sides", "units")

    def __init__(self, sides: tuple[Side, Side], rules: JoinRules, layout: JoinLayout) -> None:
        self._sides = sides
        self._rules = rules
        self._layout = layout
        self.units = _NO_NUMBERS
        columns = tuple(Column(each.type, np.empty(0, dtype=each.type.dtype)) for each in layout.schema.attributes)
        self._nothing = EventBatch(layout.schema, _NO_NUMBERS, columns, collapses=True)

    def receive(self, stream: str, batch: EventBatch, clock: RowClock) -> EventBatch:
        """The rows that ``batch`` causes."""
        reached = [each == stream for each in self._rules.streams]
        if all(reached):
            return self._receive_on_both(batch, clock)
        now_of = _clock_of(batch, clock)
        side = reached.index(True)
        emitted = self._sides[side].advance(batch, clock)
        left_meanwhile = self._left_meanwhile(1 - side, clock)
        other = self._sides[1 - side]
        held = None
        if left_meanwhile is not None and isinstance(other, SlidingSide):
            held = _held_at(emitted.chunks, left_meanwhile, other, behind=False)
        joined = self._join(side, emitted, now_of, held)
        self._settle(side, emitted)
        if left_meanwhile is not None:
            self._settle(1 - side, left_meanwhile)
        return self._put_out([joined])

    def _left_meanwhile(self, side: int, clock: RowClock) -> Emitted | None:
        """The rows of a side that leave by timers while rows pass on the other: here, nobody looks at them.

        If anybody did, or if they left in another order, timers would fire one by one (see ``routes``).
        """
        own = self._sides[side]
        due = own.next_timer_ms()
        if due is None or not len(clock.ticks_ms) or due > clock.ticks_ms[-1]:
            return None
        assert isinstance(own, SlidingSide)
        return own.pass_time(clock)

    def fire(self, now_ms: int) -> EventBatch | None:
        """What the first side with a timer due puts out, joined: as recorded, the left one before the right one."""
        out = self._put_out([self._fired(now_ms)])
        return out if len(out) else None

    def _fired(self, now_ms: int) -> _Joined | None:
        dues = [each.next_timer_ms() for each in self._sides]
        side = next(position for position, due in enumerate(dues) if due is not None and due <= now_ms)
        emitted = self._sides[side].fire(now_ms)
        if emitted is None:
            return None
        joined = self._join(side, emitted, lambda rows: np.full(len(rows), now_ms, dtype=np.int64))
        self._settle(side, emitted)
        return joined

    def next_timer_ms(self) -> int | None:
        """The earlier one of the two sides."""
        dues = [due for side in self._sides if (due := side.next_timer_ms()) is not None]
        return min(dues) if dues else None

    def snapshot(self) -> OperatorState:
        """Both sides."""
        return {"sides": [side.snapshot() for side in self._sides]}

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        for side, part in zip(self._sides, state["sides"], strict=True):
            side.restore(part)

    # --- a stream joined with itself

    def _receive_on_both(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        """Each row goes to the left side, then to the right one, before the next comes."""
        causes, is_one_chunk = batch.chunk_numbers(), batch.chunks is not None
        # to the windows each row is a chunk
        batch = EventBatch(batch.schema, batch.timestamps, batch.columns)
        clock = RowClock(clock.now_ms, NO_TICKS)
        left, right = self._sides
        if isinstance(left, SlidingSide) and isinstance(right, SlidingSide):
            seen_leaving = self._rules.tells_expired and (left.sets_timers or right.sets_timers)
            if not seen_leaving:
                return self._put_out(self._meet(left, right, batch, clock), causes)
        return self._meet_row_by_row(batch, clock, causes, timers=not is_one_chunk)

    def _meet(self, left: SlidingSide, right: SlidingSide, batch: EventBatch, clock: RowClock) -> list[_Joined | None]:
        now_of = _clock_of(batch, clock)
        first, second = left.advance(batch, clock), right.advance(batch, clock)
        from_left = self._join(0, first, now_of, _held_at(first.chunks, second, right, behind=False))
        from_right = self._join(1, second, now_of, _held_at(second.chunks, first, left, behind=True))
        self._settle(0, first)
        self._settle(1, second)
        return [from_left, from_right]

    def _meet_row_by_row(self, batch: EventBatch, clock: RowClock, causes: Longs, *, timers: bool) -> EventBatch:
        """``timers``: those that rows of this batch set, being late, fire before the next row."""
        parts: list[tuple[_Joined, int, bool]] = []
        for row in range(len(batch)):
            cause, now_ms = int(causes[row]), int(clock.now_ms[row])
            while timers and row and (due := self.next_timer_ms()) is not None and due <= now_ms:
                fired = self._fired(now_ms)
                if fired is not None:
                    parts.append((fired, cause - CHUNK_STRIDE + 1, False))
            number = np.array([row * CHUNK_STRIDE + (0 if timers else 1)], dtype=np.int64)
            single = replace(batch.take(np.array([row], dtype=np.int64)), chunks=number)
            now = RowClock(clock.now_ms[row : row + 1], NO_TICKS)
            for side in 0, 1:
                emitted = self._sides[side].advance(single, now)
                joined = self._join(side, emitted, _clock_of(single, now))
                self._settle(side, emitted)
                if joined is not None:
                    parts.append((joined, cause, True))
        return self._put_out_in_order(parts)

    # --- partners

    def _settle(self, side: int, emitted: Emitted) -> None:
        own = self._sides[side]
        if isinstance(own, SlidingSide):
            own.leave_to(emitted.low)
        own.settle()

    def _join(
        self,
        side: int,
        emitted: Emitted,
        now_of: Callable[[Emitted], Longs],
        held: Held | None = None,
    ) -> _Joined | None:
        """What the rows of one side give; ``held``: as in ``Asked``."""
        rules = self._rules
        if not rules.triggers[side] or not len(emitted):
            return None
        causes = self._told(emitted)
        if causes is not None:
            emitted, held = emitted.take(causes), _taken(held, causes)
        rows, partners = self._pairs(side, emitted, now_of, held)
        if not len(rows):
            return None
        if causes is None and is_row_numbers(rows, len(emitted)):  # nothing to gather: each has one partner
            columns = self._columns(side, emitted, emitted.all_columns(), partners)
            stamps = emitted.timestamps
            return _Joined(side, rows, emitted.chunks, emitted.kinds, stamps, columns, emitted.is_chunk_each)
        return _Joined(
            side,
            rows if causes is None else causes.take(rows),
            emitted.chunks.take(rows),
            None if emitted.kinds is None else emitted.kinds.take(rows),
            emitted.timestamps.take(rows),
            self._columns(side, emitted, emitted.at(rows), partners),
            emitted.is_chunk_each,
        )

    def _told(self, emitted: Emitted) -> Indices | None:
        """The rows that anybody looks at; None: all."""
        rules = self._rules
        if emitted.kinds is None or (rules.tells_expired and rules.tells_resets):
            return None
        told = emitted.kinds == _CURRENT
        if rules.tells_expired:
            told |= emitted.kinds == _EXPIRED
        if rules.tells_resets:
            told |= emitted.kinds == _RESET
        return None if told.all() else np.flatnonzero(told)

    def _pairs(
        self,
        side: int,
        emitted: Emitted,
        now_of: Callable[[Emitted], Longs],
        held: Held | None,
    ) -> Pairs:
        """Rows and their partners; -1 for a row that comes out without one."""
        is_reset = None if emitted.kinds is None else emitted.kinds == _RESET
        if is_reset is not None and is_reset.any():
            asking = np.flatnonzero(~is_reset)
            rows, partners = self._found(side, emitted.take(asking), now_of, _taken(held, asking))
            rows = asking.take(rows)
            alone = is_reset | self._rules.keeps[side]
        else:
            rows, partners = self._found(side, emitted, now_of, held)
            if not self._rules.keeps[side]:
                return rows, partners
            alone = np.ones(len(emitted), dtype=np.bool_)
        alone[rows] = False
        missing = np.flatnonzero(alone)
        if not len(missing):
            return rows, partners
        rows = np.concatenate([rows, missing])
        order = np.argsort(rows, kind="stable")
        return rows.take(order), np.concatenate([partners, np.full(len(missing), -1, dtype=np.int64)]).take(order)

    def _found(self, side: int, emitted: Emitted, now_of: Callable[[Emitted], Longs], held: Held | None) -> Pairs:
        """Rows with partners, and these."""
        if not len(emitted):
            return NO_PAIRS

        def rows() -> Rows:
            return Rows(len(emitted), _by_side(side, emitted.all_columns(), ()), emitted.timestamps, now_of(emitted))

        found = list(self._sides[1 - side].find(Asked(len(emitted), rows, emitted.words, emitted.linkable, held)))
        rest = self._rules.rest
        if rest is not None:
            now_ms = now_of(emitted)
            found = [self._satisfying(rest, side, emitted, now_ms, each) for each in found]
        if len(found) < 2:
            return found[0] if found else NO_PAIRS
        return np.concatenate([rows for rows, _ in found]), np.concatenate([partners for _, partners in found])

    def _satisfying(self, rest: Condition, side: int, emitted: Emitted, now_ms: Longs, pairs: Pairs) -> Pairs:
        rows, partners = pairs
        if not len(rows):
            return pairs
        columns = _by_side(side, emitted.at(rows), self._sides[1 - side].partners(partners))
        holds = rest(Rows(len(rows), columns, emitted.timestamps.take(rows), now_ms.take(rows)))
        if isinstance(holds, bool):
            return pairs if holds else NO_PAIRS
        kept = holds.nonzero()[0]
        return rows.take(kept), partners.take(kept)

    # --- what is put out

    def _columns(self, side: int, emitted: Emitted, own: Columns, partners: Indices) -> tuple[Column, ...]:
        """``own``: of rows of ``emitted``, ``partners``: theirs, -1 for none."""
        if emitted.kinds is None and not (self._rules.keeps[side] or self._layout.tells_missing):
            others = self._sides[1 - side].partners(partners)
            by_side = _by_side(side, own, others)
            return tuple([by_side[source][place] for source, place in self._layout.put_out])
        lacks = partners < 0
        some_lack = bool(lacks.any())
        others = () if some_lack and lacks.all() else self._sides[1 - side].partners(partners)
        columns: list[Column] = []
        for (source, place), attribute in zip(self._layout.put_out, self._layout.schema.attributes, strict=False):
            if source == side:
                columns.append(own[place])
            elif not some_lack:
                columns.append(others[place])
            elif not len(others):
                columns.append(_nulls(attribute.type, len(partners)))
            else:
                column = others[place]
                columns.append(make_column(column.type, column.values, column.mask() & ~lacks))
        if self._layout.tells_missing:
            missing = (np.zeros(len(lacks), dtype=np.bool_), lacks)
            columns += [Column(AttributeType.BOOL, each) for each in (missing if side == 0 else missing[::-1])]
        return tuple(columns)

    def _put_out(self, parts: list[_Joined | None], causes: Longs | None = None) -> EventBatch:
        """The rows, in order. ``causes``: the chunks from which came what the sides took for chunks 0, stride, ..."""
        joined = [each for each in parts if each is not None]
        if not joined:
            self.units = _NO_NUMBERS
            return self._nothing
        if causes is None:
            (only,) = joined
            self.units = only.causes
            chunks = only.chunks if only.is_chunk_each else _numbered(only.chunks, only.causes)
            return self._batch(chunks, only.kinds, only.timestamps, only.columns)
        # the event, then the side, then the row of the side
        events = np.concatenate([-(-each.chunks // CHUNK_STRIDE) for each in joined])
        sides = np.concatenate([np.full(len(each.causes), each.side, dtype=np.int64) for each in joined])
        rows = np.concatenate([each.causes for each in joined])
        groups = 2 * events + sides
        order = np.argsort(groups, kind="stable")
        groups, rows = groups.take(order), rows.take(order)
        begins = np.ones(len(rows), dtype=np.bool_)
        np.not_equal(groups[1:], groups[:-1], out=begins[1:])
        begins[1:] |= rows[1:] != rows[:-1]
        self.units = np.cumsum(begins)
        kinds = _kinds_of(joined)
        return self._batch(
            _numbered(causes.take(events.take(order)), groups),
            None if kinds is None else kinds.take(order),
            np.concatenate([each.timestamps for each in joined]).take(order),
            tuple(
                concatenate(list(columns)).take(order)
                for columns in zip(*(each.columns for each in joined), strict=True)
            ),
        )

    def _put_out_in_order(self, parts: list[tuple[_Joined, int, bool]]) -> EventBatch:
        """Rows, by what chunk they were caused, and whether they are one chunk or one for each row of their side."""
        if not parts:
            self.units = _NO_NUMBERS
            return self._nothing
        units: list[Longs] = []
        groups: list[Longs] = []
        first = 0
        for joined, _, is_one in parts:
            own = np.cumsum(np.diff(joined.causes, prepend=joined.causes[:1]) != 0) + first
            units.append(own)
            groups.append(np.full(len(own), first, dtype=np.int64) if is_one else own)
            first = int(own[-1]) + 1
        self.units = np.concatenate(units)
        causes = np.concatenate([np.full(len(joined.causes), cause, np.int64) for joined, cause, _ in parts])
        joined_parts = [joined for joined, _, _ in parts]
        return self._batch(
            _numbered(causes, np.concatenate(groups)),
            _kinds_of(joined_parts),
            np.concatenate([each.timestamps for each in joined_parts]),
            tuple(concatenate(list(columns)) for columns in zip(*(each.columns for each in joined_parts), strict=True)),
        )

    def _batch(self, chunks: Longs, kinds: Kinds | None, timestamps: Longs, columns: tuple[Column, ...]) -> EventBatch:
        if kinds is not None and not kinds.any():
            kinds = None
        return EventBatch(self._layout.schema, timestamps, columns, kinds, chunks, collapses=True)


def _kinds_of(parts: list[_Joined]) -> Kinds | None:
    if all(each.kinds is None for each in parts):
        return None
    return np.concatenate(
        [np.zeros(len(each.causes), np.uint8) if each.kinds is None else each.kinds for each in parts]
    )


def _numbered(causes: Longs, groups: Longs) -> Longs:
    chunks = np.empty(len(causes), dtype=np.int64)
    number_chunks(causes, groups, CHUNK_STRIDE, chunks)
    return chunks


def _taken(held: Held | None, indices: Indices) -> Held | None:
    return None if held is None else Held(held.lows.take(indices), held.stops.take(indices))


def _by_side(side: int, own: Columns, other: Columns) -> tuple[Columns, Columns]:
    return (own, other) if side == 0 else (other, own)


def _nulls(type_: AttributeType, rows: int) -> Column:
    values = np.full(rows, None, dtype=np.object_) if type_ is AttributeType.OBJECT else np.zeros(rows, type_.dtype)
    return Column(type_, values, np.zeros(rows, dtype=np.bool_))


def _clock_of(batch: EventBatch, clock: RowClock) -> Callable[[Emitted], Longs]:
    """What the clock said when each row came out that ``batch`` caused."""
    now_ms = clock.now_ms

    def of(rows: Emitted) -> Longs:
        if not len(now_ms) or now_ms[0] == now_ms[-1]:
            return repeated(int(now_ms[0]) if len(now_ms) else 0, len(rows))
        places = np.searchsorted(batch.chunk_numbers(), rows.chunks, side="left")
        return now_ms.take(places, mode="clip")

    return of


def _held_at(chunks: Longs, emitted: Emitted, held: SlidingSide, *, behind: bool) -> Held | None:
    """Which rows a side that puts out ``emitted`` held before (or behind) each chunk; None: the same all the time."""
    if not len(emitted):
        return None
    assert emitted.held is not None
    after = emitted.held()
    comes = emitted.kinds is None or emitted.kinds[0] == _CURRENT
    before = int(after.stops[0]) - (1 if comes else 0)
    places = np.searchsorted(emitted.chunks, chunks, side="right" if behind else "left")
    return Held(
        np.concatenate([[held.low], after.lows]).take(places), np.concatenate([[before], after.stops]).take(places)
    )
