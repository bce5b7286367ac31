"""The loops of batch windows over all instances: rows go into the chains of their instances, whole chains go out.

What goes out is written as ``KeyedTurns`` says: ``out_slots`` of all rows, by batch end, chunk and instance.
"""

from __future__ import annotations

from typing import Final

from eiha.engine.jit import ReadInt64, WriteInt64, inlined, kernel
from eiha.engine.kernels.spans import chunk_after
from eiha.engine.partitions.slot_rows import append_to_chain
from eiha.events.batch import CHUNK_STRIDE

NO_TIME: Final = -(2**62)
_BEHIND_ALL: Final = 2**62
_WITHIN_STRIDE: Final = CHUNK_STRIDE - 1  # the stride is a power of two: bits that chunks from outside have not


@inlined
def _put_out(
    key: int, chunk: int, batch: int, heads: WriteInt64, counts: WriteInt64, following: WriteInt64,
    out_slots: WriteInt64, ends: WriteInt64, out_chunks: WriteInt64, out_keys: WriteInt64,
) -> int:  # fmt: skip
    """Put out the chain of ``key``, if there is one, as batch number ``batch``; how many batches there are now."""
    if counts[key] == 0:
        return batch
    row = ends[batch - 1] if batch else 0
    slot = heads[key]
    for _ in range(counts[key]):
        out_slots[row] = slot
        row += 1
        slot = following[slot]
    counts[key] = 0
    ends[batch] = row
    out_chunks[batch] = chunk
    out_keys[batch] = key
    return batch + 1


@kernel
def fill_batches(
    keys: ReadInt64, slots: ReadInt64, chunks: ReadInt64, length: int,
    heads: WriteInt64, tails: WriteInt64, counts: WriteInt64, following: WriteInt64,
    out_slots: WriteInt64, ends: WriteInt64, out_chunks: WriteInt64, out_keys: WriteInt64,
) -> int:  # fmt: skip
    """Put out each chain with its row number ``length``; how many batches."""
    batches = 0
    last = -1
    for row in range(len(keys)):
        key = keys[row]
        append_to_chain(key, slots[row], heads, tails, counts, following)
        if counts[key] == length:
            last = chunk_after(chunks[row], last)
            batches = _put_out(key, last, batches, heads, counts, following, out_slots, ends, out_chunks, out_keys)
    return batches


@inlined
def _sift_down(dues: WriteInt64, keys: WriteInt64, count: int) -> None:
    """Bring the first entry of a heap of (due, key) to its place."""
    due, key = dues[0], keys[0]
    place = 0
    while 2 * place + 1 < count:
        child = 2 * place + 1
        other = child + 1
        if other < count and (dues[other], keys[other]) < (dues[child], keys[child]):
            child = other
        if (due, key) <= (dues[child], keys[child]):
            break
        dues[place], keys[place] = dues[child], keys[child]
        place = child
    dues[place], keys[place] = due, key


@inlined
def _push(due: int, key: int, dues: WriteInt64, keys: WriteInt64, count: int) -> int:
    """Add to a heap of (due, key); how many entries there are now."""
    place = count
    while place > 0:
        above = (place - 1) // 2
        if (dues[above], keys[above]) <= (due, key):
            break
        dues[place], keys[place] = dues[above], keys[above]
        place = above
    dues[place], keys[place] = due, key
    return count + 1


@inlined
def _pop(dues: WriteInt64, keys: WriteInt64, count: int) -> int:
    """Take the first entry off a heap; how many are left."""
    count -= 1
    dues[0], keys[0] = dues[count], keys[count]
    if count:
        _sift_down(dues, keys, count)
    return count


@inlined
def _without_old(ends_ms: ReadInt64, dues: WriteInt64, keys: WriteInt64, count: int) -> int:
    """Take entries from the front of the heap that are no ends of periods any more; how many are left."""
    while count > 0 and ends_ms[keys[0]] != dues[0]:
        count = _pop(dues, keys, count)
    return count


@inlined
def _first_end(now: int, length_ms: int, start_ms: int) -> int:
    """The end of the first period; the remainder takes the sign of the dividend, as in Java."""
    if start_ms == NO_TIME:
        return now + length_ms
    since = now - start_ms
    if since >= 0:
        return now + length_ms - since % length_ms
    return now + length_ms + (-since) % length_ms


@inlined
def _fire(
    now: int, chunk: int, chunk_max: int, length_ms: int, ends_ms: WriteInt64,
    dues: WriteInt64, alarm_keys: WriteInt64, alarms: int, batches: int,
    heads: WriteInt64, counts: WriteInt64, following: WriteInt64,
    out_slots: WriteInt64, ends: WriteInt64, out_chunks: WriteInt64, out_keys: WriteInt64,
) -> tuple[int, int, int]:  # fmt: skip
    """End all periods that are over by ``now``, each a chunk numbered above ``chunk``: batches, alarms, last number."""
    while alarms > 0 and dues[0] <= now:
        key = alarm_keys[0]
        chunk = min(chunk + 1, chunk_max)
        batches = _put_out(key, chunk, batches, heads, counts, following, out_slots, ends, out_chunks, out_keys)
        ends_ms[key] += length_ms
        alarms = _without_old(ends_ms, dues, alarm_keys, alarms)
    return batches, alarms, chunk


@kernel
def end_periods(
    keys: ReadInt64, slots: ReadInt64, now_ms: ReadInt64, chunks: ReadInt64, ticks_ms: ReadInt64,
    length_ms: int, start_ms: int, ends_ms: WriteInt64,
    dues: WriteInt64, alarm_keys: WriteInt64, alarms: int,
    heads: WriteInt64, tails: WriteInt64, counts: WriteInt64, following: WriteInt64,
    out_slots: WriteInt64, ends: WriteInt64, out_chunks: WriteInt64, out_keys: WriteInt64,
) -> tuple[int, int]:  # fmt: skip
    """Let rows in, and at the end of each instance's periods out: how many batches, and how many alarms there are."""
    batches = 0
    last = -CHUNK_STRIDE
    tick = 0
    row = 0
    while True:
        chunk = chunks[row] if row < len(keys) else _BEHIND_ALL
        while tick < len(ticks_ms) and tick * CHUNK_STRIDE <= chunk:
            batches, alarms, last = _fire(
                ticks_ms[tick], max((tick - 1) * CHUNK_STRIDE, last), tick * CHUNK_STRIDE - 1, length_ms, ends_ms,
                dues, alarm_keys, alarms, batches, heads, counts, following, out_slots, ends, out_chunks, out_keys,
            )  # fmt: skip
            tick += 1
        if row == len(keys):
            return batches, alarms
        now = now_ms[row]
        if chunk & _WITHIN_STRIDE == 0:
            batches, alarms, last = _fire(
                now, max(chunk - CHUNK_STRIDE, last), chunk - 1, length_ms, ends_ms,
                dues, alarm_keys, alarms, batches, heads, counts, following, out_slots, ends, out_chunks, out_keys,
            )  # fmt: skip
        key = keys[row]
        if counts[key] == 0:  # periods in which nothing is held end unseen
            if ends_ms[key] == NO_TIME:
                ends_ms[key] = _first_end(now, length_ms, start_ms)
            elif ends_ms[key] <= now:
                ends_ms[key] += (now - ends_ms[key]) // length_ms * length_ms + length_ms
            alarms = _push(ends_ms[key], key, dues, alarm_keys, alarms)
        is_over = now >= ends_ms[key]  # a row that a timer caused, before the timer of the period
        while row < len(keys) and chunks[row] == chunk and keys[row] == key:
            append_to_chain(key, slots[row], heads, tails, counts, following)
            row += 1
        if is_over:
            ends_ms[key] += length_ms
            batches = _put_out(key, chunk, batches, heads, counts, following, out_slots, ends, out_chunks, out_keys)
            alarms = _without_old(ends_ms, dues, alarm_keys, alarms)
        last = max(last, chunk)


@kernel
def end_next_period(
    length_ms: int, ends_ms: WriteInt64, dues: WriteInt64, alarm_keys: WriteInt64, alarms: int, chunk: int,
    heads: WriteInt64, counts: WriteInt64, following: WriteInt64,
    out_slots: WriteInt64, ends: WriteInt64, out_chunks: WriteInt64, out_keys: WriteInt64,
) -> int:  # fmt: skip
    """End the period that is over first; how many alarms there are."""
    key = alarm_keys[0]
    _put_out(key, chunk, 0, heads, counts, following, out_slots, ends, out_chunks, out_keys)
    ends_ms[key] += length_ms
    return _without_old(ends_ms, dues, alarm_keys, alarms)


@kernel
def rebuild_alarms(ends_ms: ReadInt64, counts: ReadInt64, dues: WriteInt64, keys: WriteInt64) -> int:
    """Make the heap of the ends of all instances that hold rows; how many there are."""
    count = 0
    for key in range(len(ends_ms)):
        if counts[key] > 0:
            count = _push(ends_ms[key], key, dues, keys, count)
    return count


@inlined
def _external_end(time_ms: int, start_ms: int, length_ms: int) -> int:
    """The end of the period of ``time_ms``; the remainder takes the sign of the dividend, as in Java."""
    since = time_ms - start_ms
    if since >= 0:
        return time_ms + length_ms - since % length_ms
    return time_ms + length_ms + (-since) % length_ms


@kernel
def end_external_periods(
    keys: ReadInt64, slots: ReadInt64, times: ReadInt64, starts: ReadInt64, chunks: ReadInt64,
    length_ms: int, is_aligned: bool, ends_ms: WriteInt64, starts_ms: WriteInt64, highest_ms: WriteInt64,
    heads: WriteInt64, tails: WriteInt64, counts: WriteInt64, following: WriteInt64,
    out_slots: WriteInt64, ends: WriteInt64, out_chunks: WriteInt64, out_keys: WriteInt64,
) -> int:  # fmt: skip
    """Put out the chain of an instance before the first row of a later period; how many batches."""
    batches = 0
    last = -1
    for row in range(len(keys)):
        key, time_ms = keys[row], times[row]
        if ends_ms[key] == NO_TIME:
            starts_ms[key] = starts[row]
            if is_aligned:
                ends_ms[key] = _external_end(time_ms, starts_ms[key], length_ms)
            else:
                ends_ms[key] = starts_ms[key] + length_ms
        highest_ms[key] = max(highest_ms[key], time_ms)
        if time_ms >= ends_ms[key]:
            number = chunk_after(chunks[row], last)
            before = batches
            batches = _put_out(key, number, batches, heads, counts, following, out_slots, ends, out_chunks, out_keys)
            if batches > before:
                last = number
            ends_ms[key] = _external_end(highest_ms[key], starts_ms[key], length_ms)
        append_to_chain(key, slots[row], heads, tails, counts, following)
    return batches
