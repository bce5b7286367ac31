"""The loop of ``session`` windows: rows enter the sessions of their keys, sessions that are over leave.

All is in arrays of whole numbers. ``slots`` has ``WIDTH`` fields for each key that has a session: those of the current
session, from ``PREVIOUS`` on those of the one that waits for late rows, and what concerns the key. Rows of a session
are a chain through ``following``. ``counters`` holds what is one number for the whole window. Two heaps hold times at
which sessions may be over (``ends``) or have waited enough (``waits``): a slot says in ``ENDS_BY`` and ``WAITS_BY``
which of its entries counts; when it is due, but the session has got longer, it goes back with the new time.
"""

from __future__ import annotations

from typing import Final

from eiha.engine.jit import ReadInt64, WriteInt64, WriteUInt8, inlined, kernel
from eiha.engine.windows.emission import CURRENT, EXPIRED
from eiha.events.batch import CHUNK_STRIDE

HEAD: Final = 0
TAIL: Final = 1
COUNT: Final = 2
START: Final = 3
END: Final = 4
AT: Final = 5
"""Where the last late row went, counted from the head, -1 none yet: the next one goes one row further."""
BEFORE: Final = 6
"""The row before that place, -1 none."""
PREVIOUS: Final = 8
KEY: Final = 16
"""The id of the key's text; of a free slot the next free one, -1 none."""
HASH: Final = 17
CAME: Final = 18
"""Rises with the keys as they come."""
ENDS_BY: Final = 19
WAITS_BY: Final = 20
WIDTH: Final = 24

FIRED: Final = 0
"""Timers from here on ..."""
PENDING: Final = 1
"""... to here are set and have not fired."""
OPEN: Final = 2
"""Open sessions ..."""
MOST: Final = 3
"""... and the most of them that a timer found."""
LATE: Final = 4
NEXT: Final = 5
"""The number of the next key that comes."""
FREE: Final = 6
"""The first free slot, -1 none."""
USED: Final = 7
"""Slots that were ever used."""
ENDS: Final = 8
"""The length of the heap, as of ..."""
WAITS: Final = 9
"""... this one."""
HELD: Final = 10
LEAVING: Final = 11
"""The first and the last of the rows that leave with this chunk, -1 none."""
LEAVING_LAST: Final = 12
COUNTERS: Final = 13

FAR: Final = 2**62
"""Later than all times."""
_WITHIN_STRIDE: Final = CHUNK_STRIDE - 1  # the stride is a power of two: bits that chunks from outside have not
_TABLE_MIN: Final = 16


@inlined
def _push(times: WriteInt64, places: WriteInt64, size: int, time: int, place: int) -> int:
    """Put an entry into a heap of ``size``; the size after that."""
    child = size
    while child > 0:
        parent = (child - 1) >> 1
        if times[parent] <= time:
            break
        times[child] = times[parent]
        places[child] = places[parent]
        child = parent
    times[child] = time
    places[child] = place
    return size + 1


@inlined
def _drop_first(times: WriteInt64, places: WriteInt64, size: int) -> int:
    """Take the first entry out of a heap of ``size``; the size after that."""
    size -= 1
    time = times[size]
    place = places[size]
    parent = 0
    while 2 * parent + 1 < size:
        child = 2 * parent + 1
        if child + 1 < size and times[child + 1] < times[child]:
            child += 1
        if times[child] >= time:
            break
        times[parent] = times[child]
        places[parent] = places[child]
        parent = child
    times[parent] = time
    places[parent] = place
    return size


@inlined
def _is_before(slots: ReadInt64, block: int, bins: int, left: int, right: int) -> bool:
    """Whether the session of the slot ``left`` leaves before that of ``right``: by ends, then as a hash map lists."""
    first = left * WIDTH
    second = right * WIDTH
    if slots[first + block + END] != slots[second + block + END]:
        return bool(slots[first + block + END] < slots[second + block + END])
    if slots[first + HASH] & bins != slots[second + HASH] & bins:
        return bool(slots[first + HASH] & bins < slots[second + HASH] & bins)
    if slots[first + HASH] != slots[second + HASH]:
        return bool(slots[first + HASH] < slots[second + HASH])
    return bool(slots[first + CAME] < slots[second + CAME])


@inlined
def _sink(slots: ReadInt64, block: int, bins: int, due: WriteInt64, parent: int, count: int) -> None:
    """Let ``due[parent]`` sink to its place in a heap with the last one on top."""
    slot = due[parent]
    while 2 * parent + 1 < count:
        child = 2 * parent + 1
        if child + 1 < count and _is_before(slots, block, bins, due[child], due[child + 1]):
            child += 1
        if not _is_before(slots, block, bins, slot, due[child]):
            break
        due[parent] = due[child]
        parent = child
    due[parent] = slot


@inlined
def _find_due(
    slots: WriteInt64, times: WriteInt64, places: WriteInt64, size: int, timer_ms: int, block: int, by: int,
    latency_ms: int, most: int, due: WriteInt64,
) -> tuple[int, int]:  # fmt: skip
    """The slots whose sessions are over, in the order in which they leave; their number, and the size of the heap."""
    count = 0
    while size > 0 and times[0] <= timer_ms:
        time = times[0]
        slot = places[0]
        size = _drop_first(times, places, size)
        base = slot * WIDTH
        if slots[base + by] != time:
            continue
        slots[base + by] = FAR
        if slots[base + block + COUNT] == 0:
            continue
        over = slots[base + block + END] + latency_ms
        if over <= timer_ms:
            due[count] = slot
            count += 1
        else:
            size = _push(times, places, size, over, slot)
            slots[base + by] = over
    if count > 1:
        table = _TABLE_MIN
        while 4 * most > 3 * table:
            table *= 2
        for parent in range(count // 2 - 1, -1, -1):
            _sink(slots, block, table - 1, due, parent, count)
        for last in range(count - 1, 0, -1):
            slot = due[last]
            due[last] = due[0]
            due[0] = slot
            _sink(slots, block, table - 1, due, 0, last)
    return count, size


@inlined
def _set_timer(timers: WriteInt64, counters: WriteInt64, time: int) -> None:
    """Set a timer behind the others, unless it is the same as the last one."""
    pending = counters[PENDING]
    if pending > counters[FIRED] and timers[pending - 1] == time:
        return
    timers[pending] = time
    counters[PENDING] = pending + 1


@inlined
def _append_chain(slots: WriteInt64, base: int, following: WriteInt64, head: int, tail: int, count: int) -> None:
    """Put a chain of rows behind those of the session whose fields begin at ``base``."""
    if slots[base + COUNT] == 0:
        slots[base + HEAD] = head
    else:
        following[slots[base + TAIL]] = head
    slots[base + TAIL] = tail
    slots[base + COUNT] += count


@inlined
def _insert_late(slots: WriteInt64, base: int, following: WriteInt64, head: int, tail: int, count: int) -> None:
    """Put a chain of late rows to where late rows of the current session go."""
    before = slots[base + BEFORE]
    if slots[base + AT] + 1 < slots[base + COUNT]:
        slots[base + AT] += 1
        if slots[base + AT] > 0:
            before = slots[base + HEAD] if before < 0 else following[before]
    if before < 0:
        following[tail] = slots[base + HEAD]
        slots[base + HEAD] = head
    else:
        following[tail] = following[before]
        following[before] = head
        if slots[base + TAIL] == before:
            slots[base + TAIL] = tail
    slots[base + AT] += count
    slots[base + BEFORE] = tail
    slots[base + COUNT] += count


@inlined
def _empty(slots: WriteInt64, base: int) -> None:
    """Forget the rows of the session whose fields begin at ``base``."""
    slots[base + COUNT] = 0
    slots[base + AT] = -1
    slots[base + BEFORE] = -1


@inlined
def _free(slots: WriteInt64, slot: int, slot_of: WriteInt64, counters: WriteInt64) -> None:
    """Forget a key."""
    slot_of[slots[slot * WIDTH + KEY]] = 0
    slots[slot * WIDTH + KEY] = counters[FREE]
    counters[FREE] = slot


@inlined
def _new_slot(slots: WriteInt64, key: int, hash_: int, slot_of: WriteInt64, counters: WriteInt64) -> int:
    """A slot for a key that has none."""
    slot = int(counters[FREE])
    if slot < 0:
        slot = int(counters[USED])
        counters[USED] += 1
        slots[slot * WIDTH + ENDS_BY] = FAR
        slots[slot * WIDTH + WAITS_BY] = FAR
    else:
        counters[FREE] = slots[slot * WIDTH + KEY]
    base = slot * WIDTH
    _empty(slots, base)
    _empty(slots, base + PREVIOUS)
    slots[base + KEY] = key
    slots[base + HASH] = hash_
    slots[base + CAME] = counters[NEXT]
    counters[NEXT] += 1
    slot_of[key] = slot + 1
    return slot


@inlined
def _move_to_previous(slots: WriteInt64, base: int, following: WriteInt64) -> None:
    """Let the current session wait, behind rows that wait already."""
    _append_chain(slots, base + PREVIOUS, following, slots[base + HEAD], slots[base + TAIL], slots[base + COUNT])
    slots[base + PREVIOUS + START] = slots[base + START]
    slots[base + PREVIOUS + END] = slots[base + END]
    _empty(slots, base)


@inlined
def _wait_by(
    slots: WriteInt64, slot: int, time: int, wait_times: WriteInt64, wait_places: WriteInt64, counters: WriteInt64
) -> None:
    """Look at ``time`` whether the previous session of ``slot`` has waited enough."""
    if time < slots[slot * WIDTH + WAITS_BY]:
        slots[slot * WIDTH + WAITS_BY] = time
        counters[WAITS] = _push(wait_times, wait_places, counters[WAITS], time, slot)


@inlined
def _merge(slots: WriteInt64, base: int, following: WriteInt64, gap_ms: int) -> None:
    """Make one of two sessions that touch."""
    previous = base + PREVIOUS
    if slots[previous + COUNT] > 0 and slots[previous + END] >= slots[base + START] - gap_ms:
        slots[base + START] = slots[previous + START]
        _insert_late(slots, base, following, slots[previous + HEAD], slots[previous + TAIL], slots[previous + COUNT])
        _empty(slots, previous)


@inlined
def _enter_late(
    slots: WriteInt64, slot: int, following: WriteInt64, position: int, time_ms: int, gap_ms: int, latency_ms: int,
    wait_times: WriteInt64, wait_places: WriteInt64, counters: WriteInt64,
) -> bool:  # fmt: skip
    """Let a row from before the current session enter it or the previous one; False if it is too late."""
    base = slot * WIDTH
    previous = base + PREVIOUS
    if time_ms >= slots[base + START] - gap_ms:
        _insert_late(slots, base, following, position, position, 1)
        slots[base + START] = time_ms
        counters[HELD] += 1
        if latency_ms > 0:
            _merge(slots, base, following, gap_ms)
        return True
    if latency_ms == 0 or slots[previous + COUNT] == 0 or time_ms < slots[previous + START] - gap_ms:
        counters[LATE] += 1
        return False
    _append_chain(slots, previous, following, position, position, 1)
    counters[HELD] += 1
    if time_ms <= slots[previous + END] - gap_ms and time_ms < slots[previous + START]:
        slots[previous + START] = time_ms
    else:
        slots[previous + END] = time_ms + gap_ms
        _wait_by(slots, slot, time_ms + gap_ms + latency_ms, wait_times, wait_places, counters)
        _merge(slots, base, following, gap_ms)
    return True


@inlined
def _enter(
    slots: WriteInt64, slot: int, following: WriteInt64, position: int, time_ms: int, gap_ms: int, latency_ms: int,
    timers: WriteInt64, end_times: WriteInt64, end_places: WriteInt64, wait_times: WriteInt64,
    wait_places: WriteInt64, counters: WriteInt64,
) -> bool:  # fmt: skip
    """Let a row enter its session; the rows that leave by it are chained behind ``LEAVING``. Whether it comes out."""
    base = slot * WIDTH
    following[position] = -1
    if slots[base + COUNT] == 0:
        counters[OPEN] += 1
        slots[base + START] = time_ms
    elif time_ms < slots[base + START]:
        return _enter_late(
            slots, slot, following, position, time_ms, gap_ms, latency_ms, wait_times, wait_places, counters
        )
    elif time_ms > slots[base + END]:
        if latency_ms == 0:
            return True  # a row from the future: the session that it would end is still open by the clock
        previous = base + PREVIOUS
        if slots[previous + COUNT] > 0:
            if counters[LEAVING] < 0:
                counters[LEAVING] = slots[previous + HEAD]
            else:
                following[counters[LEAVING_LAST]] = slots[previous + HEAD]
            counters[LEAVING_LAST] = slots[previous + TAIL]
            following[slots[previous + TAIL]] = -1
            counters[HELD] -= slots[previous + COUNT]
            _empty(slots, previous)
        _move_to_previous(slots, base, following)
        alive_ms = slots[previous + END] + latency_ms
        _set_timer(timers, counters, alive_ms)
        _wait_by(slots, slot, alive_ms, wait_times, wait_places, counters)
        slots[base + START] = time_ms
    _append_chain(slots, base, following, position, position, 1)
    counters[HELD] += 1
    end_ms = time_ms + gap_ms
    slots[base + END] = end_ms
    _set_timer(timers, counters, end_ms)
    if end_ms < slots[base + ENDS_BY]:
        slots[base + ENDS_BY] = end_ms
        counters[ENDS] = _push(end_times, end_places, counters[ENDS], end_ms, slot)
    return True


@inlined
def _put_out(
    following: ReadInt64, row: int, count: int, timestamps: ReadInt64, number: int, out: int,
    out_positions: WriteInt64, out_kinds: WriteUInt8, out_timestamps: WriteInt64, out_chunks: WriteInt64,
) -> int:  # fmt: skip
    """Put out a chain of ``count`` rows that leave; rows put out so far."""
    for _ in range(count):
        out_positions[out] = row
        out_kinds[out] = EXPIRED
        out_timestamps[out] = timestamps[row]
        out_chunks[out] = number
        out += 1
        row = following[row]
    return out


@inlined
def _let_leave(
    slots: WriteInt64, slot_of: WriteInt64, following: WriteInt64, timer_ms: int, latency_ms: int, timers: WriteInt64,
    end_times: WriteInt64, end_places: WriteInt64, wait_times: WriteInt64, wait_places: WriteInt64, due: WriteInt64,
    counters: WriteInt64, timestamps: ReadInt64, number: int, out: int, out_positions: WriteInt64,
    out_kinds: WriteUInt8, out_timestamps: WriteInt64, out_chunks: WriteInt64,
) -> int:  # fmt: skip
    """Let the sessions leave that are over by ``timer_ms``, as chunk ``number``; rows put out so far."""
    counters[MOST] = max(counters[MOST], counters[OPEN])
    if counters[ENDS] > 0 and end_times[0] <= timer_ms:
        count, counters[ENDS] = _find_due(
            slots, end_times, end_places, counters[ENDS], timer_ms, 0, ENDS_BY, 0, counters[MOST], due
        )
        for place in range(count):
            slot = due[place]
            base = slot * WIDTH
            counters[OPEN] -= 1
            if latency_ms > 0:
                _move_to_previous(slots, base, following)
                alive_ms = slots[base + PREVIOUS + END] + latency_ms
                _set_timer(timers, counters, alive_ms)
                _wait_by(slots, slot, alive_ms, wait_times, wait_places, counters)
            else:
                out = _put_out(
                    following, slots[base + HEAD], slots[base + COUNT], timestamps, number,
                    out, out_positions, out_kinds, out_timestamps, out_chunks,
                )  # fmt: skip
                counters[HELD] -= slots[base + COUNT]
                _empty(slots, base)
                _free(slots, slot, slot_of, counters)
    if counters[WAITS] > 0 and wait_times[0] <= timer_ms:
        count, counters[WAITS] = _find_due(
            slots, wait_times, wait_places, counters[WAITS], timer_ms, PREVIOUS, WAITS_BY, latency_ms, counters[MOST],
            due,
        )  # fmt: skip
        for place in range(count):
            slot = due[place]
            base = slot * WIDTH
            out = _put_out(
                following, slots[base + PREVIOUS + HEAD], slots[base + PREVIOUS + COUNT], timestamps, number,
                out, out_positions, out_kinds, out_timestamps, out_chunks,
            )  # fmt: skip
            counters[HELD] -= slots[base + PREVIOUS + COUNT]
            _empty(slots, base + PREVIOUS)
            if slots[base + COUNT] == 0:
                _free(slots, slot, slot_of, counters)
    return out


@inlined
def _fire_until(
    slots: WriteInt64, slot_of: WriteInt64, following: WriteInt64, now_ms: int, number: int, number_max: int,
    latency_ms: int, timers: WriteInt64, end_times: WriteInt64, end_places: WriteInt64, wait_times: WriteInt64,
    wait_places: WriteInt64, due: WriteInt64, counters: WriteInt64, timestamps: ReadInt64, out: int,
    out_positions: WriteInt64, out_kinds: WriteUInt8, out_timestamps: WriteInt64, out_chunks: WriteInt64,
) -> int:  # fmt: skip
    """Let the timers due by ``now_ms`` fire, each a chunk numbered above ``number``; rows put out so far."""
    while counters[FIRED] < counters[PENDING] and timers[counters[FIRED]] <= now_ms:
        timer_ms = timers[counters[FIRED]]
        counters[FIRED] += 1
        before = out
        out = _let_leave(
            slots, slot_of, following, timer_ms, latency_ms, timers, end_times, end_places, wait_times, wait_places,
            due, counters, timestamps, min(number + 1, number_max),
            out, out_positions, out_kinds, out_timestamps, out_chunks,
        )  # fmt: skip
        if out > before:
            number = min(number + 1, number_max)
    return out


@kernel
def fire_first(
    slots: WriteInt64, slot_of: WriteInt64, following: WriteInt64, latency_ms: int, timers: WriteInt64,
    end_times: WriteInt64, end_places: WriteInt64, wait_times: WriteInt64, wait_places: WriteInt64, due: WriteInt64,
    counters: WriteInt64, timestamps: ReadInt64, number: int, out_positions: WriteInt64, out_kinds: WriteUInt8,
    out_timestamps: WriteInt64, out_chunks: WriteInt64,
) -> int:  # fmt: skip
    """Let the first timer fire; rows put out."""
    counters[FIRED] += 1
    return _let_leave(
        slots, slot_of, following, timers[counters[FIRED] - 1], latency_ms, timers, end_times, end_places, wait_times,
        wait_places, due, counters, timestamps, number,
        0, out_positions, out_kinds, out_timestamps, out_chunks,
    )  # fmt: skip


@kernel
def run_sessions(
    slots: WriteInt64, slot_of: WriteInt64, following: WriteInt64, gap_ms: int, latency_ms: int, timers: WriteInt64,
    end_times: WriteInt64, end_places: WriteInt64, wait_times: WriteInt64, wait_places: WriteInt64, due: WriteInt64,
    counters: WriteInt64, timestamps: ReadInt64, first: int, keys: ReadInt64, hashes: ReadInt64, now_ms: ReadInt64,
    chunks: ReadInt64, ticks_ms: ReadInt64, out_positions: WriteInt64, out_kinds: WriteUInt8,
    out_timestamps: WriteInt64, out_chunks: WriteInt64,
) -> int:  # fmt: skip
    """Rows put out. ``keys``: the ids of the new rows' keys, the first of which is at ``first``; ``hashes`` by id."""
    out = 0
    last = -CHUNK_STRIDE
    tick = 0
    rows = len(now_ms)
    for index in range(rows + 1):
        chunk = chunks[index] if index < rows else FAR
        is_first = index == rows or index == 0 or chunk != chunks[index - 1]
        if is_first:
            count = 0
            row = counters[LEAVING]
            while row >= 0:
                count += 1
                row = following[row]
            out = _put_out(
                following, counters[LEAVING], count, timestamps, last,
                out, out_positions, out_kinds, out_timestamps, out_chunks,
            )  # fmt: skip
            counters[LEAVING] = -1
            while tick < len(ticks_ms) and tick * CHUNK_STRIDE <= chunk:
                if counters[FIRED] < counters[PENDING] and timers[counters[FIRED]] <= ticks_ms[tick]:
                    out = _fire_until(
                        slots, slot_of, following, ticks_ms[tick], max((tick - 1) * CHUNK_STRIDE, last),
                        tick * CHUNK_STRIDE - 1, latency_ms, timers, end_times, end_places, wait_times, wait_places,
                        due, counters, timestamps, out, out_positions, out_kinds, out_timestamps, out_chunks,
                    )  # fmt: skip
                tick += 1
        if index == rows:
            break
        if is_first and chunk & _WITHIN_STRIDE == 0:
            now = now_ms[index]
            if counters[FIRED] < counters[PENDING] and timers[counters[FIRED]] <= now:
                out = _fire_until(
                    slots, slot_of, following, now, max(chunk - CHUNK_STRIDE, last), chunk - 1, latency_ms, timers,
                    end_times, end_places, wait_times, wait_places, due, counters, timestamps,
                    out, out_positions, out_kinds, out_timestamps, out_chunks,
                )  # fmt: skip
        position = first + index
        key = keys[index]
        slot = slot_of[key] - 1
        if slot < 0:
            slot = _new_slot(slots, key, hashes[key], slot_of, counters)
        if _enter(
            slots, slot, following, position, timestamps[position], gap_ms, latency_ms, timers, end_times, end_places,
            wait_times, wait_places, counters,
        ):  # fmt: skip
            out_positions[out] = position
            out_kinds[out] = CURRENT
            out_timestamps[out] = timestamps[position]
            out_chunks[out] = chunk
            out += 1
        last = chunk
    return out


@kernel
def list_rows(
    slots: ReadInt64, listed: ReadInt64, following: ReadInt64, block: int, other: int, positions: WriteInt64
) -> int:
    """Write the rows of the slots ``listed``: of each the session whose fields begin at ``block``, then ``other``."""
    count = 0
    for place in range(len(listed)):
        base = listed[place] * WIDTH
        for number in range(2):
            fields = base + (block if number == 0 else other)
            row = slots[fields + HEAD]
            for _ in range(slots[fields + COUNT]):
                positions[count] = row
                count += 1
                row = following[row]
    return count
