"""Of the compiled machine: what time does. Matches get too old, and the waits of absent steps end.

The functions are those of ``machine`` under the same names, over arrays; ``step_layout`` says where things lie.
"""

from __future__ import annotations

from eiha.engine.jit import ReadInt64, ReadUInt8, WriteInt64, inlined

# isort: off
from eiha.engine.patterns.step_layout import (
    ABSENT, AGAIN, ALARMS, ALARM_HEAD, ALARM_RINGS, ALARM_ROOM, ARRIVED, CAPACITY, CELL, COPIES, COUNT, DONE,
    EARLIEST, FINDS, FIRST, FOLLOWER, FOUND, FOUND_ROOM, FREE, FREE_LIST, FRESH, FRESH_HEAD, FRESH_LAST, FRESH_NEWEST,
    FRESH_OLDEST, FRESH_RISES, HOLES, IS_AND, IS_LAST, IS_OFF, IS_SEQUENCE, KEYED_AS, KIND, LAPSED, LAST, LATEST,
    NEEDS_ALARMS, NEEDS_OUTPUT, NEEDS_SLOTS, NEVER, NEWEST, OLDEST, PARTNER, RENEW, RENEWED_AT, RING, RINGS, SKIPS,
    SLOT, SLOTS, STARTS, STATE, STATES, STEP, STRIDE, TIME, WAITING, WAIT_HEAD, WAIT_MS, WAIT_RISES, WAIT_UNTIL,
    WITHIN, WORLD,
)  # fmt: skip

# isort: on
from eiha.engine.patterns.step_rings import (
    begin_again,
    emit,
    hand_on,
    interrupt,
    leave,
    note_served,
    release,
    set_alarm,
    settle,
    take_new,
)


@inlined
def is_late(m: WriteInt64, slot: int, now: int) -> bool:
    """Whether the first event of the match is further than ``within`` from ``now``."""
    begin = m[SLOTS] + slot * m[STRIDE]
    return bool(m[WITHIN] >= 0 and (now - m[begin + OLDEST] > m[WITHIN] or m[begin + NEWEST] - now > m[WITHIN]))


@inlined
def is_any_late(m: WriteInt64, now: int) -> bool:
    """Whether some match at the head of those that wait, or a fresh one, is too old."""
    within, ring, late = m[WITHIN], m[RING], False
    for state in range(m[STATES]):
        at = WORLD + state * STATE
        if m[at + WAITING] > 0:
            late = late or is_late(m, m[m[RINGS] + 2 * state * ring + (m[at + WAIT_HEAD] & (ring - 1))], now)
        if m[at + FRESH] > 0:
            late = late or now - m[at + FRESH_OLDEST] > within or m[at + FRESH_NEWEST] - now > within
    return late


@inlined
def lapse(m: WriteInt64, slot: int, last: int) -> int:
    """``slot`` leaves a ring, too old; the last one that did so for the first time, which is held to be renewed."""
    if m[m[SLOTS] + slot * m[STRIDE] + LAPSED] != 0:
        release(m, slot)
        return last
    m[m[SLOTS] + slot * m[STRIDE] + LAPSED] = 1
    if last >= 0:
        release(m, last)
    return slot


@inlined
def leave_head(m: WriteInt64, state: int) -> int:
    """The match that waits longest leaves the ring; the caller releases it."""
    at, ring = WORLD + state * STATE, m[RING]
    slot = m[m[RINGS] + 2 * state * ring + (m[at + WAIT_HEAD] & (ring - 1))]
    if m[at + KEYED_AS] >= 0:
        leave(m, state, slot)
    else:
        m[at + WAIT_HEAD] = (m[at + WAIT_HEAD] + 1) & (ring - 1)
        m[at + WAITING] -= 1
    return int(slot)


@inlined
def expire(m: WriteInt64, terms: ReadInt64, terms_valid: ReadUInt8, state: int, now: int) -> None:
    """Matches whose first event is too far from ``now`` go; where it is repeated, one new begins."""
    at, ring, last, anew = WORLD + state * STATE, m[RING], NEVER, m[WORLD + state * STATE + RENEWED_AT]
    mask = ring - 1
    while m[at + WAITING] > 0 and is_late(m, m[m[RINGS] + 2 * state * ring + (m[at + WAIT_HEAD] & mask)], now):
        last = lapse(m, leave_head(m, state), last)
    while m[at + FRESH] > 0:
        slot = m[m[RINGS] + (2 * state + 1) * ring + (m[at + FRESH_HEAD] & mask)]
        if not is_late(m, slot, now):
            break
        m[at + FRESH_HEAD] = (m[at + FRESH_HEAD] + 1) & mask
        m[at + FRESH] -= 1
        last = lapse(m, slot, last)
    count, begin, head, kept = m[at + FRESH], (2 * state + 1) * ring, m[at + FRESH_HEAD], 0
    if count > 0 and m[at + FRESH_RISES] != 0 and m[at + FRESH_NEWEST] - now <= m[WITHIN]:
        m[at + FRESH_OLDEST] = m[m[SLOTS] + m[m[RINGS] + begin + (head & mask)] * m[STRIDE] + OLDEST]
    elif count > 0:
        m[at + FRESH_OLDEST], m[at + FRESH_NEWEST] = LATEST, EARLIEST
        for each in range(count):
            slot = m[m[RINGS] + begin + ((head + each) & mask)]
            if is_late(m, slot, now):
                last = lapse(m, slot, last)
                continue
            m[at + FRESH_LAST] = m[m[SLOTS] + slot * m[STRIDE] + OLDEST]
            m[at + FRESH_OLDEST] = min(m[at + FRESH_OLDEST], m[at + FRESH_LAST])
            m[at + FRESH_NEWEST] = max(m[at + FRESH_NEWEST], m[m[SLOTS] + slot * m[STRIDE] + NEWEST])
            m[m[RINGS] + begin + ((head + kept) & mask)] = slot
            kept += 1
        m[at + FRESH] = kept
    if last >= 0:
        if anew >= 0:
            begin_again(m, anew, last)
            settle(m, terms, terms_valid, anew)
        release(m, last)


# --- alarms


@inlined
def earliest_alarm(m: WriteInt64) -> int:
    """The state whose alarm goes off first, -1 for none; of equal ones the first in the text."""
    found, due = NEVER, LATEST
    for state in range(m[STATES]):
        at = WORLD + state * STATE
        if m[at + ALARMS] > 0:
            own = m[m[ALARM_RINGS] + state * m[ALARM_ROOM] + m[at + ALARM_HEAD]]
            if own < due:
                found, due = state, own
    return found


@inlined
def due_of(m: WriteInt64, state: int) -> int:
    """When the earliest alarm of ``state`` goes off."""
    return int(m[m[ALARM_RINGS] + state * m[ALARM_ROOM] + m[WORLD + state * STATE + ALARM_HEAD]])


@inlined
def lacks_room_to_fire(m: WriteInt64, state: int) -> int:
    """What there may be too little room of for the alarm of ``state``, else ``DONE``."""
    at, slack = WORLD + state * STATE, (m[STATES] + 2) * (m[STATES] + 2)
    takes = slack + m[at + WAITING] + m[at + FRESH]
    if m[at + PARTNER] >= 0:
        takes += m[WORLD + m[at + PARTNER] * STATE + WAITING]
    more = takes * (2 + m[at + COPIES])
    if m[FREE] < more or 2 * (m[CAPACITY] - m[FREE]) + more > m[RING]:
        return NEEDS_SLOTS
    if m[FOUND] + takes * m[at + FINDS] > m[FOUND_ROOM]:
        return NEEDS_OUTPUT
    for each in range(m[STATES]):
        if m[WORLD + each * STATE + WAIT_MS] >= 0 and m[WORLD + each * STATE + ALARMS] + more > m[ALARM_ROOM]:
            return NEEDS_ALARMS
    return DONE


@inlined
def succeed(m: WriteInt64, state: int, slot: int) -> None:
    """An absent step is done: ``slot`` goes on."""
    at = WORLD + state * STATE
    if m[at + IS_LAST] != 0:
        emit(m, slot)
    if m[at + FOLLOWER] >= 0:
        hand_on(m, m[at + FOLLOWER], slot)
    if m[at + AGAIN] >= 0:
        begin_again(m, m[at + AGAIN], slot)
    elif m[at + STARTS] != 0:
        m[at + IS_OFF] = 1
        if m[at + PARTNER] >= 0 and m[at + IS_AND] == 0:
            m[WORLD + m[at + PARTNER] * STATE + IS_OFF] = 1
    if m[at + SKIPS] >= 0:
        m[WORLD + m[at + SKIPS] * STATE + RENEW] = 1


@inlined
def begin_wait_anew(m: WriteInt64, state: int) -> None:
    """A match without events waits at ``state``."""
    slot = take_new(m)
    hand_on(m, state, slot)
    release(m, slot)


@inlined
def set_aside(m: WriteInt64, count: int, slot: int) -> int:
    """Keep ``slot``, the ``count``-th that left a ring, behind the free ones, where as many places are unused."""
    m[m[FREE_LIST] + m[CAPACITY] - 1 - count] = slot
    return count + 1


@inlined
def end_wait(m: WriteInt64, terms: ReadInt64, terms_valid: ReadUInt8, state: int, due: int, now: int) -> None:
    """Of the matches at an absent step those have succeeded whose time is over."""
    at, mask, over, kept = WORLD + state * STATE, m[RING] - 1, 0, 0
    wait, anew = m[at + WAIT_MS], m[at + RENEWED_AT]
    was_interrupted = m[IS_SEQUENCE] != 0 and m[at + AGAIN] < 0 and m[at + WAIT_UNTIL] > 0
    if m[at + STARTS] != 0 and m[at + FRESH] + m[at + WAITING] == 0 and not was_interrupted:
        begin_wait_anew(m, state)
    elif m[IS_SEQUENCE] != 0 and m[at + FRESH] > 0:
        interrupt(m, state)
    settle(m, terms, terms_valid, state)
    ring, head = m[RINGS] + 2 * state * m[RING], m[at + WAIT_HEAD]
    if m[at + WAIT_RISES] != 0 and m[WITHIN] < 0:
        while m[at + WAITING] > 0:
            first = m[SLOTS] + m[ring + (m[at + WAIT_HEAD] & mask)] * m[STRIDE]
            if due < m[first + TIME] + wait:
                break
            slot = leave_head(m, state)
            m[m[SLOTS] + slot * m[STRIDE] + TIME] = due
            over = set_aside(m, over, slot)
    else:
        for each in range(m[at + WAITING] + m[at + HOLES]):
            slot = m[ring + ((head + each) & mask)]
            if slot == NEVER:
                continue
            time = m[m[SLOTS] + slot * m[STRIDE] + TIME]
            since = m[at + WAIT_UNTIL] - wait if time == NEVER else time
            late = is_late(m, slot, due)
            if not late and due < since + wait:
                if m[at + KEYED_AS] < 0:
                    m[ring + ((head + kept) & mask)] = slot
                    kept += 1
                continue
            if m[at + KEYED_AS] >= 0:
                leave(m, state, slot)
            if late:
                if anew >= 0:
                    begin_again(m, anew, slot)
                release(m, slot)
            else:
                m[m[SLOTS] + slot * m[STRIDE] + TIME] = due
                over = set_aside(m, over, slot)
        if m[at + KEYED_AS] < 0:
            m[at + WAITING] = kept
    if anew >= 0:
        settle(m, terms, terms_valid, anew)
    succeed_all(m, state, over)
    if now > wait + due:
        m[at + WAIT_UNTIL] = now + wait
    if over == 0 and m[at + WAIT_UNTIL] < due:
        m[at + WAIT_UNTIL] = due + wait
        set_alarm(m, state, m[at + WAIT_UNTIL])


@inlined
def succeed_all(m: WriteInt64, state: int, over: int) -> None:
    """Those that were set aside go on; only then are they released, since free slots take their places."""
    behind = m[FREE_LIST] + m[CAPACITY] - 1
    for each in range(over):
        succeed(m, state, m[behind - each])
    for each in range(over - 1, -1, -1):
        release(m, m[behind - each])


@inlined
def end_wait_of_pair(m: WriteInt64, terms: ReadInt64, terms_valid: ReadUInt8, state: int, due: int, now: int) -> None:
    """As ``end_wait`` for an absent step of a pair."""
    at, over = WORLD + state * STATE, 0
    wait = m[at + WAIT_MS]
    if due >= m[at + ARRIVED] + wait:
        if m[IS_SEQUENCE] != 0 and m[at + STARTS] != 0 and m[at + FRESH] + m[at + WAITING] == 0:
            begin_wait_anew(m, state)
        elif m[IS_SEQUENCE] != 0 and m[at + FRESH] > 0:
            interrupt(m, state)
        settle(m, terms, terms_valid, state)
        over = waited_in_pair(m, terms, terms_valid, state, due)
        succeed_all(m, state, over)
        m[at + ARRIVED] = 0
    if m[at + AGAIN] >= 0 or (over == 0 and m[at + STARTS] != 0):
        since = m[at + ARRIVED] if m[at + ARRIVED] != 0 else now
        set_alarm(m, state, since + wait)


@inlined
def waited_in_pair(m: WriteInt64, terms: ReadInt64, terms_valid: ReadUInt8, state: int, due: int) -> int:
    """How many matches of an absent step of a pair are complete now that its time is over; they are set aside."""
    at, mask, over, kept, late = WORLD + state * STATE, m[RING] - 1, 0, 0, NEVER
    ring, head, is_and = m[RINGS] + 2 * state * m[RING], m[at + WAIT_HEAD], m[at + IS_AND] != 0
    for each in range(m[at + WAITING] + m[at + HOLES]):
        slot = m[ring + ((head + each) & mask)]
        if slot == NEVER:
            continue
        begin = m[SLOTS] + slot * m[STRIDE]
        own = begin + SLOT + state * STEP
        since = m[own + CELL] if m[own + COUNT] > 0 else m[begin + TIME]
        is_old = is_late(m, slot, due)
        if not is_old and due < since + m[at + WAIT_MS]:
            if m[at + KEYED_AS] < 0:
                m[ring + ((head + kept) & mask)] = slot
                kept += 1
            continue
        if m[at + KEYED_AS] >= 0:
            leave(m, state, slot)
        if is_old:
            if late >= 0:
                release(m, late)
            late = slot
            continue
        has_partner = m[begin + SLOT + m[at + PARTNER] * STEP + COUNT] > 0
        if not has_partner:
            if m[own + COUNT] == 0:
                note_served(m, state, slot)
            m[own + COUNT], m[own + FIRST], m[own + LAST], m[own + CELL] = 1, NEVER, NEVER, NEVER
        if is_and == has_partner:
            m[begin + TIME] = due
            over = set_aside(m, over, slot)
        else:
            release(m, slot)
    if m[at + KEYED_AS] < 0:
        m[at + WAITING] = kept
    if late >= 0:
        if m[at + RENEWED_AT] >= 0:
            begin_again(m, m[at + RENEWED_AT], late)
            settle(m, terms, terms_valid, m[at + RENEWED_AT])
        release(m, late)
    return over


@inlined
def fire(m: WriteInt64, terms: ReadInt64, terms_valid: ReadUInt8, state: int, now: int) -> None:
    """Let the earliest alarm of ``state`` go off."""
    at = WORLD + state * STATE
    due = due_of(m, state)
    m[at + ALARM_HEAD] = (m[at + ALARM_HEAD] + 1) & (m[ALARM_ROOM] - 1)
    m[at + ALARMS] -= 1
    if m[at + IS_OFF] != 0:
        return
    if m[at + KIND] == ABSENT:
        end_wait(m, terms, terms_valid, state, due, now)
    else:
        end_wait_of_pair(m, terms, terms_valid, state, due, now)
