"""The general machine as a compiled loop: partial matches in slots, and for each state a ring of those that wait.

It does what ``machine`` does, for patterns without absent steps that set alarms: the same functions under the same
names, over arrays. ``machine`` says what they mean, ``step_layout`` where things lie.
"""

from __future__ import annotations

from eiha.engine.jit import ReadInt64, ReadUInt8, WriteInt64, inlined, kernel

# isort: off
from eiha.engine.patterns.step_layout import (
    AGAIN, ARRIVED, ARRIVING, ATOM, BEGUN, CAPACITY, CELL, CELLS, CELLS_ROOM, CHAIN, COPIES, COUNT, COUNTED,
    DONE, EARLIEST, ELEMENT, EMITS, FINDS, FIRST, FOLLOWER, FOUND, FOUND_ROOM, FREE, FREE_LIST, FRESH,
    FRESH_HEAD, FRESH_LAST, FRESH_NEWEST, FRESH_OLDEST, FRESH_RISES, IDLES_AT, IF_MISSING, INDEX, IS_AND,
    IS_LAST, IS_SEQUENCE, KIND, LAPSED, LAST, LAST_CHUNK, LATEST, LEADS, LEAST, LISTED, MATCHES, MOST,
    NEEDS_CELLS, NEEDS_OUTPUT, NEEDS_SLOTS, NEVER, NEWEST, OLDEST, ORDERED, OUTCOMES, PAIRED, PAIRED_ABSENT,
    PARTNER, PUTS_OUT_ONE, REFERENCES, RENEW, RENEWED_AT, REPEATS, RING, RINGS, SINGLE, SKIPS, SLOT, SLOTS,
    SOURCE, STARTS, STATE, STATES, STEP, STRIDE, SWEEP_FROM, SWEEP_MIN, TERM, TIME, WAITING, WAIT_HEAD, WITHIN,
    WORLD,
)  # fmt: skip

# isort: on
from eiha.events.batch import CHUNK_STRIDE


@inlined
def _push(m: WriteInt64, state: int, slot: int) -> None:
    """``slot`` is fresh at ``state``."""
    at, begin, ring = WORLD + state * STATE, m[SLOTS] + slot * m[STRIDE], m[RING]
    oldest, newest = m[begin + OLDEST], m[begin + NEWEST]
    length = m[at + FRESH]
    if length == 0:
        m[at + FRESH_OLDEST], m[at + FRESH_NEWEST], m[at + FRESH_RISES] = oldest, newest, 1
    else:
        m[at + FRESH_OLDEST] = min(m[at + FRESH_OLDEST], oldest)
        m[at + FRESH_NEWEST] = max(m[at + FRESH_NEWEST], newest)
        if oldest < m[at + FRESH_LAST]:
            m[at + FRESH_RISES] = 0
    m[at + FRESH_LAST] = oldest
    m[m[RINGS] + (2 * state + 1) * ring + ((m[at + FRESH_HEAD] + length) & (ring - 1))] = slot
    m[at + FRESH] = length + 1
    m[begin + REFERENCES] += 1


@inlined
def _release(m: WriteInt64, slot: int) -> None:
    begin = m[SLOTS] + slot * m[STRIDE]
    m[begin + REFERENCES] -= 1
    if m[begin + REFERENCES] == 0:
        m[m[FREE_LIST] + m[FREE]] = slot
        m[FREE] += 1


@inlined
def _emit(m: WriteInt64, slot: int) -> None:
    """Note a complete match: its time, room for a chunk number, and its steps."""
    begin = m[SLOTS] + slot * m[STRIDE]
    at = m[FOUND] * (m[STRIDE] - SLOT + 2)
    m[m[MATCHES] + at] = m[begin + TIME]
    for each in range(m[STRIDE] - SLOT):
        m[m[MATCHES] + at + 2 + each] = m[begin + SLOT + each]
    m[FOUND] += 1


@inlined
def _begin_again(m: WriteInt64, position: int, before: int) -> None:
    m[FREE] -= 1
    slot = m[m[FREE_LIST] + m[FREE]]
    stride, states, partner = m[STRIDE], m[STATES], m[WORLD + position * STATE + PARTNER]
    begin, source = m[SLOTS] + slot * stride, m[SLOTS] + before * stride
    for each in range(stride):
        m[begin + each] = m[source + each]
    m[begin + REFERENCES] = 0
    m[begin + LAPSED] = 0
    own = begin + SLOT + position * STEP
    if m[WORLD + position * STATE + KIND] == PAIRED_ABSENT:
        if m[own + COUNT] > 0:
            m[begin + TIME] = m[own + CELL]
        m[own + COUNT] = 0
    else:
        for each in range(position, states):
            m[begin + SLOT + each * STEP + COUNT] = 0
    if partner >= 0:
        m[begin + SLOT + partner * STEP + COUNT] = 0
    if m[WORLD + position * STATE + STARTS] != 0:
        m[begin + OLDEST], m[begin + NEWEST] = LATEST, EARLIEST
    _push(m, position, slot)
    if partner >= 0:
        _push(m, partner, slot)


@inlined
def _hand_on(m: WriteInt64, position: int, slot: int) -> None:
    """``slot`` waits at ``position`` and, past steps that need no event, at those behind it."""
    is_sequence = m[IS_SEQUENCE] != 0
    passed, state = 0, position
    while state >= 0:
        at = WORLD + state * STATE
        partner = m[at + PARTNER]
        if partner >= 0:
            guarded = is_sequence or m[at + STARTS] != 0
            if not (guarded and m[at + FRESH] > 0):
                _push(m, state, slot)
            if not (guarded and m[WORLD + partner * STATE + FRESH] > 0):
                _push(m, partner, slot)
            break
        if not (is_sequence and m[at + FRESH] > 0):
            _push(m, state, slot)
        if m[at + LEAST] > 0 or m[m[SLOTS] + slot * m[STRIDE] + SLOT + state * STEP + COUNT] > 0:
            break
        if m[at + IS_LAST] != 0:
            _emit(m, slot)
        passed += 1
        state = m[at + FOLLOWER]
    while passed > 0:
        passed -= 1
        state = position
        for _ in range(passed):
            state = m[WORLD + state * STATE + FOLLOWER]
        anew = m[WORLD + state * STATE + AGAIN]
        if anew >= 0:
            _begin_again(m, anew, slot)


@inlined
def _begin(m: WriteInt64, state: int) -> None:
    at = WORLD + state * STATE
    if m[at + STARTS] == 0 or (m[at + REPEATS] == 0 and m[at + BEGUN] != 0):
        return
    m[FREE] -= 1
    slot = m[m[FREE_LIST] + m[FREE]]
    begin = m[SLOTS] + slot * m[STRIDE]
    m[begin + REFERENCES], m[begin + TIME], m[begin + LAPSED] = 1, NEVER, 0
    m[begin + OLDEST], m[begin + NEWEST] = LATEST, EARLIEST
    for each in range(m[STATES]):
        m[begin + SLOT + each * STEP + COUNT] = 0
    _hand_on(m, state, slot)
    m[at + BEGUN] = 1
    _release(m, slot)


@inlined
def _settle_one(m: WriteInt64, state: int) -> None:
    """Fresh matches wait, in order of their times; those without come last."""
    at, ring, stride = WORLD + state * STATE, m[RING], m[STRIDE]
    count, head = m[at + FRESH], m[at + FRESH_HEAD]
    if count == 0:
        return
    fresh, mask = (2 * state + 1) * ring, ring - 1
    waiting, end = 2 * state * ring, m[at + WAIT_HEAD] + m[at + WAITING]
    for each in range(count):
        slot = m[m[RINGS] + fresh + ((head + each) & mask)]
        time = m[m[SLOTS] + slot * stride + TIME]
        key = LATEST if time == NEVER else time
        place = each
        while place > 0:
            before = m[m[RINGS] + waiting + ((end + place - 1) & mask)]
            earlier = m[m[SLOTS] + before * stride + TIME]
            if earlier != NEVER and earlier <= key:
                break
            if earlier == NEVER and key == LATEST:
                break
            m[m[RINGS] + waiting + ((end + place) & mask)] = before
            place -= 1
        m[m[RINGS] + waiting + ((end + place) & mask)] = slot
    m[at + WAITING] += count
    m[at + FRESH], m[at + FRESH_HEAD] = 0, 0


@inlined
def _settle(m: WriteInt64, state: int) -> None:
    if m[WORLD + state * STATE + RENEW] != 0:
        m[WORLD + state * STATE + RENEW] = 0
        _begin(m, state)
    _settle_one(m, state)
    if m[WORLD + state * STATE + PARTNER] >= 0:
        _settle_one(m, m[WORLD + state * STATE + PARTNER])


@inlined
def _forget(m: WriteInt64, state: int) -> None:
    """Nothing waits at ``state`` any more."""
    at, ring = WORLD + state * STATE, m[RING]
    for each in range(m[at + WAITING]):
        _release(m, m[m[RINGS] + 2 * state * ring + ((m[at + WAIT_HEAD] + each) & (ring - 1))])
    m[at + WAITING], m[at + WAIT_HEAD] = 0, 0


@inlined
def _interrupt(m: WriteInt64, state: int) -> None:
    at = WORLD + state * STATE
    partner, follower = m[at + PARTNER], m[at + FOLLOWER]
    if partner >= 0:
        if m[at + IS_AND] != 0 and m[at + WAITING] != m[WORLD + partner * STATE + WAITING]:
            return
        _forget(m, partner)
    _forget(m, state)
    if m[at + STARTS] == 0 or m[at + FRESH] > 0:
        return
    if m[at + AGAIN] < 0 and follower >= 0 and m[WORLD + follower * STATE + WAITING] > 0:
        return
    _begin(m, state)


@inlined
def _is_late(m: WriteInt64, slot: int, now: int) -> bool:
    begin = m[SLOTS] + slot * m[STRIDE]
    return bool(now - m[begin + OLDEST] > m[WITHIN] or m[begin + NEWEST] - now > m[WITHIN])


@inlined
def _lapse(m: WriteInt64, slot: int, last: int) -> int:
    """``slot`` leaves a ring, too old; the last one that did so for the first time, which is held to be renewed."""
    if m[m[SLOTS] + slot * m[STRIDE] + LAPSED] != 0:
        _release(m, slot)
        return last
    m[m[SLOTS] + slot * m[STRIDE] + LAPSED] = 1
    if last >= 0:
        _release(m, last)
    return slot


@inlined
def _expire(m: WriteInt64, state: int, now: int) -> None:
    at, ring, last, anew = WORLD + state * STATE, m[RING], NEVER, m[WORLD + state * STATE + RENEWED_AT]
    mask = ring - 1
    for part in range(2):
        head = at + WAIT_HEAD + part * (FRESH_HEAD - WAIT_HEAD)
        while m[head + 1] > 0:
            slot = m[m[RINGS] + (2 * state + part) * ring + (m[head] & mask)]
            if not _is_late(m, slot, now):
                break
            m[head] = (m[head] + 1) & mask
            m[head + 1] -= 1
            last = _lapse(m, slot, last)
    count, begin, head, kept = m[at + FRESH], (2 * state + 1) * ring, m[at + FRESH_HEAD], 0
    if count > 0 and m[at + FRESH_RISES] != 0 and m[at + FRESH_NEWEST] - now <= m[WITHIN]:
        m[at + FRESH_OLDEST] = m[m[SLOTS] + m[m[RINGS] + begin + (head & mask)] * m[STRIDE] + OLDEST]
    elif count > 0:
        m[at + FRESH_OLDEST], m[at + FRESH_NEWEST] = LATEST, EARLIEST
        for each in range(count):
            slot = m[m[RINGS] + begin + ((head + each) & mask)]
            if _is_late(m, slot, now):
                last = _lapse(m, slot, last)
                continue
            m[at + FRESH_LAST] = m[m[SLOTS] + slot * m[STRIDE] + OLDEST]
            m[at + FRESH_OLDEST] = min(m[at + FRESH_OLDEST], m[at + FRESH_LAST])
            m[at + FRESH_NEWEST] = max(m[at + FRESH_NEWEST], m[m[SLOTS] + slot * m[STRIDE] + NEWEST])
            m[m[RINGS] + begin + ((head + kept) & mask)] = slot
            kept += 1
        m[at + FRESH] = kept
    if last >= 0:
        if anew >= 0:
            _begin_again(m, anew, last)
            _settle(m, anew)
        _release(m, last)


@inlined
def _go_on(m: WriteInt64, state: int, slot: int) -> None:
    at = WORLD + state * STATE
    if m[at + EMITS] != 0:
        _emit(m, slot)
    if m[at + FOLLOWER] >= 0:
        _hand_on(m, m[at + FOLLOWER], slot)
    if m[at + AGAIN] >= 0:
        _begin_again(m, m[at + AGAIN], slot)
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
                _emit(m, slot)
            if m[at + FOLLOWER] >= 0:
                _hand_on(m, m[at + FOLLOWER], slot)
            if m[at + AGAIN] >= 0:
                _begin_again(m, m[at + AGAIN], slot)
        return bool(count != most and not (is_last and count == least))
    if count >= least and is_last:
        _emit(m, slot)
        return False
    if count >= least and m[at + FOLLOWER] >= 0:
        _hand_on(m, m[at + FOLLOWER], slot)
    if count != most:
        _hand_on(m, state, slot)
    return False


@inlined
def _partner_is_done(m: WriteInt64, partner: int, slot: int) -> bool:
    came = m[m[SLOTS] + slot * m[STRIDE] + SLOT + partner * STEP + COUNT] > 0
    if m[WORLD + partner * STATE + KIND] != PAIRED_ABSENT:
        return bool(came)
    repeats, arrived = m[WORLD + partner * STATE + AGAIN] >= 0, m[WORLD + partner * STATE + ARRIVED] > 0
    if not repeats:
        return bool(not came and not (m[IS_SEQUENCE] != 0 and arrived))
    if arrived:
        m[WORLD + partner * STATE + ARRIVED] = 0
        _begin(m, partner)
        return False
    return True


@inlined
def _without(m: WriteInt64, state: int, partner: int, gone: int) -> None:
    """Forget at ``state`` the match ``gone`` or, for -1, those that ``partner`` completed."""
    at, ring = WORLD + state * STATE, m[RING]
    begin, mask, head, kept = 2 * state * ring, ring - 1, m[at + WAIT_HEAD], 0
    for each in range(m[at + WAITING]):
        slot = m[m[RINGS] + begin + ((head + each) & mask)]
        if slot == gone or (gone < 0 and m[m[SLOTS] + slot * m[STRIDE] + SLOT + partner * STEP + COUNT] > 0):
            _release(m, slot)
        else:
            m[m[RINGS] + begin + ((head + kept) & mask)] = slot
            kept += 1
    m[at + WAITING] = kept


@inlined
def _take(m: WriteInt64, state: int, slot: int, event: int, now: int) -> bool:
    """``slot`` takes the event; whether it goes on waiting at ``state``."""
    at, begin, is_sequence = WORLD + state * STATE, m[SLOTS] + slot * m[STRIDE], m[IS_SEQUENCE] != 0
    own, kind, partner = begin + SLOT + state * STEP, m[at + KIND], m[at + PARTNER]
    if kind == COUNTED:
        if m[own + COUNT] == 0:
            m[own + FIRST], m[own + CELL] = event, NEVER
            if m[at + STARTS] != 0:
                m[begin + OLDEST], m[begin + NEWEST] = now, now
        if m[at + LISTED] != 0:
            m[m[CHAIN] + 2 * m[CELLS]], m[m[CHAIN] + 2 * m[CELLS] + 1] = event, m[own + CELL]
            m[own + CELL] = m[CELLS]
            m[CELLS] += 1
        m[own + LAST] = event
        m[own + COUNT] += 1
        m[begin + TIME] = now
        return _count(m, state, slot, m[own + COUNT])
    if kind == PAIRED_ABSENT:
        m[at + ARRIVED] = now
    if kind != PAIRED_ABSENT or not (is_sequence and m[at + IS_AND] != 0 and m[at + AGAIN] >= 0):
        m[own + COUNT], m[own + FIRST], m[own + LAST], m[own + CELL] = 1, event, event, now
        if m[at + STARTS] != 0:
            other = begin + SLOT + partner * STEP
            same = partner < 0 or m[other + COUNT] == 0
            m[begin + OLDEST] = now if same else min(now, m[other + CELL])
            m[begin + NEWEST] = now if same else max(now, m[other + CELL])
    if kind == PAIRED_ABSENT:
        if m[at + STARTS] != 0 and m[at + LEADS] != 0:
            return True
        if is_sequence:
            _without(m, partner, state, slot)
        return False
    is_and = kind == PAIRED and m[at + IS_AND] != 0
    if is_and and not _partner_is_done(m, partner, slot):
        return False
    m[begin + TIME] = now
    _go_on(m, state, slot)
    if kind == PAIRED and m[WITHIN] < 0 and not is_sequence:
        waits = WORLD + partner * STATE
        if m[waits + WAITING] >= m[waits + SWEEP_FROM]:
            if m[at + IS_AND] == 0 or m[WORLD + partner * STATE + KIND] == PAIRED_ABSENT:
                _without(m, partner, state, -1)
            m[waits + SWEEP_FROM] = max(SWEEP_MIN, 2 * m[waits + WAITING])
    return False


@inlined
def _event(m: WriteInt64, slot: int, source: int, index: int) -> int:
    """The event at ``index`` of step ``source``, -1 for none."""
    own = m[SLOTS] + slot * m[STRIDE] + SLOT + source * STEP
    count = m[own + COUNT]
    if count == 0:
        return NEVER
    if index == 0:
        return int(m[own + FIRST])
    if index == -1:
        return int(m[own + LAST])
    back = count - 1 - index if index > 0 else -1 - index
    if back < 0 or back >= count:
        return NEVER
    cell = m[own + CELL]
    for _ in range(back):
        cell = m[m[CHAIN] + 2 * cell + 1]
    return int(m[m[CHAIN] + 2 * cell])


@inlined
def _holds(
    m: WriteInt64, slot: int, state: int, row: int, rows: int,
    clauses_of: ReadInt64, atoms_of: ReadInt64, atoms: ReadInt64, terms: ReadInt64, terms_valid: ReadUInt8,
    terms_count: int, arriving: ReadInt64, arriving_valid: ReadUInt8,
) -> bool:  # fmt: skip
    """Whether all atoms of some clause of the state's condition hold for the match and the row."""
    for clause in range(clauses_of[state], clauses_of[state + 1]):
        holds = True
        for each in range(atoms_of[clause], atoms_of[clause + 1]):
            atom = each * ATOM
            at = atoms[atom + ARRIVING] * rows + row
            if atoms[atom + SOURCE] < 0:
                holds = (arriving[at] != 0) == (atoms[atom + OUTCOMES] != 0)
            else:
                event = _event(m, slot, atoms[atom + SOURCE], atoms[atom + INDEX])
                if event < 0:
                    holds = atoms[atom + IF_MISSING] != 0
                else:
                    term = event * terms_count + atoms[atom + TERM]
                    value, other = terms[term], arriving[at]
                    outcome = 2 * (value == other) + (value < other) + 4 * (value > other)
                    if terms_valid[term] == 0 or arriving_valid[at] == 0:
                        outcome = 8
                    holds = atoms[atom + OUTCOMES] & outcome != 0
            if not holds:
                break
        if holds:
            return True
    return bool(clauses_of[state] == clauses_of[state + 1])


@inlined
def _was_served(m: WriteInt64, state: int, slot: int) -> bool:
    """Whether the match got on by another way: past a counted step, or by the other of a pair."""
    steps, partner = m[SLOTS] + slot * m[STRIDE] + SLOT, m[WORLD + state * STATE + PARTNER]
    if m[WORLD + state * STATE + KIND] == COUNTED:
        found = False
        for each in range(state + 1, min(state + 3, m[STATES])):
            found = found or m[steps + each * STEP + COUNT] > 0
        return found
    return bool(partner >= 0 and m[WORLD + state * STATE + IS_AND] == 0 and m[steps + partner * STEP + COUNT] > 0)


@inlined
def _is_any_late(m: WriteInt64, now: int) -> bool:
    within, ring, late = m[WITHIN], m[RING], False
    for state in range(m[STATES]):
        at = WORLD + state * STATE
        if m[at + WAITING] > 0:
            late = late or _is_late(m, m[m[RINGS] + 2 * state * ring + (m[at + WAIT_HEAD] & (ring - 1))], now)
        if m[at + FRESH] > 0:
            late = late or now - m[at + FRESH_OLDEST] > within or m[at + FRESH_NEWEST] - now > within
    return late


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
        if state != start and m[WORLD + state * STATE + WAITING] + m[WORLD + state * STATE + FRESH] > 0:
            return False
    return _is_new(m, 2 * start, WORLD + start * STATE + WAIT_HEAD) and _is_new(
        m, 2 * start + 1, WORLD + start * STATE + FRESH_HEAD
    )


@kernel
def begin(m: WriteInt64) -> None:
    """The first matches wait."""
    for each in range(m[STATES]):
        _begin(m, m[WORLD + each * STATE + ORDERED])


@inlined
def _lacks_room(m: WriteInt64, served: ReadInt64, masks: ReadUInt8, row: int, rows: int) -> int:
    """What there may be too little room of for the row, else ``DONE``."""
    # what begins before the row is shown: each beginning may pass all states and begin again at each
    slack = (m[STATES] + 2) * (m[STATES] + 2)
    new_slots, entries, new_found, new_cells = slack, slack, 0, 0
    for each in range(len(served)):
        if masks[each * rows + row] != 0:
            at, takes = WORLD + served[each] * STATE, slack
            takes += m[WORLD + served[each] * STATE + WAITING] + m[WORLD + served[each] * STATE + FRESH]
            new_slots += takes * m[at + COPIES]
            entries += takes * (1 + m[at + COPIES])
            new_found += takes * m[at + FINDS]
            new_cells += takes * m[at + LISTED]
    if m[FREE] < new_slots or m[CAPACITY] - m[FREE] + entries > m[RING]:
        return NEEDS_SLOTS
    if m[FOUND] + new_found > m[FOUND_ROOM]:
        return NEEDS_OUTPUT
    return NEEDS_CELLS if m[CELLS] + new_cells > m[CELLS_ROOM] else DONE


@inlined
def _pass_event(m: WriteInt64, settles: ReadInt64, now: int) -> None:
    """An event is about to come: what is too old goes, fresh matches wait."""
    states = m[STATES]
    if m[WITHIN] >= 0 and _is_any_late(m, now):
        for each in range(states):
            _expire(m, m[WORLD + each * STATE + ORDERED], now)
    if m[IS_SEQUENCE] == 0:
        for each in range(len(settles)):
            _settle(m, settles[each])
        return
    for each in range(states - 1, -1, -1):
        if m[WORLD + each * STATE + ELEMENT] >= 0:
            _interrupt(m, m[WORLD + each * STATE + ELEMENT])
    for each in range(states):
        if m[WORLD + each * STATE + ELEMENT] >= 0:
            _settle(m, m[WORLD + each * STATE + ELEMENT])


@inlined
def _number(m: WriteInt64, state: int, before: int, chunk: int, shares: bool) -> None:
    """Number the chunks of the matches found since there were ``before``; ``shares``: they are one chunk."""
    if m[WORLD + state * STATE + PUTS_OUT_ONE] != 0:
        m[FOUND] = before + 1
    last = m[LAST_CHUNK]
    for place in range(before, m[FOUND]):
        if place == before or not shares:
            last = chunk if chunk > last else min(last + 1, chunk - chunk % CHUNK_STRIDE + CHUNK_STRIDE - 1)
        m[m[MATCHES] + place * (m[STRIDE] - SLOT + 2) + 1] = last
    m[LAST_CHUNK] = last


@kernel
def step(
    row: int, stream: int, served: ReadInt64, settles: ReadInt64, begins: ReadUInt8, active: ReadUInt8,
    masks: ReadUInt8, timestamps: ReadInt64, chunks: ReadInt64, events: ReadInt64, restless: WriteInt64,
    clauses_of: ReadInt64, atoms_of: ReadInt64, atoms: ReadInt64, terms: ReadInt64, terms_valid: ReadUInt8,
    terms_count: int, arriving: ReadInt64, arriving_valid: ReadUInt8, m: WriteInt64,
) -> tuple[int, int]:  # fmt: skip
    """Show rows from ``row`` on to the steps that their stream feeds; why it stopped, and the row to go on at.

    Args:
        row, stream: where to go on; number of the stream.
        served, settles: the states that the stream feeds, last ones first, and elements of which it feeds a part.
        begins, active: by row, whether it may serve the start at which a sequence idles, and any step.
        masks: [served * rows] whether a row may serve, by what it says of itself.
        timestamps, chunks, events: of the rows; ``events`` are their numbers in the terms.
        restless: [streams] whether something moved since a row of the stream came that moved nothing.
        clauses_of, atoms_of, atoms: conditions by state, their clauses, their atoms.
        terms, terms_valid: [events * terms_count] of captured events.
        arriving, arriving_valid: [arriving terms * rows].
        m: see ``step_layout``.
    """
    rows, is_sequence, within, start = len(timestamps), m[IS_SEQUENCE] != 0, m[WITHIN], m[IDLES_AT]
    while row < rows:
        now = timestamps[row]
        if is_sequence:
            passes = start >= 0 and begins[row] == 0 and _is_idle(m, start)
        else:
            passes = active[row] == 0 and restless[stream] == 0
            passes = passes and (within < 0 or not _is_any_late(m, now))
        if passes:
            row += 1
            continue
        lacks = _lacks_room(m, served, masks, row, rows)
        if lacks != DONE:
            return lacks, row
        _pass_event(m, settles, now)
        for each in range(len(served)):
            state, before = served[each], m[FOUND]
            at, ring, kept = WORLD + state * STATE, m[RING], 0
            first, mask, head = m[RINGS] + 2 * state * ring, ring - 1, m[at + WAIT_HEAD]
            possible = masks[each * rows + row] != 0
            for place in range(m[at + WAITING]):
                slot = m[first + ((head + place) & mask)]
                stays = not _was_served(m, state, slot)
                if stays and possible and (
                    clauses_of[state] == clauses_of[state + 1]
                    or _holds(
                        m, slot, state, row, rows, clauses_of, atoms_of, atoms, terms, terms_valid, terms_count,
                        arriving, arriving_valid,
                    )
                ):  # fmt: skip
                    stays = _take(m, state, slot, events[row], now)
                elif stays and is_sequence:
                    stays = False
                    if m[at + KIND] == SINGLE and m[at + SKIPS] >= 0:
                        m[WORLD + m[at + SKIPS] * STATE + RENEW] = 1
                if stays:
                    m[first + ((head + kept) & mask)] = slot
                    kept += 1
                else:
                    _release(m, slot)
            m[at + WAITING] = kept
            if m[FOUND] > before:
                _number(m, state, before, chunks[row], len(served) > 1)
        if active[row] != 0:
            for each in range(len(restless)):
                restless[each] = 1
        else:
            restless[stream] = 0
        row += 1
    return DONE, row
