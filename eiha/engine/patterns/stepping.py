"""The general machine as a compiled loop: partial matches in slots, and for each state a ring of those that wait.

It does what ``machine`` does: the same functions under the same names, over arrays. ``machine`` says what they mean,
``step_layout`` where things lie; how matches begin and wait is in ``step_rings``, what time does in ``step_times``.
"""

from __future__ import annotations

from eiha.engine.jit import ReadInt64, ReadUInt8, WriteInt64, inlined, kernel
from eiha.engine.patterns.step_conditions import holds

# isort: off
from eiha.engine.patterns.step_layout import (
    ABSENT, AGAIN, ALARMS, ALARM_ROOM, ARRIVED, BUCKETS, CAN_BE_SERVED, CAPACITY, CELL, CELLS, CELLS_ROOM, CHAIN,
    COPIES, COUNT, COUNTED, DONE, ELEMENT, EMITS, FINDS, FIRST, FOLLOWER, FOUND, FOUND_ROOM, FREE, FRESH, FRESH_HEAD,
    IDLES_AT, IS_AND, IS_LAST, IS_OFF, IS_SEQUENCE, KEYED_AS, KEY_ARRIVING, KIND, LAST, LAST_CHUNK, LATEST, LEADS,
    LEAST, LINKS, LISTED, MATCHES, MOST, NEEDS_ALARMS, NEEDS_CELLS, NEEDS_OUTPUT, NEEDS_SLOTS, NEVER, NEWEST, NEXT,
    OLDEST, ORDERED, PAIRED, PAIRED_ABSENT, PARTNER, PUTS_OUT_ONE, RENEW, RING, RINGS, SINGLE, SKIPS, SLOT, SLOTS,
    STARTS, STATE, STATES, STEP, STRIDE, SWEEP_FROM, SWEEP_MIN, TICK, TIME, WAITING, WAIT_HEAD, WAIT_MS,
    WAIT_UNTIL, WITHIN, WORLD,
)  # fmt: skip

# isort: on
from eiha.engine.patterns.step_rings import (
    begin_again,
    begin_at,
    bucket_at,
    bucket_of,
    emit,
    enter,
    forget_served,
    hand_on,
    interrupt,
    leave,
    link_at,
    note_served,
    release,
    set_alarm,
    settle,
    was_served,
    without,
)
from eiha.engine.patterns.step_times import (
    due_of,
    earliest_alarm,
    expire,
    fire,
    is_any_late,
    lacks_room_to_fire,
)
from eiha.events.batch import CHUNK_STRIDE


@inlined
def _go_on(m: WriteInt64, state: int, slot: int) -> None:
    at = WORLD + state * STATE
    if m[at + EMITS] != 0:
        emit(m, slot)
    if m[at + FOLLOWER] >= 0:
        hand_on(m, m[at + FOLLOWER], slot)
    if m[at + AGAIN] >= 0:
        begin_again(m, m[at + AGAIN], slot)
    if m[at + SKIPS] >= 0:
        m[WORLD + m[at + SKIPS] * STATE + RENEW] = 1


@inlined
def _count(m: WriteInt64, state: int, slot: int, count: int) -> bool:
    """A counted step took its ``count``-th event; whether the match goes on waiting there."""
    at = WORLD + state * STATE
    least, most, is_last = m[at + LEAST], m[at + MOST], m[at + IS_LAST] != 0
    if m[IS_SEQUENCE] == 0:
        if count == least:
            if is_last:
                emit(m, slot)
            if m[at + FOLLOWER] >= 0:
                hand_on(m, m[at + FOLLOWER], slot)
            if m[at + AGAIN] >= 0:
                begin_again(m, m[at + AGAIN], slot)
        return bool(count != most and not (is_last and count == least))
    if count >= least and is_last:
        emit(m, slot)
        return False
    if count >= least and m[at + FOLLOWER] >= 0:
        hand_on(m, m[at + FOLLOWER], slot)
    if count != most:
        hand_on(m, state, slot)
    return False


@inlined
def _partner_is_done(m: WriteInt64, partner: int, slot: int) -> bool:
    came = m[m[SLOTS] + slot * m[STRIDE] + SLOT + partner * STEP + COUNT] > 0
    if m[WORLD + partner * STATE + KIND] != PAIRED_ABSENT:
        return bool(came)
    repeats, arrived = m[WORLD + partner * STATE + AGAIN] >= 0, m[WORLD + partner * STATE + ARRIVED] > 0
    if not repeats and m[IS_SEQUENCE] != 0 and arrived:
        return False
    if m[WORLD + partner * STATE + WAIT_MS] >= 0:
        return bool(came)
    if not repeats:
        return bool(not came)
    if arrived:
        m[WORLD + partner * STATE + ARRIVED] = 0
        begin_at(m, partner)
        return False
    return True


@inlined
def _note(m: WriteInt64, state: int, slot: int, event: int, now: int) -> None:
    """``slot`` holds the event at ``state``, which takes one."""
    at, begin = WORLD + state * STATE, m[SLOTS] + slot * m[STRIDE]
    own, partner = begin + SLOT + state * STEP, m[at + PARTNER]
    m[own + COUNT], m[own + FIRST], m[own + LAST], m[own + CELL] = 1, event, event, now
    if m[at + STARTS] != 0:
        other = begin + SLOT + partner * STEP
        same = partner < 0 or m[other + COUNT] == 0 or m[other + FIRST] == NEVER
        m[begin + OLDEST] = now if same else min(now, m[other + CELL])
        m[begin + NEWEST] = now if same else max(now, m[other + CELL])
    if m[LINKS] != m[BUCKETS]:
        note_served(m, state, slot)


@inlined
def _collect(m: WriteInt64, state: int, slot: int, event: int, now: int) -> None:
    """``slot`` holds one more event at a counted ``state``."""
    at, begin = WORLD + state * STATE, m[SLOTS] + slot * m[STRIDE]
    own = begin + SLOT + state * STEP
    if m[own + COUNT] == 0:
        m[own + FIRST], m[own + CELL] = event, NEVER
        if m[at + STARTS] != 0:
            m[begin + OLDEST], m[begin + NEWEST] = now, now
        if m[LINKS] != m[BUCKETS]:
            note_served(m, state, slot)
    if m[at + LISTED] != 0:
        m[m[CHAIN] + 2 * m[CELLS]], m[m[CHAIN] + 2 * m[CELLS] + 1] = event, m[own + CELL]
        m[own + CELL] = m[CELLS]
        m[CELLS] += 1
    m[own + LAST] = event
    m[own + COUNT] += 1
    m[begin + TIME] = now


@inlined
def _take_what_must_not_come(m: WriteInt64, state: int, slot: int, event: int, now: int) -> bool:
    """As ``_take``, for an absent step of a pair."""
    at, is_sequence = WORLD + state * STATE, m[IS_SEQUENCE] != 0
    m[at + ARRIVED] = now
    if m[at + WAIT_MS] < 0 and not (is_sequence and m[at + IS_AND] != 0 and m[at + AGAIN] >= 0):
        _note(m, state, slot, event, now)
    if m[at + STARTS] != 0 and m[at + LEADS] != 0:
        return True
    if is_sequence:
        without(m, m[at + PARTNER], state, slot)
    return False


@inlined
def _sweep(m: WriteInt64, state: int, partner: int) -> None:
    """Now and then, forget at ``state`` what its partner completed. With ``within`` it goes when it is too old."""
    at = WORLD + state * STATE
    if m[WITHIN] >= 0 or m[IS_SEQUENCE] != 0 or m[at + WAITING] < m[at + SWEEP_FROM]:
        return
    if m[at + IS_AND] == 0 or (m[at + KIND] == PAIRED_ABSENT and m[at + WAIT_MS] < 0):
        without(m, state, partner, -1)
    m[at + SWEEP_FROM] = max(SWEEP_MIN, 2 * m[at + WAITING])


@inlined
def _take(m: WriteInt64, state: int, slot: int, event: int, now: int) -> bool:
    """``slot`` takes the event; whether it goes on waiting at ``state``."""
    at, begin = WORLD + state * STATE, m[SLOTS] + slot * m[STRIDE]
    kind, partner = m[at + KIND], m[at + PARTNER]
    if kind == COUNTED:
        _collect(m, state, slot, event, now)
        return _count(m, state, slot, m[begin + SLOT + state * STEP + COUNT])
    if kind == PAIRED_ABSENT:
        return _take_what_must_not_come(m, state, slot, event, now)
    _note(m, state, slot, event, now)
    if kind == ABSENT:
        m[begin + TIME] = now
        if m[at + STARTS] != 0 and m[at + AGAIN] == state:
            begin_again(m, state, slot)
        m[at + WAIT_UNTIL] = now + m[at + WAIT_MS]
        set_alarm(m, state, m[at + WAIT_UNTIL])
        return False
    if kind == PAIRED and m[at + IS_AND] != 0 and not _partner_is_done(m, partner, slot):
        return False
    m[begin + TIME] = now
    _go_on(m, state, slot)
    if kind == PAIRED:
        _sweep(m, partner, state)
    return False


@inlined
def _is_new(m: WriteInt64, ring: int, at: int) -> bool:
    """Whether there is at most one match in the ring described at ``at``, and it took no event."""
    if m[at + 1] == 0:
        return True
    slot = m[m[RINGS] + ring * m[RING] + (m[at] & (m[RING] - 1))]
    return bool(m[at + 1] == 1 and m[m[SLOTS] + slot * m[STRIDE] + TIME] == NEVER)


@inlined
def _is_idle(m: WriteInt64, start: int) -> bool:
    for state in range(m[STATES]):
        at = WORLD + state * STATE
        if state != start and m[at + WAITING] + m[at + FRESH] + m[at + ALARMS] > 0:
            return False
    return _is_new(m, 2 * start, WORLD + start * STATE + WAIT_HEAD) and _is_new(
        m, 2 * start + 1, WORLD + start * STATE + FRESH_HEAD
    )


@kernel
def begin(m: WriteInt64) -> None:
    """The first matches wait."""
    for each in range(m[STATES]):
        begin_at(m, m[WORLD + each * STATE + ORDERED])


@inlined
def _lacks_room(m: WriteInt64, served: ReadInt64, masks: ReadUInt8, row: int, rows: int) -> int:
    """What there may be too little room of for the row, else ``DONE``."""
    # what begins before the row is shown: each beginning may pass all states and begin again at each
    slack = (m[STATES] + 2) * (m[STATES] + 2)
    new_slots, entries, new_found, new_cells, new_alarms = slack, slack, 0, 0, 2 * slack
    for each in range(len(served)):
        if masks[each * rows + row] != 0:
            at, takes = WORLD + served[each] * STATE, slack
            takes += m[WORLD + served[each] * STATE + WAITING] + m[WORLD + served[each] * STATE + FRESH]
            new_slots += takes * m[at + COPIES]
            entries += takes * (1 + m[at + COPIES])
            new_found += takes * m[at + FINDS]
            new_cells += takes * m[at + LISTED]
            new_alarms += takes * (2 + m[at + COPIES])
    # a ring has holes, as many as it has matches and a few
    if m[FREE] < new_slots or 2 * (m[CAPACITY] - m[FREE]) + entries > m[RING]:
        return NEEDS_SLOTS
    if m[FOUND] + new_found > m[FOUND_ROOM]:
        return NEEDS_OUTPUT
    for each in range(m[STATES]):
        if m[WORLD + each * STATE + WAIT_MS] >= 0 and m[WORLD + each * STATE + ALARMS] + new_alarms > m[ALARM_ROOM]:
            return NEEDS_ALARMS
    return NEEDS_CELLS if m[CELLS] + new_cells > m[CELLS_ROOM] else DONE


@inlined
def _pass_event(m: WriteInt64, terms: ReadInt64, terms_valid: ReadUInt8, settles: ReadInt64, now: int) -> None:
    """An event is about to come: what is too old goes, fresh matches wait."""
    states = m[STATES]
    if m[WITHIN] >= 0 and is_any_late(m, now):
        for each in range(states):
            expire(m, terms, terms_valid, m[WORLD + each * STATE + ORDERED], now)
    if m[IS_SEQUENCE] == 0:
        for each in range(len(settles)):
            settle(m, terms, terms_valid, settles[each])
        return
    for each in range(states - 1, -1, -1):
        if m[WORLD + each * STATE + ELEMENT] >= 0:
            interrupt(m, m[WORLD + each * STATE + ELEMENT])
    for each in range(states):
        if m[WORLD + each * STATE + ELEMENT] >= 0:
            settle(m, terms, terms_valid, m[WORLD + each * STATE + ELEMENT])


@inlined
def _number(m: WriteInt64, state: int, before: int, chunk: int, shares: bool) -> None:
    """Number the chunks of the matches found since there were ``before``; ``shares``: they are one chunk."""
    if state >= 0 and m[WORLD + state * STATE + PUTS_OUT_ONE] != 0:
        m[FOUND] = before + 1
    last = m[LAST_CHUNK]
    for place in range(before, m[FOUND]):
        if place == before or not shares:
            last = chunk if chunk > last else min(last + 1, chunk - chunk % CHUNK_STRIDE + CHUNK_STRIDE - 1)
        m[m[MATCHES] + place * (m[STRIDE] - SLOT + 2) + 1] = last
    m[LAST_CHUNK] = last


@inlined
def _fire_until(
    m: WriteInt64, terms: ReadInt64, terms_valid: ReadUInt8, ticks: ReadInt64, last: int, restless: WriteInt64
) -> int:
    """Let go off what is due by the moment at place ``last``, each alarm at the first moment at which it is due."""
    while m[TICK] <= last:
        state = earliest_alarm(m)
        if state < 0 or due_of(m, state) > ticks[last]:
            break
        lacks = lacks_room_to_fire(m, state)
        if lacks != DONE:
            return lacks
        low, high, due = m[TICK], last, due_of(m, state)
        while low < high:
            middle = (low + high) // 2
            if ticks[middle] < due:
                low = middle + 1
            else:
                high = middle
        before, m[TICK] = m[FOUND], low
        fire(m, terms, terms_valid, state, ticks[low])
        _number(m, NEVER, before, (low - 1) * CHUNK_STRIDE + 1, False)
        for each in range(len(restless)):
            restless[each] = 1
    m[TICK] = max(m[TICK], last + 1)
    return DONE


@inlined
def _show(
    m: WriteInt64, state: int, row: int, rows: int, event: int, now: int, possible: bool,
    clauses_of: ReadInt64, atoms_of: ReadInt64, atoms: ReadInt64, terms: ReadInt64, terms_valid: ReadUInt8,
    arriving: ReadInt64, arriving_valid: ReadUInt8,
) -> None:  # fmt: skip
    """Show a row to all matches that wait at ``state``, oldest first."""
    at, ring, kept, is_sequence = WORLD + state * STATE, m[RING], 0, m[IS_SEQUENCE] != 0
    first, mask, head = m[RINGS] + 2 * state * ring, ring - 1, m[at + WAIT_HEAD]
    always, can_be_served = clauses_of[state] == clauses_of[state + 1], m[at + CAN_BE_SERVED] != 0
    for place in range(m[at + WAITING]):
        slot = m[first + ((head + place) & mask)]
        stays = not (can_be_served and was_served(m, state, slot))
        if stays and possible and (
            always
            or holds(
                m, slot, state, row, rows, clauses_of, atoms_of, atoms, terms, terms_valid, arriving, arriving_valid
            )
        ):  # fmt: skip
            stays = _take(m, state, slot, event, now)
        elif stays and is_sequence:
            stays = m[at + KIND] == ABSENT
            if m[at + SKIPS] >= 0 and (m[at + KIND] == SINGLE or m[at + KIND] == ABSENT):
                m[WORLD + m[at + SKIPS] * STATE + RENEW] = 1
        if stays:
            m[first + ((head + kept) & mask)] = slot
            kept += 1
        else:
            release(m, slot)
    m[at + WAITING] = kept


@inlined
def _show_by_key(
    m: WriteInt64, state: int, row: int, rows: int, event: int, now: int,
    clauses_of: ReadInt64, atoms_of: ReadInt64, atoms: ReadInt64, terms: ReadInt64, terms_valid: ReadUInt8,
    arriving: ReadInt64, arriving_valid: ReadUInt8,
) -> None:  # fmt: skip
    """As ``_show``, where only matches of the row's key come into question."""
    arrived = m[WORLD + state * STATE + KEY_ARRIVING] * rows + row
    if arriving_valid[arrived] == 0:
        return
    slot = m[bucket_at(m, state, bucket_of(m, arriving[arrived]))] - 1
    while slot >= 0:
        behind = m[link_at(m, state, slot) + NEXT] - 1
        stays = not holds(
            m, slot, state, row, rows, clauses_of, atoms_of, atoms, terms, terms_valid, arriving, arriving_valid
        )  # fmt: skip
        if not (stays or _take(m, state, slot, event, now)):
            leave(m, state, slot)
            release(m, slot)
        slot = behind


@kernel
def step(
    row: int, stream: int, served: ReadInt64, settles: ReadInt64, begins: ReadUInt8, active: ReadUInt8,
    masks: ReadUInt8, timestamps: ReadInt64, chunks: ReadInt64, events: ReadInt64, restless: WriteInt64,
    ticks: ReadInt64,
    clauses_of: ReadInt64, atoms_of: ReadInt64, atoms: ReadInt64, terms: ReadInt64, terms_valid: ReadUInt8,
    arriving: ReadInt64, arriving_valid: ReadUInt8, m: WriteInt64,
) -> tuple[int, int]:  # fmt: skip
    """Show rows from ``row`` on to the steps that their stream feeds; why it stopped, and the row to go on at.

    Args:
        row, stream: where to go on; number of the stream.
        served, settles: the states that the stream feeds, last ones first, and elements of which it feeds a part.
        begins, active: by row, whether it may serve the start at which a sequence idles, and any step.
        masks: [served * rows] whether a row may serve, by what it says of itself.
        timestamps, chunks, events: of the rows; ``events`` are their numbers in the terms.
        ticks: the moments of chunks from outside, at which alarms go off before the rows; none if they do not.
        restless: [streams] whether something moved since a row of the stream came that moved nothing.
        clauses_of, atoms_of, atoms: conditions by state, their clauses, their atoms.
        terms, terms_valid: [events * ``TERMS``] of captured events.
        arriving, arriving_valid: [arriving terms * rows].
        m: see ``step_layout``.
    """
    rows, is_sequence, within, start = len(timestamps), m[IS_SEQUENCE] != 0, m[WITHIN], m[IDLES_AT]
    while row < rows:
        now = timestamps[row]
        if len(ticks) > 0:
            last = min(chunks[row] // CHUNK_STRIDE, len(ticks) - 1)
            lacks = _fire_until(m, terms, terms_valid, ticks, last, restless)
            if lacks != DONE:
                return lacks, row
        if is_sequence:
            passes = start >= 0 and begins[row] == 0 and _is_idle(m, start)
        else:
            passes = active[row] == 0 and restless[stream] == 0
            passes = passes and (within < 0 or not is_any_late(m, now))
        if passes:
            row += 1
            continue
        lacks = _lacks_room(m, served, masks, row, rows)
        if lacks != DONE:
            return lacks, row
        _pass_event(m, terms, terms_valid, settles, now)
        for each in range(len(served)):
            state, before, possible = served[each], m[FOUND], masks[each * rows + row] != 0
            at = WORLD + state * STATE
            if m[at + WAITING] == 0 or (m[at + IS_OFF] != 0 and m[at + KIND] != PAIRED):
                continue
            if m[at + KEYED_AS] >= 0:
                if m[at + CAN_BE_SERVED] != 0:
                    forget_served(m, state)
                if possible:
                    _show_by_key(
                        m, state, row, rows, events[row], now, clauses_of, atoms_of, atoms, terms, terms_valid,
                        arriving, arriving_valid,
                    )  # fmt: skip
            elif possible or is_sequence or m[at + CAN_BE_SERVED] != 0:
                _show(
                    m, state, row, rows, events[row], now, possible, clauses_of, atoms_of, atoms, terms, terms_valid,
                    arriving, arriving_valid,
                )  # fmt: skip
            if m[FOUND] > before:
                _number(m, state, before, chunks[row], len(served) > 1)
        if active[row] != 0:
            for each in range(len(restless)):
                restless[each] = 1
        else:
            restless[stream] = 0
        row += 1
    if len(ticks) > 0:
        return _fire_until(m, terms, terms_valid, ticks, len(ticks) - 1, restless), row
    return DONE, row


@kernel
def start_waits(now: int, m: WriteInt64) -> None:
    """The clock begins to run: absent steps at the start wait from now on."""
    for state in range(m[STATES]):
        at = WORLD + state * STATE
        if m[at + STARTS] != 0 and m[at + WAIT_MS] >= 0:
            if m[at + KIND] == ABSENT:
                m[at + WAIT_UNTIL] = now + m[at + WAIT_MS]
            set_alarm(m, state, now + m[at + WAIT_MS])


@kernel
def next_alarm_ms(m: WriteInt64) -> int:
    """When the earliest alarm goes off, or ``LATEST``."""
    state = earliest_alarm(m)
    return due_of(m, state) if state >= 0 else LATEST


@kernel
def fire_earliest(now: int, terms: ReadInt64, terms_valid: ReadUInt8, restless: WriteInt64, m: WriteInt64) -> int:
    """Let the earliest alarm go off, whenever it is due, if there is room; else what there is too little room of."""
    state = earliest_alarm(m)
    lacks = lacks_room_to_fire(m, state)
    if lacks == DONE:
        fire(m, terms, terms_valid, state, now)
        for each in range(len(restless)):
            restless[each] = 1
    return lacks


@kernel
def link_again(terms: ReadInt64, terms_valid: ReadUInt8, m: WriteInt64) -> None:
    """Find anew by their keys what waits at keyed states."""
    for place in range(m[LINKS], m[BUCKETS]):
        m[place] = NEVER
    for place in range(m[BUCKETS], m[MATCHES]):
        m[place] = 0
    for state in range(m[STATES]):
        at = WORLD + state * STATE
        if m[at + KEYED_AS] >= 0:
            for each in range(m[at + WAITING]):
                place = (m[at + WAIT_HEAD] + each) & (m[RING] - 1)
                enter(m, terms, terms_valid, state, m[m[RINGS] + 2 * state * m[RING] + place], place)
