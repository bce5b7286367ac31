"""Of the compiled machine: whether a step's condition holds for a match and a row."""

from __future__ import annotations

from eiha.engine.jit import ReadInt64, ReadUInt8, WriteInt64, inlined
from eiha.engine.patterns.step_events import event_at
from eiha.engine.patterns.step_layout import (
    ARRIVING,
    ATOM,
    IF_MISSING,
    INDEX,
    OUTCOMES,
    RECKONED,
    SOURCE,
    TERM,
    TERMS,
)
from eiha.engine.patterns.step_reckoning import reckoned


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
            if atoms[atom + SOURCE] == RECKONED:
                outcome = reckoned(
                    m, slot, row, rows, atoms, atoms[atom + INDEX], atoms[atom + TERM], atoms[atom + ARRIVING] != 0,
                    terms, terms_valid, arriving, arriving_valid,
                )  # fmt: skip
                holds = atoms[atom + OUTCOMES] & outcome != 0
            elif atoms[atom + SOURCE] < 0:
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
