"""Of the compiled machine: comparisons that must reckon with values of several events, as ``price - e1.price > 5``.

Such a comparison is a list of instructions over a small stack, whose entries are 64 bits and whether they are null;
doubles, and floats as doubles, lie there by their bits. Two values are left, which are compared.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from eiha.engine.jit import ReadInt64, ReadUInt8, WriteInt64, inlined
from eiha.engine.kernels.double_bits import bits_of, double_of
from eiha.engine.patterns.step_events import event_at
from eiha.engine.patterns.step_layout import STACK, TERMS

INSTRUCTION: Final = 4
"""Numbers of an instruction: what to do, and what a value is loaded from."""
(
    LOAD_CAPTURED, LOAD_ARRIVING, TO_DOUBLE, TO_FLOAT, ROUND, TO_INT,
    ADD_WHOLE, SUBTRACT_WHOLE, MULTIPLY_WHOLE, DIVIDE_WHOLE, MODULO_WHOLE, ADD, SUBTRACT, MULTIPLY, DIVIDE,
) = range(15)  # fmt: skip
"""Instructions: load the term of a captured event (its step, its index, the term) or an arriving term; make a double or
a float of a whole number, a float of a double, an int of a long; the operations."""

_LESS: Final = 1
_SAME: Final = 2
_MORE: Final = 4
_MISSING: Final = 8
_INT_HALF: Final = 1 << 31
_INT_MASK: Final = (1 << 32) - 1


@inlined
def _whole(operation: int, a: int, b: int) -> int:
    """``b`` is not 0 where it divides."""
    if operation == ADD_WHOLE:
        return a + b
    if operation == SUBTRACT_WHOLE:
        return a - b
    if operation == MULTIPLY_WHOLE:
        return a * b
    if b == -1:  # the least number has no opposite: Java gives it again
        return 0 if operation == MODULO_WHOLE else b * a
    quotient = a // b
    rest = a - quotient * b
    if rest != 0 and (a < 0) != (b < 0):  # towards zero
        quotient += 1
        rest -= b
    return rest if operation == MODULO_WHOLE else quotient


@inlined
def _fraction(operation: int, a: float, b: float) -> float:
    """``b`` is not 0 where it divides."""
    if operation == ADD:
        return a + b
    if operation == SUBTRACT:
        return a - b
    return a * b if operation == MULTIPLY else a / b


@inlined
def _apply(m: WriteInt64, operation: int, top: int) -> None:
    """An operation on the two topmost entries: of a null is null, and so is what is divided by zero."""
    left, right = top - 2, top
    m[left + 1] = m[left + 1] | m[right + 1]
    if m[left + 1] != 0:
        return
    if operation < ADD:
        if operation >= DIVIDE_WHOLE and m[right] == 0:
            m[left + 1] = 1
        else:
            m[left] = _whole(operation, m[left], m[right])
    else:
        by = double_of(m[right])
        if operation == DIVIDE and by == 0.0:
            m[left + 1] = 1
        else:
            m[left] = bits_of(_fraction(operation, double_of(m[left]), by))


@inlined
def reckoned(
    m: WriteInt64, slot: int, row: int, rows: int, code: ReadInt64, begin: int, count: int, of_fractions: bool,
    terms: ReadInt64, terms_valid: ReadUInt8, arriving: ReadInt64, arriving_valid: ReadUInt8,
) -> int:  # fmt: skip
    """How the left value stands to the right one, as a bit of ``conditions``.

    Args:
        m, slot: the match.
        row, rows: the arriving row, of so many.
        code, begin, count: where the instructions are, how many.
        of_fractions: whether the values are doubles.
        terms, terms_valid, arriving, arriving_valid: as in ``stepping.step``.
    """
    top = STACK - 2
    for at in range(begin, begin + count * INSTRUCTION, INSTRUCTION):
        operation = code[at]
        if operation == LOAD_CAPTURED:
            top += 2
            event = event_at(m, slot, code[at + 1], code[at + 2])
            term = event * m[TERMS] + code[at + 3]
            if event < 0 or terms_valid[term] == 0:
                m[top + 1] = 1
            else:
                m[top], m[top + 1] = terms[term], 0
        elif operation == LOAD_ARRIVING:
            top += 2
            term = code[at + 3] * rows + row
            m[top], m[top + 1] = arriving[term], 1 - arriving_valid[term]
        elif operation >= ADD_WHOLE:
            _apply(m, operation, top)
            top -= 2
        elif m[top + 1] == 0:
            if operation == TO_DOUBLE:
                m[top] = bits_of(float(m[top]))
            elif operation == TO_FLOAT:
                m[top] = bits_of(float(np.float32(m[top])))
            elif operation == ROUND:
                m[top] = bits_of(float(np.float32(double_of(m[top]))))
            else:
                m[top] = ((m[top] + _INT_HALF) & _INT_MASK) - _INT_HALF
    left, right = STACK, STACK + 2
    if m[left + 1] != 0 or m[right + 1] != 0:
        return _MISSING
    if of_fractions:
        a, b = double_of(m[left]), double_of(m[right])
        return _LESS if a < b else _MORE if a > b else _SAME if a == b else _MISSING
    return _LESS if m[left] < m[right] else _MORE if m[left] > m[right] else _SAME
