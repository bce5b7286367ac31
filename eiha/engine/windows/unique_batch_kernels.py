"""The loops of batches with one row for each key: ``unique:lengthBatch`` and its kin, ``unique:externalTimeBatch``.

The batch that is filling lies in ``ids`` and ``rows``, key by key in the order in which the keys came, as many as
``counters[FILLED]`` says. ``place_of`` has for each id of a key its place there plus 1, 0 if it has none. ``sent``
holds the rows of the batch that was put out last, as many as ``counters[SENT]`` says.
"""

from __future__ import annotations

from typing import Final

from eiha.engine.jit import ReadBool, ReadInt64, WriteInt64, WriteUInt8, inlined, kernel
from eiha.engine.windows.emission import CURRENT, EXPIRED, RESET
from eiha.events.batch import CHUNK_STRIDE

FILLED: Final = 0
SENT: Final = 1
END: Final = 2
"""When the period ends, ``NO_END`` before there is one."""
IS_OVER: Final = 3
"""The batch of this period went out because it was full."""
MOST: Final = 4
"""The most keys that a batch had."""
CLOCK: Final = 5
"""The latest time seen."""
START: Final = 6
"""Where periods by external time begin."""
HIGHEST: Final = 7
"""The highest external time so far."""
COUNTERS: Final = 8

NO_END: Final = -(2**62)
_BEHIND_ALL: Final = 2**62
_WITHIN_STRIDE: Final = CHUNK_STRIDE - 1  # the stride is a power of two: bits that chunks from outside have not
_TABLE_MIN: Final = 16
_SHORT: Final = 64
"""So many keys are sorted by insertion."""
_PLACE_BITS: Final = 32
_PLACES: Final = (1 << _PLACE_BITS) - 1


@inlined
def _sink(numbers: WriteInt64, parent: int, count: int) -> None:
    """Let ``numbers[parent]`` sink to its place in a heap with the greatest on top."""
    number = numbers[parent]
    while 2 * parent + 1 < count:
        child = 2 * parent + 1
        if child + 1 < count and numbers[child + 1] > numbers[child]:
            child += 1
        if numbers[child] <= number:
            break
        numbers[parent] = numbers[child]
        parent = child
    numbers[parent] = number


@inlined
def _sort(numbers: WriteInt64, count: int) -> None:
    """Sort the first ``count`` numbers."""
    if count <= _SHORT:
        for index in range(1, count):
            number = numbers[index]
            place = index
            while place > 0 and numbers[place - 1] > number:
                numbers[place] = numbers[place - 1]
                place -= 1
            numbers[place] = number
        return
    for parent in range(count // 2 - 1, -1, -1):
        _sink(numbers, parent, count)
    for last in range(count - 1, 0, -1):
        number = numbers[last]
        numbers[last] = numbers[0]
        numbers[0] = number
        _sink(numbers, 0, last)


@inlined
def _send(
    ids: ReadInt64, rows: ReadInt64, place_of: WriteInt64, sent: WriteInt64, hashes: ReadInt64, order: WriteInt64,
    counters: WriteInt64, now_ms: int, number: int, out: int, out_positions: WriteInt64, out_kinds: WriteUInt8,
    out_timestamps: WriteInt64, out_chunks: WriteInt64,
) -> tuple[int, int]:  # fmt: skip
    """Put out the batch before, a reset and the batch as a hash map lists it; rows put out so far, the chunk's number.

    The chunk is ``number``, or the next one if there is something before it in this one.
    """
    if out > 0 and out_chunks[out - 1] == number and (number + 1) & _WITHIN_STRIDE != 0:
        number += 1
    for place in range(counters[SENT]):
        out_positions[out] = sent[place]
        out_kinds[out] = EXPIRED
        out_timestamps[out] = now_ms
        out_chunks[out] = number
        out += 1
    count = counters[FILLED]
    counters[MOST] = max(counters[MOST], count)
    table = _TABLE_MIN
    while 4 * counters[MOST] > 3 * table:
        table *= 2
    for place in range(count):
        order[place] = ((hashes[ids[place]] & (table - 1)) << _PLACE_BITS) | place
        place_of[ids[place]] = 0
    _sort(order, count)
    for index in range(-1 if count > 0 else 0, count):
        row = rows[order[max(index, 0)] & _PLACES]
        if index >= 0:
            sent[index] = row
        out_positions[out] = row
        out_kinds[out] = CURRENT if index >= 0 else RESET
        out_timestamps[out] = now_ms
        out_chunks[out] = number
        out += 1
    counters[SENT] = count
    counters[FILLED] = 0
    return out, number


@inlined
def _turn(
    ids: ReadInt64, rows: ReadInt64, place_of: WriteInt64, sent: WriteInt64, hashes: ReadInt64, order: WriteInt64,
    counters: WriteInt64, length_ms: int, playback: bool, now_ms: int, number: int, out: int,
    out_positions: WriteInt64, out_kinds: WriteUInt8, out_timestamps: WriteInt64, out_chunks: WriteInt64,
) -> tuple[int, int]:  # fmt: skip
    """The period ends, as the clock goes to ``now_ms``; rows put out so far, the chunk's number."""
    at_ms = now_ms if playback else max(counters[END], counters[CLOCK])
    counters[CLOCK] = max(counters[CLOCK], at_ms)
    counters[END] += length_ms
    if counters[IS_OVER] != 0:
        counters[IS_OVER] = 0
    else:
        out, number = _send(
            ids, rows, place_of, sent, hashes, order, counters, at_ms, number,
            out, out_positions, out_kinds, out_timestamps, out_chunks,
        )  # fmt: skip
    if counters[FILLED] == 0 and counters[SENT] == 0 and counters[END] <= now_ms:  # periods without rows are skipped
        counters[END] += ((now_ms - counters[END]) // length_ms + 1) * length_ms
    return out, number


@inlined
def _turn_until(
    ids: ReadInt64, rows: ReadInt64, place_of: WriteInt64, sent: WriteInt64, hashes: ReadInt64, order: WriteInt64,
    counters: WriteInt64, length_ms: int, playback: bool, now_ms: int, number: int, number_max: int, out: int,
    out_positions: WriteInt64, out_kinds: WriteUInt8, out_timestamps: WriteInt64, out_chunks: WriteInt64,
) -> int:  # fmt: skip
    """Let the periods end that are over by ``now_ms``, each a chunk numbered above ``number``; rows put out so far."""
    while counters[END] <= now_ms and counters[END] != NO_END:
        before = out
        out, used = _turn(
            ids, rows, place_of, sent, hashes, order, counters, length_ms, playback, now_ms,
            min(number + 1, number_max), out, out_positions, out_kinds, out_timestamps, out_chunks,
        )  # fmt: skip
        if out > before:
            number = used
    return out


@inlined
def _first_end(now_ms: int, length_ms: int, start_ms: int) -> int:
    """When the first period ends; ``start_ms`` ``NO_END``: it begins now."""
    if start_ms == NO_END:
        return now_ms + length_ms
    since = now_ms - start_ms
    return now_ms + length_ms - (since % length_ms if since >= 0 else -(-since % length_ms))


@kernel
def turn_unique_batch(
    ids: ReadInt64, rows: ReadInt64, place_of: WriteInt64, sent: WriteInt64, hashes: ReadInt64, order: WriteInt64,
    counters: WriteInt64, length_ms: int, playback: bool, now_ms: int, number: int, out_positions: WriteInt64,
    out_kinds: WriteUInt8, out_timestamps: WriteInt64, out_chunks: WriteInt64,
) -> int:  # fmt: skip
    """Let the period end; rows put out."""
    out, _ = _turn(
        ids, rows, place_of, sent, hashes, order, counters, length_ms, playback, now_ms, number,
        0, out_positions, out_kinds, out_timestamps, out_chunks,
    )  # fmt: skip
    return out


@kernel
def run_unique_batches(
    ids: WriteInt64, rows: WriteInt64, place_of: WriteInt64, sent: WriteInt64, hashes: ReadInt64, order: WriteInt64,
    counters: WriteInt64, most_keys: int, length_ms: int, start_ms: int, keeps_first: bool, playback: bool,
    first: int, keys: ReadInt64, now_ms: ReadInt64, chunks: ReadInt64, ticks_ms: ReadInt64, out_positions: WriteInt64,
    out_kinds: WriteUInt8, out_timestamps: WriteInt64, out_chunks: WriteInt64,
) -> int:  # fmt: skip
    """Rows put out. ``most_keys``: with so many a batch goes out; ``length_ms`` -1: there are no periods."""
    out = 0
    number = -CHUNK_STRIDE
    tick = 0
    now = NO_END
    is_due = False
    is_passed = False
    for index in range(len(now_ms) + 1):
        chunk = chunks[index] if index < len(now_ms) else _BEHIND_ALL
        if index == 0 or index == len(now_ms) or chunk != chunks[index - 1]:
            if is_due and not is_passed:
                out, number = _send(
                    ids, rows, place_of, sent, hashes, order, counters, now, number,
                    out, out_positions, out_kinds, out_timestamps, out_chunks,
                )  # fmt: skip
            while tick < len(ticks_ms) and tick * CHUNK_STRIDE <= chunk:
                out = _turn_until(
                    ids, rows, place_of, sent, hashes, order, counters, length_ms, playback, ticks_ms[tick],
                    max((tick - 1) * CHUNK_STRIDE, number), tick * CHUNK_STRIDE - 1,
                    out, out_positions, out_kinds, out_timestamps, out_chunks,
                )  # fmt: skip
                tick += 1
            if index == len(now_ms):
                break
            now = now_ms[index]
            if chunk & _WITHIN_STRIDE == 0:
                out = _turn_until(
                    ids, rows, place_of, sent, hashes, order, counters, length_ms, playback, now,
                    max(chunk - CHUNK_STRIDE, number), chunk - 1,
                    out, out_positions, out_kinds, out_timestamps, out_chunks,
                )  # fmt: skip
            number = max(chunk, number)
            counters[CLOCK] = max(counters[CLOCK], now)
            is_due = False
            is_passed = counters[IS_OVER] != 0
            if length_ms >= 0:
                if counters[END] == NO_END:
                    counters[END] = _first_end(now, length_ms, start_ms)
                if now >= counters[END]:
                    counters[END] += length_ms
                    counters[IS_OVER] = 0
                    is_due = not is_passed
        if is_passed:
            continue
        key = keys[index]
        place = place_of[key] - 1
        if place < 0:
            place = counters[FILLED]
            counters[FILLED] += 1
            ids[place] = key
            rows[place] = first + index
            place_of[key] = place + 1
        elif not keeps_first:
            rows[place] = first + index
        if counters[FILLED] == most_keys:
            out, number = _send(
                ids, rows, place_of, sent, hashes, order, counters, now, number,
                out, out_positions, out_kinds, out_timestamps, out_chunks,
            )  # fmt: skip
            if length_ms >= 0:
                counters[IS_OVER] = 1
                is_passed = True
    return out


@inlined
def _end_after(time_ms: int, start_ms: int, length_ms: int) -> int:
    since = time_ms - start_ms
    return time_ms + length_ms - (since % length_ms if since >= 0 else -(-since % length_ms))


@kernel
def run_unique_periods(
    ids: WriteInt64, rows: WriteInt64, place_of: WriteInt64, sent: WriteInt64, counters: WriteInt64, length_ms: int,
    begins_with_row: bool, replaces: bool, first: int, keys: ReadInt64, times: WriteInt64, valid: ReadBool,
    timestamps: ReadInt64, chunks: ReadInt64, out_positions: WriteInt64, out_kinds: WriteUInt8,
    out_timestamps: WriteInt64, out_chunks: WriteInt64,
) -> int:  # fmt: skip
    """Rows put out, of periods by the external ``times`` of rows. ``valid`` tells of the new rows which have one."""
    out = 0
    number = -CHUNK_STRIDE
    for index in range(len(chunks)):
        position = first + index
        if index == 0 or chunks[index] != chunks[index - 1]:
            number = max(number, chunks[index])
        if not valid[index]:
            continue
        time = times[position]
        if counters[END] == NO_END:
            if begins_with_row:
                counters[START] = time
            counters[END] = _end_after(time, counters[START], length_ms)
        counters[HIGHEST] = max(counters[HIGHEST], time)
        if time >= counters[END]:
            if out > 0 and out_chunks[out - 1] == number and (number + 1) & _WITHIN_STRIDE != 0:
                number += 1
            for place in range(counters[SENT]):
                out_positions[out] = sent[place]
                out_kinds[out] = EXPIRED
                out_timestamps[out] = counters[HIGHEST]
                out_chunks[out] = number
                out += 1
            count = counters[FILLED]
            for place in range(-1 if count > 0 else 0, count):
                row = rows[max(place, 0)]
                out_positions[out] = row
                out_kinds[out] = CURRENT if place >= 0 else RESET
                out_timestamps[out] = timestamps[row] if place >= 0 else counters[HIGHEST]
                out_chunks[out] = number
                out += 1
                if place >= 0:
                    sent[place] = row
                    place_of[ids[place]] = 0
            counters[SENT] = count
            counters[FILLED] = 0
            counters[END] = _end_after(counters[HIGHEST], counters[START], length_ms)
        place = place_of[keys[index]] - 1
        if place < 0:
            place = counters[FILLED]
            counters[FILLED] += 1
            ids[place] = keys[index]
            place_of[keys[index]] = place + 1
        rows[place] = position
        if replaces:
            times[position] = counters[END]
    return out
