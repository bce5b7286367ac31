"""Keys to dense numbers: an open-addressing hash table over int64, numbers given in order of first sight."""

from __future__ import annotations

from eiha.engine.jit import ReadInt32, ReadInt64, WriteInt64, inlined, kernel


@inlined
def place(key: int, mask: int) -> int:
    """Where the search for ``key`` begins: 31 folded bits times an odd 31-bit number never overflow 63 bits."""
    folded = (key ^ (key >> 31) ^ (key >> 62)) & 0x7FFFFFFF
    return ((folded * 0x5BD1E995) >> 13) & mask


@kernel
def find_or_add(
    keys: ReadInt64, table: WriteInt64, known: WriteInt64, count: int, base: int, numbers: WriteInt64
) -> int:
    """Write each key's number, plus ``base``, into ``numbers``; the count of known keys after that.

    ``table`` (length a power of two, more than half empty afterwards) holds number + 1, 0 where empty; ``known`` the
    keys by number, with room for all of ``keys``.
    """
    mask = len(table) - 1
    for row in range(len(keys)):
        key = keys[row]
        slot = place(key, mask)
        while True:
            entry = table[slot]
            if entry == 0:
                known[count] = key
                count += 1
                table[slot] = count
                numbers[row] = count - 1 + base
                break
            if known[entry - 1] == key:
                numbers[row] = entry - 1 + base
                break
            slot = (slot + 1) & mask
    return count


@kernel
def find_or_add_code(
    codes: ReadInt32, table: WriteInt64, known: WriteInt64, count: int, base: int, numbers: WriteInt64
) -> int:
    """As ``find_or_add`` for small keys: ``table`` has an entry for each of them."""
    for row in range(len(codes)):
        code = codes[row]
        entry = table[code]
        if entry == 0:
            known[count] = code
            count += 1
            entry = count
            table[code] = entry
        numbers[row] = entry - 1 + base
    return count


@kernel
def rebuild(known: ReadInt64, count: int, table: WriteInt64) -> int:
    """Fill an empty ``table`` with the first ``count`` of ``known``; ``count``."""
    mask = len(table) - 1
    for number in range(count):
        slot = place(known[number], mask)
        while table[slot] != 0:
            slot = (slot + 1) & mask
        table[slot] = number + 1
    return count
