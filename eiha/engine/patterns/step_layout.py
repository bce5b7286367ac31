"""Where things lie in the array of the compiled machine (``stepping``)."""

from __future__ import annotations

from typing import Final

DONE, NEEDS_SLOTS, NEEDS_OUTPUT, NEEDS_CELLS, NEEDS_ALARMS = range(5)
"""Why ``step`` returned: all rows are done; or there may be too little room for the row, of one kind or another."""

(
    STATES, STRIDE, WITHIN, IS_SEQUENCE, IDLES_AT, CAPACITY, RING, FREE, FOUND, FOUND_ROOM, CELLS, CELLS_ROOM,
    LAST_CHUNK, ALARM_ROOM, TICK, TERMS, RINGS, SLOTS, FREE_LIST, CHAIN, ALARM_RINGS, LINKS, BUCKETS, MATCHES, STACK,
) = range(25)  # fmt: skip
"""All is in one array, which begins with: number of states, length of a slot, ``within`` or -1, whether a sequence, the
start without which nothing happens or -1; slots, room of a ring (a power of two), free slots, matches found and room
for them, cells and room for them, number of the chunk put out last, alarms for which a state has room, the first moment
of the batch at which none went off yet, terms of a captured event; where the rings (of each state one of matches that
wait and one of fresh ones), the slots, the list of free ones, the cells, the rings of alarms, the links and buckets of
keyed states and the matches found begin. Then come the stack (``step_reckoning``), and the states."""

STACK_ROOM: Final = 12
"""Values that a comparison may have to hold at once: as many as it has brackets within brackets, and two."""
WORLD: Final = STACK + 2 * STACK_ROOM

(
    KIND, LEAST, MOST, PARTNER, STARTS, IS_LAST, EMITS, FOLLOWER, AGAIN, RENEWED_AT, SKIPS, IS_AND, LEADS,
    REPEATS, COPIES, FINDS, LISTED, PUTS_OUT_ONE, ORDERED, ELEMENT, WAIT_MS, BY_TIME, CAN_BE_SERVED, KEYED_AS,
    KEY_SOURCE, KEY_INDEX, KEY_TERM, KEY_ARRIVING, TABLE,
) = range(29)  # fmt: skip
"""What a state is: see ``State``. ``COPIES``: new matches that an event taken may cause; ``FINDS``: whether it may
complete one; ``LISTED``: whether all its events are kept in cells. ``ORDERED``, ``ELEMENT``: the i-th state in the
order of the text, and the i-th element's leading one, or -1. ``BY_TIME``: whether the times of matches at an absent
step stay as they are while they wait; ``CAN_BE_SERVED``: whether a match that waits may get on by another way.
``KEYED_AS``: -1, or the state's number among those whose waiting matches are found by a key: the captured ``KEY_TERM``
of the event at ``KEY_INDEX`` of ``KEY_SOURCE``, which must equal the arriving term ``KEY_ARRIVING``."""

SINGLE, COUNTED, PAIRED, PAIRED_ABSENT, ABSENT = range(5)

(
    WAIT_HEAD, WAITING, FRESH_HEAD, FRESH, FRESH_OLDEST, FRESH_NEWEST, FRESH_LAST, FRESH_RISES, BEGUN, RENEW,
    ARRIVED, SWEEP_FROM, HOLES, WAIT_RISES, IS_OFF, WAIT_UNTIL, ALARM_HEAD, ALARMS, STATE,
) = range(TABLE, TABLE + 19)  # fmt: skip
"""What a state holds: where its rings begin and how many matches are in them; bounds of the first times of fresh
matches, that of the last one, whether they rise; flags as in ``Waiting``; holes that matches left in the ring of a
keyed state (the first place is none), whether those that wait rise by the times of their last events, whether an absent
start is over, and alarms."""

PLACE, NEXT, BEFORE, BUCKET, LINK = range(5)
"""Of a match that waits at a keyed state: its place in the ring, its neighbours in a bucket (slot + 1; 0: none), and
the bucket, -1 for none. Behind the buckets of keys comes one of matches that got on by another way, which the state
forgets when the next event is shown to it. A bucket is its first and its last slot + 1."""

REFERENCES, TIME, LAPSED, OLDEST, NEWEST, SLOT = range(6)
COUNT, FIRST, LAST, CELL, STEP = range(5)
"""A slot: in how many rings it is, time of the event taken last, whether it lapsed, bounds of the first events' times;
then for each step how many events, the first, the last, and the last one's cell (of a step that is not counted: its
time). A cell is an event and the cell before."""

SOURCE, INDEX, TERM, ARRIVING, OUTCOMES, IF_MISSING, ATOM = range(7)
"""An atom: whether the ``TERM`` of the event at ``INDEX`` of ``SOURCE`` stands to the arriving term as ``OUTCOMES`` (as
in ``conditions``) say, or, for no source, whether the arriving term is as ``OUTCOMES``. With the source ``RECKONED``
two values stand so that ``TERM`` instructions, at ``INDEX`` of the atoms, make; ``ARRIVING``: whether they are doubles.
"""

NEVER: Final = -1
RECKONED: Final = -2
LATEST: Final = 2**62
EARLIEST: Final = -(2**62)
SWEEP_MIN: Final = 16
