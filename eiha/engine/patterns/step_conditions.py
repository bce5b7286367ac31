"""Of the compiled machine: whether a step's condition holds for a match and a row."""

from __future__ import annotations

from eiha.engine.jit import ReadInt64, ReadUInt8, WriteInt64, inlined
from eiha.engine.patterns.step_layout import (
    ARRIVING,
    ATOM,
    CELL,
    CHAIN,
    COUNT,
    FIRST,
    IF_MISSING,
    INDEX,
    LAST,
    NEVER,
    OUTCOMES,
    SLOT,
    SLOTS,
    SOURCE,
    STEP,
    STRIDE,
    TERM,
    TERMS,
)


@inlined
def event_at(m: WriteInt64, slot: int, source: int, index: int) -> int:
    """The event at ``index`` of step ``source``, -1 for none."""
    own = m[SLOTS] + slot * m[STRIDE] + SLOT + source * STEP
    count = m[own + COUNT]
    if count == 0:
        return NEVER
    if index == 0:
        return int(m[own + FIRST])
    if index == -1:
        return int(m[own + LAST])
    back = count - 1 - index if index > 0 else -1 - index
    if back < 0 or back >= count:
        return NEVER
    cell = m[own + CELL]
    for _ in range(back):
        cell = m[m[CHAIN] + 2 * cell + 1]
    return int(m[m[CHAIN] + 2 * cell])


@inlined
def holds(
    m: WriteInt64, slot: int, state: int, row: int, rows: int,
    clauses_of: ReadInt64, atoms_of: ReadInt64, atoms: ReadInt64, terms: ReadInt64, terms_valid: ReadUInt8,
    arriving: ReadInt64, arriving_valid: ReadUInt8,
) -> bool:  # fmt: skip
    """Whether all atoms of some clause of the state's condition hold for the match and the row."""
    for clause in range(clauses_of[state], clauses_of[state + 1]):
        holds = True
        for each in range(atoms_of[clause], atoms_of[clause + 1]):
            atom = each * ATOM
            at = atoms[atom + ARRIVING] * rows + row
            if atoms[atom + SOURCE] < 0:
                holds = (arriving[at] != 0) == (atoms[atom + OUTCOMES] != 0)
            else:
                event = event_at(m, slot, atoms[atom + SOURCE], atoms[atom + INDEX])
                if event < 0:
                    holds = atoms[atom + IF_MISSING] != 0
                else:
                    term = event * m[TERMS] + atoms[atom + TERM]
                    value, other = terms[term], arriving[at]
                    outcome = 2 * (value == other) + (value < other) + 4 * (value > other)
                    if terms_valid[term] == 0 or arriving_valid[at] == 0:
                        outcome = 8
                    holds = atoms[atom + OUTCOMES] & outcome != 0
            if not holds:
                break
        if holds:
            return True
    return bool(clauses_of[state] == clauses_of[state + 1])
