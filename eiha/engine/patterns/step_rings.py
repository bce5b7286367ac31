"""Of the compiled machine: how matches begin, wait, move from state to state and are forgotten.

The functions are those of ``machine`` under the same names, over arrays; ``step_layout`` says where things lie. What
waits at a keyed state is in buckets, too, by the term that arriving events must equal; there, who leaves makes a hole.
"""

from __future__ import annotations

from eiha.engine.jit import ReadInt64, ReadUInt8, WriteInt64, inlined

# isort: off
from eiha.engine.patterns.step_layout import (
    ABSENT, AGAIN, ALARMS, ALARM_HEAD, ALARM_RINGS, ALARM_ROOM, BEFORE, BEGUN, BUCKET, BUCKETS, BY_TIME,
    CAN_BE_SERVED, CAPACITY, CELL, COUNT, COUNTED, EARLIEST, FIRST, FOLLOWER, FOUND, FREE, FREE_LIST, FRESH,
    FRESH_HEAD, FRESH_LAST, FRESH_NEWEST, FRESH_OLDEST, FRESH_RISES, HOLES, IS_AND, IS_LAST, IS_OFF, IS_SEQUENCE,
    KEYED_AS, KEY_INDEX, KEY_SOURCE, KEY_TERM, KIND, LAPSED, LAST, LATEST, LEAST, LINK, LINKS, MATCHES, NEVER, NEWEST,
    NEXT, OLDEST, PAIRED_ABSENT, PARTNER, PLACE, REFERENCES, RENEW, REPEATS, RING, RINGS, SLOT, SLOTS, STARTS, STATE,
    STATES, STEP, STRIDE, TERMS, TIME, WAITING, WAIT_HEAD, WAIT_MS, WAIT_RISES, WAIT_UNTIL, WORLD,
)  # fmt: skip

# isort: on


@inlined
def push(m: WriteInt64, state: int, slot: int) -> None:
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
def release(m: WriteInt64, slot: int) -> None:
    """``slot`` left a ring; free if it was the last one."""
    begin = m[SLOTS] + slot * m[STRIDE]
    m[begin + REFERENCES] -= 1
    if m[begin + REFERENCES] == 0:
        m[m[FREE_LIST] + m[FREE]] = slot
        m[FREE] += 1


@inlined
def emit(m: WriteInt64, slot: int) -> None:
    """Note a complete match: its time, room for a chunk number, and its steps."""
    begin = m[SLOTS] + slot * m[STRIDE]
    at = m[FOUND] * (m[STRIDE] - SLOT + 2)
    m[m[MATCHES] + at] = m[begin + TIME]
    for each in range(m[STRIDE] - SLOT):
        m[m[MATCHES] + at + 2 + each] = m[begin + SLOT + each]
    m[FOUND] += 1


@inlined
def set_alarm(m: WriteInt64, state: int, due: int) -> None:
    """The absent step ``state`` looks at its matches at ``due``; alarms rise, each moment once."""
    at, room = WORLD + state * STATE, m[ALARM_ROOM]
    ring, head, place = m[ALARM_RINGS] + state * room, m[at + ALARM_HEAD], m[at + ALARMS]
    while place > 0 and m[ring + ((head + place - 1) & (room - 1))] > due:
        place -= 1
    if place > 0 and m[ring + ((head + place - 1) & (room - 1))] == due:
        return
    for each in range(m[at + ALARMS], place, -1):
        m[ring + ((head + each) & (room - 1))] = m[ring + ((head + each - 1) & (room - 1))]
    m[ring + ((head + place) & (room - 1))] = due
    m[at + ALARMS] += 1


@inlined
def begin_again(m: WriteInt64, position: int, before: int) -> None:
    """A new match waits at ``position``, with what ``before`` took earlier."""
    m[FREE] -= 1
    slot = m[m[FREE_LIST] + m[FREE]]
    at = WORLD + position * STATE
    stride, states, partner = m[STRIDE], m[STATES], m[at + PARTNER]
    begin, source = m[SLOTS] + slot * stride, m[SLOTS] + before * stride
    for each in range(stride):
        m[begin + each] = m[source + each]
    m[begin + REFERENCES] = 0
    m[begin + LAPSED] = 0
    own = begin + SLOT + position * STEP
    if m[at + KIND] == PAIRED_ABSENT:
        if m[own + COUNT] > 0:
            m[begin + TIME] = m[own + CELL]
        m[own + COUNT] = 0
    else:
        for each in range(position, states):
            m[begin + SLOT + each * STEP + COUNT] = 0
    if partner >= 0:
        m[begin + SLOT + partner * STEP + COUNT] = 0
    if m[at + STARTS] != 0:
        m[begin + OLDEST], m[begin + NEWEST] = LATEST, EARLIEST
    push(m, position, slot)
    if partner >= 0:
        push(m, partner, slot)
    if m[at + KIND] == ABSENT:
        m[at + WAIT_UNTIL] = m[begin + TIME] + m[at + WAIT_MS]
        set_alarm(m, position, m[at + WAIT_UNTIL])


@inlined
def hand_to_pair(m: WriteInt64, state: int, slot: int) -> None:
    """``slot`` waits at both steps of a pair, of which ``state`` leads."""
    at, partner, time = WORLD + state * STATE, m[WORLD + state * STATE + PARTNER], m[m[SLOTS] + slot * m[STRIDE] + TIME]
    guarded = m[IS_SEQUENCE] != 0 or m[at + STARTS] != 0
    if not (guarded and m[at + FRESH] > 0):
        push(m, state, slot)
    if not (guarded and m[WORLD + partner * STATE + FRESH] > 0):
        push(m, partner, slot)
    if m[at + KIND] == PAIRED_ABSENT and m[at + STARTS] == 0:
        if m[at + WAIT_MS] >= 0:
            set_alarm(m, state, time + m[at + WAIT_MS])
        if m[WORLD + partner * STATE + WAIT_MS] >= 0:
            set_alarm(m, partner, time + m[WORLD + partner * STATE + WAIT_MS])


@inlined
def hand_on(m: WriteInt64, position: int, slot: int) -> None:
    """``slot`` waits at ``position`` and, past steps that need no event, at those behind it."""
    is_sequence = m[IS_SEQUENCE] != 0
    passed, state = 0, position
    while state >= 0:
        at = WORLD + state * STATE
        if m[at + PARTNER] >= 0:
            if m[at + IS_OFF] == 0 or m[at + KIND] != PAIRED_ABSENT:
                hand_to_pair(m, state, slot)
            break
        if m[at + KIND] == ABSENT:
            if m[at + IS_OFF] != 0:
                break
            if is_sequence:
                for each in range(m[at + FRESH]):
                    fresh = m[RINGS] + (2 * state + 1) * m[RING] + ((m[at + FRESH_HEAD] + each) & (m[RING] - 1))
                    release(m, m[fresh])
                m[at + FRESH], m[at + FRESH_HEAD] = 0, 0
            push(m, state, slot)
            if m[at + STARTS] == 0:
                m[at + WAIT_UNTIL] = m[m[SLOTS] + slot * m[STRIDE] + TIME] + m[at + WAIT_MS]
                set_alarm(m, state, m[at + WAIT_UNTIL])
            break
        if not (is_sequence and m[at + FRESH] > 0):
            push(m, state, slot)
        if m[at + LEAST] > 0 or m[m[SLOTS] + slot * m[STRIDE] + SLOT + state * STEP + COUNT] > 0:
            break
        if m[at + IS_LAST] != 0:
            emit(m, slot)
        passed += 1
        state = m[at + FOLLOWER]
    while passed > 0:
        passed -= 1
        state = position
        for _ in range(passed):
            state = m[WORLD + state * STATE + FOLLOWER]
        anew = m[WORLD + state * STATE + AGAIN]
        if anew >= 0:
            begin_again(m, anew, slot)


@inlined
def take_new(m: WriteInt64) -> int:
    """A slot without events, held once."""
    m[FREE] -= 1
    slot = m[m[FREE_LIST] + m[FREE]]
    begin = m[SLOTS] + slot * m[STRIDE]
    m[begin + REFERENCES], m[begin + TIME], m[begin + LAPSED] = 1, NEVER, 0
    m[begin + OLDEST], m[begin + NEWEST] = LATEST, EARLIEST
    for each in range(m[STATES]):
        m[begin + SLOT + each * STEP + COUNT] = 0
    return int(slot)


@inlined
def begin_at(m: WriteInt64, state: int) -> None:
    """A new match where one may begin: the first ever, or any that ``every`` allows."""
    at = WORLD + state * STATE
    if m[at + STARTS] == 0 or (m[at + REPEATS] == 0 and m[at + BEGUN] != 0):
        return
    slot = take_new(m)
    hand_on(m, state, slot)
    m[at + BEGUN] = 1
    release(m, slot)


# --- keyed states


@inlined
def was_served(m: WriteInt64, state: int, slot: int) -> bool:
    """Whether the match got on by another way: past a counted step, or by the other of a pair."""
    steps, partner = m[SLOTS] + slot * m[STRIDE] + SLOT, m[WORLD + state * STATE + PARTNER]
    if m[WORLD + state * STATE + KIND] == COUNTED:
        found = False
        for each in range(state + 1, min(state + 3, m[STATES])):
            found = found or m[steps + each * STEP + COUNT] > 0
        return found
    return bool(partner >= 0 and m[WORLD + state * STATE + IS_AND] == 0 and m[steps + partner * STEP + COUNT] > 0)


@inlined
def bucket_of(m: WriteInt64, key: int) -> int:
    """The bucket of a key: folded to 31 bits, times an odd 31-bit number, never overflows 63 bits."""
    folded = (key ^ (key >> 31) ^ (key >> 62)) & 0x7FFFFFFF
    return int(((folded * 0x5BD1E995) >> 13) & (m[CAPACITY] - 1))


@inlined
def bucket_at(m: WriteInt64, state: int, bucket: int) -> int:
    """Where the first and last slot of a bucket stand."""
    return int(m[BUCKETS] + 2 * (m[WORLD + state * STATE + KEYED_AS] * (m[CAPACITY] + 1) + bucket))


@inlined
def link_at(m: WriteInt64, state: int, slot: int) -> int:
    """Where the links of a slot at a keyed state stand."""
    return int(m[LINKS] + (m[WORLD + state * STATE + KEYED_AS] * m[CAPACITY] + slot) * LINK)


@inlined
def link(m: WriteInt64, state: int, slot: int, bucket: int) -> None:
    """Put ``slot`` behind the others of a bucket."""
    at, own = bucket_at(m, state, bucket), link_at(m, state, slot)
    last = m[at + 1]
    m[own + BUCKET], m[own + BEFORE], m[own + NEXT] = bucket, last, 0
    if last == 0:
        m[at] = slot + 1
    else:
        m[link_at(m, state, last - 1) + NEXT] = slot + 1
    m[at + 1] = slot + 1


@inlined
def unlink(m: WriteInt64, state: int, slot: int) -> None:
    """Take ``slot`` out of its bucket, if it is in one."""
    own = link_at(m, state, slot)
    bucket, before, behind = m[own + BUCKET], m[own + BEFORE], m[own + NEXT]
    if bucket < 0:
        return
    at = bucket_at(m, state, bucket)
    if before == 0:
        m[at] = behind
    else:
        m[link_at(m, state, before - 1) + NEXT] = behind
    if behind == 0:
        m[at + 1] = before
    else:
        m[link_at(m, state, behind - 1) + BEFORE] = before
    m[own + BUCKET] = -1


@inlined
def enter(m: WriteInt64, terms: ReadInt64, terms_valid: ReadUInt8, state: int, slot: int, place: int) -> None:
    """``slot`` waits at the keyed ``state``, at ``place`` of its ring: link it by its key."""
    at = WORLD + state * STATE
    own = link_at(m, state, slot)
    m[own + PLACE], m[own + BUCKET] = place, -1
    if m[at + CAN_BE_SERVED] != 0 and was_served(m, state, slot):
        link(m, state, slot, m[CAPACITY])
        return
    source = m[SLOTS] + slot * m[STRIDE] + SLOT + m[at + KEY_SOURCE] * STEP
    if m[source + COUNT] == 0:
        return
    event = m[source + FIRST] if m[at + KEY_INDEX] == 0 else m[source + LAST]
    term = event * m[TERMS] + m[at + KEY_TERM]
    if terms_valid[term] != 0:
        link(m, state, slot, bucket_of(m, terms[term]))


@inlined
def leave(m: WriteInt64, state: int, slot: int) -> None:
    """``slot`` does not wait at the keyed ``state`` any more; the caller releases it."""
    at, mask, ring = WORLD + state * STATE, m[RING] - 1, m[RINGS] + 2 * state * m[RING]
    unlink(m, state, slot)
    m[ring + m[link_at(m, state, slot) + PLACE]] = NEVER
    m[link_at(m, state, slot) + PLACE] = NEVER
    m[at + WAITING] -= 1
    m[at + HOLES] += 1
    while m[at + HOLES] > 0 and m[ring + (m[at + WAIT_HEAD] & mask)] == NEVER:
        m[at + WAIT_HEAD] = (m[at + WAIT_HEAD] + 1) & mask
        m[at + HOLES] -= 1


@inlined
def fill_holes(m: WriteInt64, state: int) -> None:
    """Move those that wait at a keyed ``state`` together."""
    at, mask, ring, kept = WORLD + state * STATE, m[RING] - 1, m[RINGS] + 2 * state * m[RING], 0
    head = m[at + WAIT_HEAD]
    for each in range(m[at + WAITING] + m[at + HOLES]):
        slot = m[ring + ((head + each) & mask)]
        if slot != NEVER:
            m[ring + ((head + kept) & mask)] = slot
            m[link_at(m, state, slot) + PLACE] = (head + kept) & mask
            kept += 1
    m[at + HOLES] = 0


@inlined
def note_served(m: WriteInt64, state: int, slot: int) -> None:
    """The match took its first event at ``state``: keyed states that may have been served thereby forget it later."""
    for place in range(3):
        other = m[WORLD + state * STATE + PARTNER] if place == 0 else state - place
        if other < 0:
            continue
        at = WORLD + other * STATE
        serves = m[at + IS_AND] == 0 if place == 0 else m[at + KIND] == COUNTED
        if serves and m[at + KEYED_AS] >= 0 and m[link_at(m, other, slot) + PLACE] != NEVER:
            unlink(m, other, slot)
            link(m, other, slot, m[CAPACITY])


@inlined
def forget_served(m: WriteInt64, state: int) -> None:
    """Forget at a keyed ``state`` those that got on by another way."""
    at = bucket_at(m, state, m[CAPACITY])
    while m[at] != 0:
        slot = m[at] - 1
        leave(m, state, slot)
        release(m, slot)


# --- fresh ones wait


@inlined
def settle_one(m: WriteInt64, terms: ReadInt64, terms_valid: ReadUInt8, state: int) -> None:
    """Fresh matches wait, in order of their times; those without come last."""
    at, ring, stride = WORLD + state * STATE, m[RING], m[STRIDE]
    count, head = m[at + FRESH], m[at + FRESH_HEAD]
    if count == 0:
        return
    if m[at + HOLES] > m[at + WAITING] + 16:
        fill_holes(m, state)
    fresh, mask = (2 * state + 1) * ring, ring - 1
    waiting, end = 2 * state * ring, m[at + WAIT_HEAD] + m[at + WAITING] + m[at + HOLES]
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
    if m[at + BY_TIME] != 0:
        rises = m[at + WAITING] == 0 or m[at + WAIT_RISES] != 0
        latest = EARLIEST
        if m[at + WAITING] > 0:
            latest = m[m[SLOTS] + m[m[RINGS] + waiting + ((end - 1) & mask)] * stride + TIME]
        for each in range(count):
            time = m[m[SLOTS] + m[m[RINGS] + waiting + ((end + each) & mask)] * stride + TIME]
            rises = rises and time >= latest and time != NEVER
            latest = time
        m[at + WAIT_RISES] = rises
    m[at + WAITING] += count
    m[at + FRESH], m[at + FRESH_HEAD] = 0, 0
    if m[at + KEYED_AS] >= 0:
        for each in range(count):
            place = (end + each) & mask
            enter(m, terms, terms_valid, state, m[m[RINGS] + waiting + place], place)


@inlined
def settle(m: WriteInt64, terms: ReadInt64, terms_valid: ReadUInt8, state: int) -> None:
    """Fresh matches of an element wait now; an optional first step begins anew before."""
    if m[WORLD + state * STATE + RENEW] != 0:
        m[WORLD + state * STATE + RENEW] = 0
        begin_at(m, state)
    settle_one(m, terms, terms_valid, state)
    if m[WORLD + state * STATE + PARTNER] >= 0:
        settle_one(m, terms, terms_valid, m[WORLD + state * STATE + PARTNER])


@inlined
def forget(m: WriteInt64, state: int) -> None:
    """Nothing waits at ``state`` of a sequence any more."""
    at, ring = WORLD + state * STATE, m[RING]
    for each in range(m[at + WAITING]):
        release(m, m[m[RINGS] + 2 * state * ring + ((m[at + WAIT_HEAD] + each) & (ring - 1))])
    m[at + WAITING], m[at + WAIT_HEAD] = 0, 0


@inlined
def without(m: WriteInt64, state: int, partner: int, gone: int) -> None:
    """Forget at ``state`` the match ``gone`` or, for -1, those that ``partner`` completed."""
    at, ring = WORLD + state * STATE, m[RING]
    begin, mask, head, kept = m[RINGS] + 2 * state * ring, ring - 1, m[at + WAIT_HEAD], 0
    is_keyed = m[at + KEYED_AS] >= 0
    for each in range(m[at + WAITING] + m[at + HOLES]):
        slot = m[begin + ((head + each) & mask)]
        if slot == NEVER:
            continue
        if slot == gone or (gone < 0 and m[m[SLOTS] + slot * m[STRIDE] + SLOT + partner * STEP + COUNT] > 0):
            if is_keyed:
                leave(m, state, slot)
            release(m, slot)
        elif not is_keyed:
            m[begin + ((head + kept) & mask)] = slot
            kept += 1
    if not is_keyed:
        m[at + WAITING] = kept


@inlined
def interrupt(m: WriteInt64, state: int) -> None:
    """In a sequence: whoever waits at an element has had his event."""
    at = WORLD + state * STATE
    partner, follower = m[at + PARTNER], m[at + FOLLOWER]
    if partner >= 0:
        if m[at + IS_AND] != 0 and m[at + WAITING] != m[WORLD + partner * STATE + WAITING]:
            return
        forget(m, partner)
    forget(m, state)
    if m[at + STARTS] == 0 or (m[at + FRESH] > 0 and m[at + KIND] != ABSENT):
        return
    if m[at + AGAIN] < 0 and follower >= 0 and m[WORLD + follower * STATE + WAITING] > 0:
        return
    begin_at(m, state)
