"""Where things lie in the arrays of the compiled machine (``stepping``).

Compiled code holds these numbers: who changes them must change ``stepping`` too, by whose date its cache is judged.
"""

from __future__ import annotations

from typing import Final

DONE, NEEDS_SLOTS, NEEDS_OUTPUT, NEEDS_CELLS = range(4)
"""Why ``step`` returned: all rows are done; or there may be too little room for the row, of one kind or another."""

(
    STATES, STRIDE, WITHIN, IS_SEQUENCE, IDLES_AT, CAPACITY, RING, FREE, FOUND, FOUND_ROOM, CELLS, CELLS_ROOM,
    LAST_CHUNK, RINGS, SLOTS, FREE_LIST, CHAIN, MATCHES, WORLD,
) = range(19)  # fmt: skip
"""All is in one array, which begins with: number of states, length of a slot, ``within`` or -1, whether a sequence, the
start without which nothing happens or -1; slots, room of a ring (a power of two), free slots, matches found and room
for them, cells and room for them, number of the chunk put out last; where the rings (of each state one of matches that
wait and one of fresh ones), the slots, the list of free ones, the cells and the matches found begin. Then come the
states."""

(
    KIND, LEAST, MOST, PARTNER, STARTS, IS_LAST, EMITS, FOLLOWER, AGAIN, RENEWED_AT, SKIPS, IS_AND, LEADS,
    REPEATS, COPIES, FINDS, LISTED, PUTS_OUT_ONE, ORDERED, ELEMENT, TABLE,
) = range(21)  # fmt: skip
"""What a state is: see ``State``. ``COPIES``: new matches that an event taken may cause; ``FINDS``: whether it may
complete one; ``LISTED``: whether all its events are kept in cells. ``ORDERED``, ``ELEMENT``: the i-th state in the
order of the text, and the i-th element's leading one, or -1."""

SINGLE, COUNTED, PAIRED, PAIRED_ABSENT = range(4)

(
    WAIT_HEAD, WAITING, FRESH_HEAD, FRESH, FRESH_OLDEST, FRESH_NEWEST, FRESH_LAST, FRESH_RISES, BEGUN, RENEW,
    ARRIVED, SWEEP_FROM, STATE,
) = range(TABLE, TABLE + 13)  # fmt: skip
"""What a state holds: where its rings begin and how long they are; bounds of the first times of fresh matches, that of
the last one, whether they rise; and flags as in ``Waiting``."""

REFERENCES, TIME, LAPSED, OLDEST, NEWEST, SLOT = range(6)
COUNT, FIRST, LAST, CELL, STEP = range(5)
"""A slot: in how many rings it is, time of the event taken last, whether it lapsed, bounds of the first events' times;
then for each step how many events, the first, the last, and the last one's cell (of a step that is not counted: its
time). A cell is an event and the cell before."""

SOURCE, INDEX, TERM, ARRIVING, OUTCOMES, IF_MISSING, ATOM = range(7)
"""An atom: whether the ``TERM`` of the event at ``INDEX`` of ``SOURCE`` stands to the arriving term as ``OUTCOMES`` (as
in ``conditions``) say, or, for no source, whether the arriving term is as ``OUTCOMES``."""

NEVER: Final = -1
LATEST: Final = 2**62
EARLIEST: Final = -(2**62)
SWEEP_MIN: Final = 16
