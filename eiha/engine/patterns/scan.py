"""The loop over arriving rows and waiting partial matches."""

from __future__ import annotations

from typing import Final

from eiha.engine.jit import ReadInt64, ReadUInt8, WriteInt64, WriteUInt8, inlined, kernel
from eiha.events.batch import CHUNK_STRIDE

DONE: Final = 0
NEEDS_SLOTS: Final = 1
NEEDS_OUTPUT: Final = 2
NEEDS_ANSWER: Final = 3
"""Why ``scan`` returned: all rows are processed; there may be too few free slots, or too little room for matches, for
the row; or the general condition of a step must be evaluated for the row over the matches that wait, some of which pass
its first test."""

FREE: Final = 0
FOUND: Final = 1
OLDEST: Final = 2
NEWEST: Final = 3
LAST_CHUNK: Final = 4
COUNTERS: Final = 5
"""``counters``: free slots, matches found, range of first timestamps, number of the latest chunk put out."""

_LATEST: Final = 2**62
_EARLIEST: Final = -(2**62)


@inlined
def _holds(outcomes: int, captured: int, captured_valid: int, arriving: int, arriving_valid: int) -> bool:
    """Whether the values stand to each other as ``outcomes`` allows (bits as in ``conditions.OUTCOMES``)."""
    if captured_valid == 0 or arriving_valid == 0:
        outcome = 8
    elif captured == arriving:
        outcome = 2
    elif captured < arriving:
        outcome = 1
    else:
        outcome = 4
    return outcomes & outcome != 0


@inlined
def _first_that_holds(
    queues: WriteInt64,
    begin: int,
    length: int,
    terms: WriteInt64,
    terms_valid: WriteUInt8,
    terms_count: int,
    term: int,
    outcomes: int,
    arriving: int,
    arriving_valid: int,
) -> int:
    """The first place of a queue whose slot passes one test, or ``length``. Most rows pass none: this loop is short."""
    if arriving_valid == 0:
        return 0 if outcomes & 8 else length
    for index in range(length):
        captured = queues[begin + index] * terms_count + term
        value = terms[captured]
        outcome = 2 * (value == arriving) + (value < arriving) + 4 * (value > arriving)
        if terms_valid[captured] == 0:
            outcome = 8
        if outcomes & outcome != 0:
            return index
    return length


@inlined
def _prune(
    timestamp: int,
    within_ms: int,
    steps: int,
    stride: int,
    begins_anew: ReadUInt8,
    first_ms: WriteInt64,
    queues: WriteInt64,
    lengths: WriteInt64,
    free: WriteInt64,
    counters: WriteInt64,
) -> None:
    """Forget the matches whose first event is further than ``within_ms`` from ``timestamp``."""
    counters[OLDEST] = _LATEST
    counters[NEWEST] = _EARLIEST
    for step in range(1, steps):
        begin = step * stride
        kept = 0
        for index in range(lengths[step]):
            slot = queues[begin + index]
            first = first_ms[slot]
            if abs(first - timestamp) <= within_ms:
                queues[begin + kept] = slot
                kept += 1
                counters[OLDEST] = min(counters[OLDEST], first)
                counters[NEWEST] = max(counters[NEWEST], first)
            elif begins_anew[step]:
                queues[lengths[0]] = slot
                lengths[0] += 1
            else:
                free[counters[FREE]] = slot
                counters[FREE] += 1
        lengths[step] = kept


@inlined
def _chunk_number(chunk: int, last: int, shared: bool) -> int:
    """The number of a match that a row of ``chunk`` completes, ``last`` being that of the match before."""
    if shared:
        return last
    if chunk > last:
        return chunk
    return min(last + 1, chunk - chunk % CHUNK_STRIDE + CHUNK_STRIDE - 1)


@inlined
def _copy_slot(
    slot: int,
    until: int,
    steps: int,
    terms_count: int,
    events: WriteInt64,
    first_ms: WriteInt64,
    terms: WriteInt64,
    terms_valid: WriteUInt8,
    free: WriteInt64,
    counters: WriteInt64,
) -> int:
    """A free slot that holds what ``slot`` captured before step ``until``."""
    counters[FREE] -= 1
    fresh: int = free[counters[FREE]]
    for each in range(until):
        events[fresh * steps + each] = events[slot * steps + each]
    for term in range(terms_count):
        terms[fresh * terms_count + term] = terms[slot * terms_count + term]
        terms_valid[fresh * terms_count + term] = terms_valid[slot * terms_count + term]
    first_ms[fresh] = first_ms[slot]
    return fresh


@inlined
def _passes(
    slot: int,
    row: int,
    rows: int,
    first_test: int,
    end_test: int,
    terms_count: int,
    test_outcomes: ReadInt64,
    test_captured: ReadInt64,
    test_arriving: ReadInt64,
    terms: WriteInt64,
    terms_valid: WriteUInt8,
    arriving: ReadInt64,
    arriving_valid: ReadUInt8,
) -> bool:
    """Whether all tests of a step hold for ``slot`` and the row."""
    for test in range(first_test, end_test):
        captured = slot * terms_count + test_captured[test]
        arrived = test_arriving[test] * rows + row
        if not _holds(
            test_outcomes[test], terms[captured], terms_valid[captured], arriving[arrived], arriving_valid[arrived]
        ):
            return False
    return True


@inlined
def _complete(
    slot: int,
    row: int,
    steps: int,
    stride: int,
    chunk: int,
    shares: bool,
    anew: int,
    events: WriteInt64,
    queues: WriteInt64,
    lengths: WriteInt64,
    free: WriteInt64,
    counters: WriteInt64,
    found_events: WriteInt64,
    found_rows: WriteInt64,
    found_chunks: WriteInt64,
) -> None:
    """Put out the match in ``slot``, which then waits for step ``anew`` or, below 0, is free."""
    found = counters[FOUND]
    for each in range(steps - 1):
        found_events[found * steps + each] = events[slot * steps + each]
    found_rows[found] = row
    found_chunks[found] = _chunk_number(chunk, counters[LAST_CHUNK], shares)
    counters[LAST_CHUNK] = found_chunks[found]
    counters[FOUND] += 1
    if anew < 0:
        free[counters[FREE]] = slot
        counters[FREE] += 1
    else:
        queues[anew * stride + lengths[anew]] = slot
        lengths[anew] += 1


@inlined
def _capture(
    slot: int,
    row: int,
    step: int,
    steps: int,
    stride: int,
    position: int,
    timestamp: int,
    taken_stride: int,
    term_step: ReadInt64,
    taken: ReadInt64,
    taken_valid: ReadUInt8,
    events: WriteInt64,
    first_ms: WriteInt64,
    terms: WriteInt64,
    terms_valid: WriteUInt8,
    queues: WriteInt64,
    lengths: WriteInt64,
    counters: WriteInt64,
) -> None:
    """Let ``slot`` hold the row at ``position`` as its event of ``step``; it then waits for the next step."""
    terms_count = len(term_step)
    if step == 0:
        first_ms[slot] = timestamp
        counters[OLDEST] = min(counters[OLDEST], timestamp)
        counters[NEWEST] = max(counters[NEWEST], timestamp)
    events[slot * steps + step] = position
    for term in range(terms_count):
        if term_step[term] == step:
            terms[slot * terms_count + term] = taken[term * taken_stride + row]
            terms_valid[slot * terms_count + term] = taken_valid[term * taken_stride + row]
    queues[(step + 1) * stride + lengths[step + 1]] = slot
    lengths[step + 1] += 1


@inlined
def _serve(
    row: int,
    step: int,
    steps: int,
    stride: int,
    kept: int,
    position: int,
    timestamps: ReadInt64,
    chunks: ReadInt64,
    shares_chunk: bool,
    anew: int,
    test_begin: ReadInt64,
    test_outcomes: ReadInt64,
    test_captured: ReadInt64,
    test_arriving: ReadInt64,
    term_step: ReadInt64,
    taken: ReadInt64,
    taken_valid: ReadUInt8,
    arriving: ReadInt64,
    arriving_valid: ReadUInt8,
    is_general: bool,
    allowed: ReadUInt8,
    events: WriteInt64,
    first_ms: WriteInt64,
    terms: WriteInt64,
    terms_valid: WriteUInt8,
    queues: WriteInt64,
    lengths: WriteInt64,
    visible: int,
    free: WriteInt64,
    counters: WriteInt64,
    found_events: WriteInt64,
    found_rows: WriteInt64,
    found_chunks: WriteInt64,
) -> None:
    """Show the row to the matches that wait for ``step`` at ``kept`` to ``visible``; those it serves move on."""
    rows, terms_count, begin = len(timestamps), len(term_step), step * stride
    found_before = counters[FOUND]
    test, end_test = test_begin[step], test_begin[step + 1]
    for index in range(kept, visible):
        slot = queues[begin + index]
        if (is_general and allowed[slot] == 0) or not _passes(
            slot, row, rows, test, end_test, terms_count, test_outcomes, test_captured, test_arriving,
            terms, terms_valid, arriving, arriving_valid,
        ):  # fmt: skip
            queues[begin + kept] = slot
            kept += 1
        elif step == steps - 1:
            _complete(
                slot, row, steps, stride, chunks[row], shares_chunk and counters[FOUND] > found_before, anew,
                events, queues, lengths, free, counters, found_events, found_rows, found_chunks,
            )  # fmt: skip
        else:
            if anew >= 0:
                queues[anew * stride + lengths[anew]] = _copy_slot(
                    slot, anew, steps, terms_count, events, first_ms, terms, terms_valid, free, counters
                )
                lengths[anew] += 1
            _capture(
                slot, row, step, steps, stride, position, timestamps[row], rows, term_step, taken, taken_valid,
                events, first_ms, terms, terms_valid, queues, lengths, counters,
            )  # fmt: skip
    for index in range(visible, lengths[step]):
        queues[begin + index - visible + kept] = queues[begin + index]
    lengths[step] -= visible - kept


@inlined
def _forget(
    step: int, stride: int, queues: WriteInt64, lengths: WriteInt64, free: WriteInt64, counters: WriteInt64
) -> None:
    """The matches that wait for ``step`` are gone."""
    for index in range(lengths[step]):
        free[counters[FREE]] = queues[step * stride + index]
        counters[FREE] += 1
    lengths[step] = 0


@inlined
def _can_be_interrupted(steps: int, lengths: WriteInt64, repeats_from: ReadInt64) -> bool:
    """Whether a row that serves nobody changes anything in a sequence."""
    held = 0 if repeats_from[0] == 0 else lengths[0]
    for step in range(1, steps):
        held += lengths[step]
    return held > 0


@kernel
def scan(
    row: int, step: int, steps: int, capacity: int,
    candidates: ReadInt64, timestamps: ReadInt64, chunks: ReadInt64, shares_chunk: bool, within_ms: int,
    interrupts: bool,
    repeats_from: ReadInt64, begins_anew: ReadUInt8,
    test_begin: ReadInt64, test_outcomes: ReadInt64, test_captured: ReadInt64, test_arriving: ReadInt64,
    term_step: ReadInt64,
    taken: ReadInt64, taken_valid: ReadUInt8, arriving: ReadInt64, arriving_valid: ReadUInt8,
    is_general: ReadUInt8, answered: bool, allowed: ReadUInt8,
    events: WriteInt64, first_ms: WriteInt64, terms: WriteInt64, terms_valid: WriteUInt8,
    queues: WriteInt64, lengths: WriteInt64, visible: WriteInt64, free: WriteInt64, counters: WriteInt64,
    found_capacity: int, found_events: WriteInt64, found_rows: WriteInt64, found_chunks: WriteInt64,
) -> tuple[int, int, int]:  # fmt: skip
    """Go on at ``row`` and ``step`` (``steps``: before the row); why it stopped, and the row and step to go on at.

    Args:
        row, step: where to go on.
        steps, capacity: of the partial matches, whose arrays are ``events`` to ``free`` (see ``PartialMatches``).
        candidates: [steps * rows] position of the row in the store of a step it may serve, -1 where it may not.
        timestamps, chunks: of the rows.
        shares_chunk: whether the matches that one row completes are one chunk.
        within_ms: -1 for no bound.
        interrupts: whether a row ends the matches that it does not serve (a sequence).
        repeats_from: [steps] first step of the stretch that starts anew after this one, -1 for none.
        begins_anew: [steps] whether a match lost while it waits for the step starts anew.
        test_begin: [steps + 1] tests of each step: outcomes, captured term, arriving term.
        term_step: [terms] the step whose event gives the captured term.
        taken, taken_valid: [terms * rows] the captured terms of the rows, if they are captured.
        arriving, arriving_valid: [arriving terms * rows].
        is_general: [steps] whether ``allowed`` (by slot) must be asked for.
        answered: it was, for this row and step.
        found_events: [found_capacity * steps], found_rows, found_chunks: the matches.
    """
    rows = len(timestamps)
    stride = 2 * capacity
    while row < rows:
        if step == steps:
            now = timestamps[row]
            if within_ms >= 0 and (now - counters[OLDEST] > within_ms or counters[NEWEST] - now > within_ms):
                _prune(now, within_ms, steps, stride, begins_anew, first_ms, queues, lengths, free, counters)
            worst = 0
            for each in range(steps):
                visible[each] = lengths[each]
                if candidates[each * rows + row] >= 0:
                    worst += lengths[each]
            if worst == 0 and not (interrupts and _can_be_interrupted(steps, lengths, repeats_from)):
                row += 1
                continue
            if counters[FREE] < worst:
                return NEEDS_SLOTS, row, step
            if candidates[(steps - 1) * rows + row] >= 0 and counters[FOUND] + lengths[steps - 1] > found_capacity:
                return NEEDS_OUTPUT, row, step
            step = steps - 1
        while step >= 0:
            position = candidates[step * rows + row]
            if position >= 0 and visible[step] > 0:
                test, kept = test_begin[step], 0
                if test < test_begin[step + 1]:
                    arrived = test_arriving[test] * rows + row
                    kept = _first_that_holds(
                        queues, step * stride, visible[step], terms, terms_valid, len(term_step), test_captured[test],
                        test_outcomes[test], arriving[arrived], arriving_valid[arrived],
                    )  # fmt: skip
                if kept < visible[step] and is_general[step] and not answered:
                    return NEEDS_ANSWER, row, step
                answered = False
                if kept < visible[step]:
                    _serve(
                        row, step, steps, stride, kept, position, timestamps, chunks, shares_chunk, repeats_from[step],
                        test_begin, test_outcomes, test_captured, test_arriving, term_step, taken, taken_valid,
                        arriving, arriving_valid, is_general[step] != 0, allowed, events, first_ms, terms, terms_valid,
                        queues, lengths, visible[step], free, counters, found_events, found_rows, found_chunks,
                    )  # fmt: skip
            if interrupts and (step > 0 or repeats_from[0] != 0):
                _forget(step, stride, queues, lengths, free, counters)
            step -= 1
        row += 1
        step = steps
    return DONE, row, step
