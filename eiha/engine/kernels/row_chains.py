"""Rows found by key: buckets of chained rows, each row's key as ``width`` words of 64 bits.

``stored`` holds the words of row r at ``r * width``; ``heads`` and ``tails`` (length a power of two) hold row + 1 of a
bucket's first and last row, 0 where it is empty; ``nexts`` and ``prevs`` hold row + 1 of a row's neighbours. Rows are
linked at the end, so a chain is in order of linking.
"""

from __future__ import annotations

from eiha.engine.jit import ReadBool, ReadInt64, WriteBool, WriteInt64, inlined, kernel


@inlined
def bucket(words: ReadInt64, start: int, width: int, mask: int) -> int:
    """Where a key belongs: each word folded to 31 bits, times an odd 31-bit number, never overflows 63 bits.

    The last word, which tells nulls, is left out: there are zeros where it says null.
    """
    mixed = 0
    for place in range(start, start + width - 1):
        word = words[place]
        folded = (word ^ (word >> 31) ^ (word >> 62)) & 0x7FFFFFFF
        mixed = (((mixed ^ folded) * 0x5BD1E995) >> 13) & 0x7FFFFFFF
    return mixed & mask


@inlined
def is_same(keys: ReadInt64, key: int, stored: ReadInt64, row: int, width: int) -> bool:
    """Whether the words at ``key`` and those of ``row`` are equal."""
    word = 0
    while word < width and keys[key + word] == stored[row * width + word]:
        word += 1
    return word == width


@kernel
def link_rows(
    rows: ReadInt64,
    width: int,
    stored: ReadInt64,
    heads: WriteInt64,
    tails: WriteInt64,
    nexts: WriteInt64,
    prevs: WriteInt64,
) -> int:
    """Append each row, whose words are stored already, to its bucket; how many."""
    mask = len(heads) - 1
    for index in range(len(rows)):
        row = rows[index]
        place = bucket(stored, row * width, width, mask)
        last = tails[place]
        prevs[row] = last
        nexts[row] = 0
        if last == 0:
            heads[place] = row + 1
        else:
            nexts[last - 1] = row + 1
        tails[place] = row + 1
    return len(rows)


@kernel
def unlink_rows(
    rows: ReadInt64,
    width: int,
    stored: ReadInt64,
    heads: WriteInt64,
    tails: WriteInt64,
    nexts: WriteInt64,
    prevs: WriteInt64,
) -> int:
    """Take each row out of its bucket; its words must still be those it was linked by. How many."""
    mask = len(heads) - 1
    for index in range(len(rows)):
        row = rows[index]
        place = bucket(stored, row * width, width, mask)
        before = prevs[row]
        behind = nexts[row]
        if before == 0:
            heads[place] = behind
        else:
            nexts[before - 1] = behind
        if behind == 0:
            tails[place] = before
        else:
            prevs[behind - 1] = before
    return len(rows)


@kernel
def first_rows(
    keys: ReadInt64, width: int, stored: ReadInt64, heads: ReadInt64, nexts: ReadInt64, found: WriteInt64
) -> int:
    """Write for each key the first row that has it, or -1; how many are found."""
    mask = len(heads) - 1
    count = 0
    for index in range(len(found)):
        key = index * width
        entry = heads[bucket(keys, key, width, mask)]
        while entry != 0 and not is_same(keys, key, stored, entry - 1, width):
            entry = nexts[entry - 1]
        found[index] = entry - 1
        if entry != 0:
            count += 1
    return count


@kernel
def count_rows(
    keys: ReadInt64,
    wanted: ReadBool,
    width: int,
    stored: ReadInt64,
    heads: ReadInt64,
    nexts: ReadInt64,
) -> int:
    """How many pairs of a wanted key and a row that has it there are."""
    mask = len(heads) - 1
    count = 0
    for index in range(len(wanted)):
        if wanted[index]:
            key = index * width
            entry = heads[bucket(keys, key, width, mask)]
            while entry != 0:
                if is_same(keys, key, stored, entry - 1, width):
                    count += 1
                entry = nexts[entry - 1]
    return count


@kernel
def list_rows(
    keys: ReadInt64,
    wanted: ReadBool,
    width: int,
    stored: ReadInt64,
    heads: ReadInt64,
    nexts: ReadInt64,
    outer: WriteInt64,
    rows: WriteInt64,
) -> int:
    """Write the pairs that ``count_rows`` counts, key by key; whether a key's rows rise: 1, else 0."""
    mask = len(heads) - 1
    count = 0
    rises = 1
    for index in range(len(wanted)):
        if wanted[index]:
            key = index * width
            entry = heads[bucket(keys, key, width, mask)]
            last = 0
            while entry != 0:
                if is_same(keys, key, stored, entry - 1, width):
                    outer[count] = index
                    rows[count] = entry - 1
                    count += 1
                    if entry < last:
                        rises = 0
                    last = entry
                entry = nexts[entry - 1]
    return rises


@kernel
def find_or_link_rows(
    keys: ReadInt64,
    null_is_a_key: bool,
    width: int,
    stored: WriteInt64,
    heads: WriteInt64,
    tails: WriteInt64,
    nexts: WriteInt64,
    prevs: WriteInt64,
    used: int,
    found: WriteInt64,
    is_new: WriteBool,
) -> int:
    """Write for each key, in order, the first row that has it; where there is none, a new row ``used``, ``used`` + 1,
    ... is linked, which later keys find. The count of rows after that.

    The last word of a key says which of its values are null. If ``null_is_a_key`` is false, a key with a null equals
    none, and is always new.
    """
    mask = len(heads) - 1
    for index in range(len(found)):
        key = index * width
        place = bucket(keys, key, width, mask)
        entry = 0
        if null_is_a_key or keys[key + width - 1] == 0:
            entry = heads[place]
            while entry != 0 and not is_same(keys, key, stored, entry - 1, width):
                entry = nexts[entry - 1]
        is_new[index] = entry == 0
        if entry != 0:
            found[index] = entry - 1
            continue
        row = used
        used += 1
        for word in range(width):
            stored[row * width + word] = keys[key + word]
        last = tails[place]
        prevs[row] = last
        nexts[row] = 0
        if last == 0:
            heads[place] = row + 1
        else:
            nexts[last - 1] = row + 1
        tails[place] = row + 1
        found[index] = row
    return used
