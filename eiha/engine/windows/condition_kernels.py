"""The loops of ``expression`` and ``expressionBatch`` windows whose condition is a program (``condition_program``).

A program is a list of instructions of ``STEP`` numbers each: what to do, and the numbers of registers. A register holds
a whole number in ``wholes`` or a fraction in ``fractions``, and whether it is null in ``nulls``. Those of aggregates
come first and follow the rows in the window, those of constants never change. Each row has its ``operands``, what the
condition and the aggregates read of it, computed when it came: again whole numbers, fractions, and which are null.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from eiha.engine.jit import (
    ReadBool,
    ReadFloat64,
    ReadInt64,
    WriteBool,
    WriteFloat64,
    WriteInt64,
    WriteUInt8,
    inlined,
    kernel,
)
from eiha.engine.windows.emission import CURRENT, EXPIRED
from eiha.events.batch import CHUNK_STRIDE

STEP: Final = 4
"""Operation, register of the result, two registers that are read (or, of a load: which row, which operand)."""
LOAD_WHOLE: Final = 0
LOAD_FRACTION: Final = 1
TO_FRACTION: Final = 2
TO_FLOAT: Final = 3
ADD_WHOLE: Final = 4
SUBTRACT_WHOLE: Final = 5
MULTIPLY_WHOLE: Final = 6
TO_INT: Final = 7
ADD: Final = 8
SUBTRACT: Final = 9
MULTIPLY: Final = 10
DIVIDE: Final = 11
EQUAL_WHOLE: Final = 12
NOT_EQUAL_WHOLE: Final = 13
LESS_WHOLE: Final = 14
LESS_EQUAL_WHOLE: Final = 15
EQUAL: Final = 16
NOT_EQUAL: Final = 17
LESS: Final = 18
LESS_EQUAL: Final = 19
AND: Final = 20
OR: Final = 21
NOT: Final = 22
IS_NULL: Final = 23
ROUND: Final = 24

COUNT: Final = 0
SUM_WHOLE: Final = 1
SUM: Final = 2
MEAN_WHOLE: Final = 3
MEAN: Final = 4
LEAST_WHOLE: Final = 5
LEAST: Final = 6
GREATEST_WHOLE: Final = 7
GREATEST: Final = 8

AGGREGATE: Final = 4
"""Numbers of an aggregate in ``aggregates``: what it is, its operand, and where its candidates begin and end."""
HEAD: Final = 2
TAIL: Final = 3

_WITHIN_STRIDE: Final = CHUNK_STRIDE - 1  # the stride is a power of two: bits that chunks from outside have not
_INT_HALF: Final = 1 << 31
_INT_MASK: Final = (1 << 32) - 1


@inlined
def _calculate(
    operation: int, to: int, a: int, b: int, wholes: WriteInt64, fractions: WriteFloat64, nulls: WriteBool
) -> None:
    """Arithmetic: of a null is null, and so is what is divided by zero."""
    nulls[to] = nulls[a] or nulls[b]
    if operation == ADD_WHOLE:
        wholes[to] = wholes[a] + wholes[b]
    elif operation == SUBTRACT_WHOLE:
        wholes[to] = wholes[a] - wholes[b]
    elif operation == MULTIPLY_WHOLE:
        wholes[to] = wholes[a] * wholes[b]
    elif operation == ADD:
        fractions[to] = fractions[a] + fractions[b]
    elif operation == SUBTRACT:
        fractions[to] = fractions[a] - fractions[b]
    elif operation == MULTIPLY:
        fractions[to] = fractions[a] * fractions[b]
    elif fractions[b] == 0.0:
        nulls[to] = True
    else:
        fractions[to] = fractions[a] / fractions[b]


@inlined
def _compare(
    operation: int, to: int, a: int, b: int, wholes: WriteInt64, fractions: ReadFloat64, nulls: WriteBool
) -> None:
    """A comparison, which is never null."""
    nulls[to] = False
    if nulls[a] or nulls[b]:
        wholes[to] = operation in (NOT_EQUAL_WHOLE, NOT_EQUAL)
    elif operation == EQUAL_WHOLE:
        wholes[to] = wholes[a] == wholes[b]
    elif operation == NOT_EQUAL_WHOLE:
        wholes[to] = wholes[a] != wholes[b]
    elif operation == LESS_WHOLE:
        wholes[to] = wholes[a] < wholes[b]
    elif operation == LESS_EQUAL_WHOLE:
        wholes[to] = wholes[a] <= wholes[b]
    elif operation == EQUAL:
        wholes[to] = fractions[a] == fractions[b]
    elif operation == NOT_EQUAL:
        wholes[to] = fractions[a] != fractions[b]
    elif operation == LESS:
        wholes[to] = fractions[a] < fractions[b]
    else:
        wholes[to] = fractions[a] <= fractions[b]


@inlined
def _holds(
    code: ReadInt64, result: int, wholes: WriteInt64, fractions: WriteFloat64, nulls: WriteBool,
    operand_wholes: ReadInt64, operand_fractions: ReadFloat64, operand_nulls: ReadBool, width: int, row: int,
    first: int, last: int,
) -> bool:  # fmt: skip
    """Whether the condition is true for these rows; null counts as false."""
    for at in range(0, len(code), STEP):
        operation = code[at]
        to = code[at + 1]
        a = code[at + 2]
        b = code[at + 3]
        if operation <= LOAD_FRACTION:
            read = row if a == 0 else first if a == 1 else last
            cell = read * width + b
            nulls[to] = operand_nulls[cell]
            if operation == LOAD_WHOLE:
                wholes[to] = operand_wholes[cell]
            else:
                fractions[to] = operand_fractions[cell]
        elif operation <= TO_FLOAT:
            nulls[to] = nulls[a]
            fractions[to] = wholes[a] if operation == TO_FRACTION else np.float32(wholes[a])
        elif operation == ROUND:
            nulls[to] = nulls[a]
            fractions[to] = np.float32(fractions[a])
        elif operation == TO_INT:
            nulls[to] = nulls[a]
            wholes[to] = ((wholes[a] + _INT_HALF) & _INT_MASK) - _INT_HALF
        elif operation < EQUAL_WHOLE:
            _calculate(operation, to, a, b, wholes, fractions, nulls)
        elif operation <= LESS_EQUAL:
            _compare(operation, to, a, b, wholes, fractions, nulls)
        else:
            nulls[to] = False
            left = wholes[a] != 0 and not nulls[a]
            right = wholes[b] != 0 and not nulls[b]
            if operation == AND:
                wholes[to] = left and right
            elif operation == OR:
                wholes[to] = left or right
            elif operation == NOT:
                wholes[to] = not left
            else:
                wholes[to] = nulls[a]
    return wholes[result] != 0 and not nulls[result]


@inlined
def _tell(
    number: int, kind: int, counts: ReadInt64, whole_sums: ReadInt64, sums: ReadFloat64, wholes: WriteInt64,
    fractions: WriteFloat64, nulls: WriteBool,
) -> None:  # fmt: skip
    """Put the value of a count, a sum or a mean into its register."""
    count = counts[number]
    nulls[number] = count == 0 and kind != COUNT
    if kind == COUNT:
        wholes[number] = count
    elif kind == SUM_WHOLE:
        wholes[number] = whole_sums[number]
    elif kind == SUM:
        fractions[number] = sums[number]
    elif count != 0:
        fractions[number] = whole_sums[number] / count if kind == MEAN_WHOLE else sums[number] / count


@inlined
def _tell_extreme(
    number: int, aggregates: ReadInt64, candidates: ReadInt64, room: int, origin: int, operand_wholes: ReadInt64,
    operand_fractions: ReadFloat64, width: int, wholes: WriteInt64, fractions: WriteFloat64, nulls: WriteBool,
) -> None:  # fmt: skip
    """Put the first candidate's value into the register of a least or greatest value."""
    base = number * AGGREGATE
    nulls[number] = aggregates[base + HEAD] == aggregates[base + TAIL]
    if not nulls[number]:
        cell = (candidates[number * room + aggregates[base + HEAD]] - origin) * width + aggregates[base + 1]
        wholes[number] = operand_wholes[cell]
        fractions[number] = operand_fractions[cell]


@inlined
def _move(
    aggregates: WriteInt64, counts: WriteInt64, whole_sums: WriteInt64, sums: WriteFloat64, candidates: WriteInt64,
    room: int, origin: int, operand_wholes: ReadInt64, operand_fractions: ReadFloat64, operand_nulls: ReadBool,
    width: int, row: int, comes: bool, wholes: WriteInt64, fractions: WriteFloat64, nulls: WriteBool,
) -> None:  # fmt: skip
    """Let a row come into all aggregates, or leave them: then it is the oldest one."""
    for number in range(len(counts)):
        base = number * AGGREGATE
        kind = aggregates[base]
        cell = row * width + aggregates[base + 1]
        if kind == COUNT:
            counts[number] += 1 if comes else -1
            wholes[number] = counts[number]
            continue
        if operand_nulls[cell]:
            continue
        if kind < LEAST_WHOLE:
            if comes:
                counts[number] += 1
                whole_sums[number] += operand_wholes[cell]
                sums[number] += operand_fractions[cell]
            else:
                counts[number] -= 1
                whole_sums[number] -= operand_wholes[cell]
                sums[number] -= operand_fractions[cell]
            _tell(number, kind, counts, whole_sums, sums, wholes, fractions, nulls)
            continue
        place = number * room
        if comes:
            tail = aggregates[base + TAIL]
            while tail > aggregates[base + HEAD]:
                held = (candidates[place + tail - 1] - origin) * width + aggregates[base + 1]
                if kind == LEAST_WHOLE:
                    is_beaten = operand_wholes[held] > operand_wholes[cell]
                elif kind == LEAST:
                    is_beaten = operand_fractions[held] > operand_fractions[cell]
                elif kind == GREATEST_WHOLE:
                    is_beaten = operand_wholes[held] < operand_wholes[cell]
                else:
                    is_beaten = operand_fractions[held] < operand_fractions[cell]
                if not is_beaten:
                    break
                tail -= 1
            candidates[place + tail] = row + origin
            aggregates[base + TAIL] = tail + 1
        elif candidates[place + aggregates[base + HEAD]] == row + origin:
            aggregates[base + HEAD] += 1
        _tell_extreme(
            number, aggregates, candidates, room, origin, operand_wholes, operand_fractions, width, wholes, fractions,
            nulls,
        )  # fmt: skip


@inlined
def _clear(
    aggregates: WriteInt64, counts: WriteInt64, whole_sums: WriteInt64, sums: WriteFloat64, wholes: WriteInt64,
    nulls: WriteBool,
) -> None:  # fmt: skip
    """Let all rows leave all aggregates."""
    for number in range(len(counts)):
        counts[number] = 0
        whole_sums[number] = 0
        sums[number] = 0.0
        aggregates[number * AGGREGATE + HEAD] = 0
        aggregates[number * AGGREGATE + TAIL] = 0
        wholes[number] = 0
        nulls[number] = aggregates[number * AGGREGATE] != COUNT


@kernel
def tell_all(
    aggregates: WriteInt64, counts: ReadInt64, whole_sums: ReadInt64, sums: ReadFloat64, candidates: WriteInt64,
    room: int, origin: int, operand_wholes: ReadInt64, operand_fractions: ReadFloat64, width: int,
    wholes: WriteInt64, fractions: WriteFloat64, nulls: WriteBool,
) -> None:  # fmt: skip
    """Put the values of all aggregates into their registers."""
    for number in range(len(counts)):
        if aggregates[number * AGGREGATE] < LEAST_WHOLE:
            _tell(number, aggregates[number * AGGREGATE], counts, whole_sums, sums, wholes, fractions, nulls)
        else:
            _tell_extreme(
                number, aggregates, candidates, room, origin, operand_wholes, operand_fractions, width, wholes,
                fractions, nulls,
            )  # fmt: skip


@kernel
def slide_by_condition(
    code: ReadInt64, result: int, wholes: WriteInt64, fractions: WriteFloat64, nulls: WriteBool,
    aggregates: WriteInt64, counts: WriteInt64, whole_sums: WriteInt64, sums: WriteFloat64, candidates: WriteInt64,
    room: int, origin: int, operand_wholes: ReadInt64, operand_fractions: ReadFloat64, operand_nulls: ReadBool,
    width: int, start: int, first: int, timestamps: ReadInt64, now_ms: ReadInt64, chunks: ReadInt64,
    out_positions: WriteInt64, out_kinds: WriteUInt8, out_timestamps: WriteInt64, out_chunks: WriteInt64,
) -> tuple[int, int]:  # fmt: skip
    """Rows put out, and the position of the oldest row that stays; rows from ``first`` on are new."""
    out = 0
    number = -CHUNK_STRIDE
    for index in range(len(now_ms)):
        position = first + index
        number = max(number, chunks[index])
        _move(
            aggregates, counts, whole_sums, sums, candidates, room, origin, operand_wholes, operand_fractions,
            operand_nulls, width, position, True, wholes, fractions, nulls,
        )  # fmt: skip
        row = position
        while start <= position and not _holds(
            code, result, wholes, fractions, nulls, operand_wholes, operand_fractions, operand_nulls, width, row,
            start, position,
        ):  # fmt: skip
            row = start
            out_positions[out] = row
            out_kinds[out] = EXPIRED
            out_timestamps[out] = now_ms[index]
            out_chunks[out] = number
            out += 1
            start += 1
            _move(
                aggregates, counts, whole_sums, sums, candidates, room, origin, operand_wholes, operand_fractions,
                operand_nulls, width, row, False, wholes, fractions, nulls,
            )  # fmt: skip
        out_positions[out] = position
        out_kinds[out] = CURRENT
        out_timestamps[out] = timestamps[position]
        out_chunks[out] = number
        out += 1
    return out, start


@inlined
def _put_out(
    begin: int, stop: int, kind: int, at_ms: int, number: int, out: int, out_positions: WriteInt64,
    out_kinds: WriteUInt8, out_timestamps: WriteInt64, out_chunks: WriteInt64,
) -> int:  # fmt: skip
    """Put out the rows from ``begin`` to ``stop`` with the time ``at_ms``; rows put out so far."""
    for position in range(begin, stop):
        out_positions[out] = position
        out_kinds[out] = kind
        out_timestamps[out] = at_ms
        out_chunks[out] = number
        out += 1
    return out


@kernel
def batch_by_condition(
    code: ReadInt64, result: int, wholes: WriteInt64, fractions: WriteFloat64, nulls: WriteBool,
    aggregates: WriteInt64, counts: WriteInt64, whole_sums: WriteInt64, sums: WriteFloat64, candidates: WriteInt64,
    room: int, origin: int, operand_wholes: ReadInt64, operand_fractions: ReadFloat64, operand_nulls: ReadBool,
    width: int, start: int, turn: int, first: int, streams: bool, timestamps: ReadInt64, now_ms: ReadInt64,
    chunks: ReadInt64, out_positions: WriteInt64, out_kinds: WriteUInt8, out_timestamps: WriteInt64,
    out_chunks: WriteInt64,
) -> tuple[int, int, int]:  # fmt: skip
    """Rows put out, where the batch put out last begins, and where the one that fills does; ``start`` and ``turn``
    are these before. Rows from ``first`` on are new; the first operand says whether a row that ends a batch is in it.
    """
    out = 0
    number = -CHUNK_STRIDE
    for index in range(len(now_ms)):
        position = first + index
        now = now_ms[index]
        if index == 0 or chunks[index] != chunks[index - 1]:
            number = max(number, chunks[index])
        if out > 0 and out_chunks[out - 1] == number and (number + 1) & _WITHIN_STRIDE != 0:
            number += 1
        _move(
            aggregates, counts, whole_sums, sums, candidates, room, origin, operand_wholes, operand_fractions,
            operand_nulls, width, position, True, wholes, fractions, nulls,
        )  # fmt: skip
        holds = _holds(
            code, result, wholes, fractions, nulls, operand_wholes, operand_fractions, operand_nulls, width, position,
            turn, position,
        )  # fmt: skip
        is_included = operand_wholes[position * width] != 0 and not operand_nulls[position * width]
        if not holds:
            _clear(aggregates, counts, whole_sums, sums, wholes, nulls)
        if not (holds or streams) or (turn == position and not holds):
            out = _put_out(
                start, turn, EXPIRED, now, number, out, out_positions, out_kinds, out_timestamps, out_chunks
            )  # fmt: skip
        if turn == position and not holds:  # a row that is too much alone
            for kind in range(EXPIRED, CURRENT - 1, -1):
                out = _put_out(
                    position, position + 1, kind, now, number,
                    out, out_positions, out_kinds, out_timestamps, out_chunks,
                )  # fmt: skip
            start = turn = position + 1
            continue
        stop = position + 1 if is_included else position
        if not (holds or streams):
            out = _put_out(
                turn, position, CURRENT, now, number, out, out_positions, out_kinds, out_timestamps, out_chunks
            )  # fmt: skip
            start = turn
            turn = stop
        if not holds and streams and not is_included:
            out = _put_out(
                turn, stop, EXPIRED, now, number, out, out_positions, out_kinds, out_timestamps, out_chunks
            )  # fmt: skip
        if streams or (not holds and is_included):
            out = _put_out(
                position, position + 1, CURRENT, timestamps[position], number,
                out, out_positions, out_kinds, out_timestamps, out_chunks,
            )  # fmt: skip
        if not holds and streams and is_included:
            out = _put_out(
                turn, stop, EXPIRED, now, number, out, out_positions, out_kinds, out_timestamps, out_chunks
            )  # fmt: skip
        if not holds and streams:
            start = turn = stop
        if not holds and not is_included:
            _move(
                aggregates, counts, whole_sums, sums, candidates, room, origin, operand_wholes, operand_fractions,
                operand_nulls, width, position, True, wholes, fractions, nulls,
            )  # fmt: skip
    return out, start, turn
