"""Kernels of the search for partners by key: rows chained by bucket, each to the one before it.

Rows have running numbers; ``words`` and ``prevs`` are rings (length a power of two, ``mask`` one less) in which a row
lies at its number's low bits. ``heads`` (length a power of two) and ``prevs`` hold number + 1 of a bucket's latest row
and of the row before it, 0 where there is none. Rows leave by being below a bound: chains are never taken apart.
"""

from __future__ import annotations

from eiha.engine.jit import ReadBool, ReadInt64, WriteInt64, inlined, kernel


@inlined
def bucket(word: int, mask: int) -> int:
    """Where a key belongs: 31 folded bits times an odd 31-bit number never overflow 63 bits."""
    folded = (word ^ (word >> 31) ^ (word >> 62)) & 0x7FFFFFFF
    return ((folded * 0x5BD1E995) >> 13) & mask


@kernel
def link_and_start(
    first: int,
    stop: int,
    linkable: ReadBool,
    words: ReadInt64,
    heads: WriteInt64,
    prevs: WriteInt64,
    asked: ReadInt64,
    stops: ReadInt64,
    starts: WriteInt64,
) -> int:
    """Chain the rows ``first`` to ``stop``, and write where the search for each of ``asked`` begins; ``stop``.

    ``linkable``, a ring: which rows can have partners at all. ``stops``: for each word asked for, the number
    up to which rows are to be found, never decreasing.
    """
    ring = len(words) - 1
    mask = len(heads) - 1
    number = first
    for index in range(len(asked) + 1):
        until = stops[index] if index < len(asked) else stop
        while number < until:
            if linkable[number & ring]:
                place = bucket(words[number & ring], mask)
                prevs[number & ring] = heads[place]
                heads[place] = number + 1
            number += 1
        if index < len(asked):
            starts[index] = heads[bucket(asked[index], mask)]
    return stop


@kernel
def find_pairs(
    starts: ReadInt64,
    asked: ReadInt64,
    lows: ReadInt64,
    words: ReadInt64,
    prevs: ReadInt64,
    first: int,
    out: int,
    out_asked: WriteInt64,
    out_numbers: WriteInt64,
) -> tuple[int, int]:
    """Write each of ``asked`` from ``first`` on with the numbers of the rows of its word, not below ``lows``, rising.

    Pairs written, ``out`` of which were there before, and the first of ``asked`` for whose partners there was no room.
    """
    ring = len(words) - 1
    room = len(out_asked)
    for index in range(first, len(asked)):
        begin = out
        word = asked[index]
        low = lows[index]
        entry = starts[index]
        while entry > low:
            slot = (entry - 1) & ring
            if words[slot] == word:
                if out == room:
                    return begin, index
                out_asked[out] = index
                out_numbers[out] = entry - 1
                out += 1
            entry = prevs[slot]
        left = begin
        right = out - 1
        while left < right:
            number = out_numbers[left]
            out_numbers[left] = out_numbers[right]
            out_numbers[right] = number
            left += 1
            right -= 1
    return out, len(asked)


@kernel
def number_chunks(causes: ReadInt64, groups: ReadInt64, stride: int, out: WriteInt64) -> int:
    """Number each group of rows as a chunk, behind the one before and within the stride of what caused it.

    ``causes``: the chunk that caused each row, never decreasing. The last number.
    """
    last = -1
    for index in range(len(causes)):
        if index == 0 or groups[index] != groups[index - 1]:
            cause = causes[index]
            ceiling = cause - cause % stride + stride - 1
            last = cause if cause > last else min(last + 1, ceiling)
        out[index] = last
    return last
