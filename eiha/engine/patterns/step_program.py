"""What the compiled machine needs to know of a pattern: its states and conditions as arrays, made once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt

from eiha.engine.expressions.rows import Scope
from eiha.engine.patterns import step_layout as s
from eiha.engine.patterns.conditions import SAME
from eiha.engine.patterns.general_pattern import PatternProgram
from eiha.engine.patterns.state_table import NONE, State, StateKind
from eiha.engine.patterns.step_atoms import Atom, AtomTable
from eiha.engine.patterns.step_reckoning import INSTRUCTION
from eiha.events.schema import Schema
from eiha.plan.expressions import LAST_EVENT, AttributeRef, EventIsNull

Longs = npt.NDArray[np.int64]

_KINDS: Final = {
    StateKind.SINGLE: s.SINGLE,
    StateKind.COUNTED: s.COUNTED,
    StateKind.PAIRED: s.PAIRED,
    StateKind.PAIRED_ABSENT: s.PAIRED_ABSENT,
    StateKind.ABSENT: s.ABSENT,
}


class StepProgram:
    """The arrays of one pattern, shared by its instances; see the constants of ``step_layout``.

    Args:
        program: of the general machine, which says what is right.
        atoms: the conditions.
    """

    def __init__(self, program: PatternProgram, atoms: AtomTable) -> None:
        source, states = program.source, program.states
        self.program = program
        self.steps = len(states)
        self.stride = s.SLOT + s.STEP * self.steps
        self.within_ms = -1 if source.within_ms is None else source.within_ms
        self.is_sequence = source.is_sequence
        self.idles_at = -1 if program.idles_at is None else program.idles_at
        self.captured = tuple(atoms.captured)
        self.arriving = tuple(atoms.arriving)
        self.streams = tuple(program.served)
        self.kept = _kept(program)
        self.schemas = {stream: self._schema(stream) for stream in self.streams}
        self.served = {stream: np.array(program.served[stream], dtype=np.int64) for stream in self.streams}
        self.settles = {stream: _settled(states, stream) for stream in self.streams}
        self.listed = tuple(
            state.kind is StateKind.COUNTED and _reads_inside(program, atoms, state.position) for state in states
        )
        self.table = _table(program, self.listed)
        self.keyed = _note_keys(program, atoms, self.table)
        self.waits = program.waits
        sizes = [len(clauses) for clauses in atoms.clauses]
        self.clauses_of = _starts(sizes)
        self.atoms_of = _starts(len(clause) for clauses in atoms.clauses for clause in clauses)
        self.atoms = _atoms([atom for clauses in atoms.clauses for clause in clauses for atom in clause])
        self.reckons = any(s.RECKONED in (a.source for c in clauses for a in c) for clauses in atoms.clauses)

    def _schema(self, stream: str) -> Schema:
        step = next(step for step in self.program.source.steps if step.stream == stream)
        return Schema(tuple(step.schema.attributes[attribute] for attribute in self.kept[stream]))


def step_program(program: PatternProgram, scope: Scope) -> StepProgram | None:
    """The arrays of a pattern that the compiled machine can run; None for one that it cannot.

    It needs some event, and its conditions are clauses of atoms.
    """
    if all(state.least == 0 for state in program.states):
        return None
    atoms = AtomTable(program.source.steps, scope)
    for position, check in enumerate(program.checks):
        if not atoms.add(position, check.rest):
            return None
    return StepProgram(program, atoms)


def _kept(program: PatternProgram) -> dict[str, tuple[int, ...]]:
    """By stream, the attributes that the query reads of matches."""
    read: dict[str, set[int]] = {stream: set() for stream in program.served}
    for each in program.columns.values:
        read[program.source.steps[each.source].stream].add(each.attribute)
    return {stream: tuple(sorted(attributes)) for stream, attributes in read.items()}


def _settled(states: tuple[State, ...], stream: str) -> Longs:
    chosen = [
        state.position
        for state in _elements(states)
        if state.stream == stream or (state.partner != NONE and states[state.partner].stream == stream)
    ]
    return np.array(chosen, dtype=np.int64)


def _ordered(states: tuple[State, ...]) -> list[State]:
    return sorted(states, key=lambda state: (state.element, state.leads))


def _elements(states: tuple[State, ...]) -> list[State]:
    return [state for state in _ordered(states) if state.partner == NONE or not state.leads]


def _reads_inside(program: PatternProgram, atoms: AtomTable, position: int) -> bool:
    """Whether other events of a counted step are read than the first and the last."""
    ends = (0, LAST_EVENT)
    reads: list[AttributeRef | EventIsNull] = [*program.columns.values, *program.columns.events]
    return any(each.source == position and each.event_index not in ends for each in reads) or any(
        source == position and index not in ends
        for clauses in atoms.clauses
        for clause in clauses
        for atom in clause
        for source, index in atom.reads
    )


def _atoms(atoms: list[Atom]) -> Longs:
    """See ``step_layout.SOURCE``: the atoms, and behind them the instructions of those that reckon."""
    numbers: list[int] = []
    code: list[int] = []
    for atom in atoms:
        index, term, arriving = atom.index, atom.term, atom.arriving
        if atom.reckoning is not None:
            index, term = s.ATOM * len(atoms) + len(code), len(atom.reckoning.code) // INSTRUCTION
            arriving = int(atom.reckoning.of_fractions)
            code += atom.reckoning.code
        numbers += [atom.source, index, term, arriving, atom.outcomes, int(atom.if_missing)]
    return np.array(numbers + code, dtype=np.int64)


def _starts(sizes: Iterable[int]) -> Longs:
    return np.concatenate([[0], np.cumsum(np.array(list(sizes), dtype=np.int64))]).astype(np.int64)


def _table(program: PatternProgram, listed: tuple[bool, ...]) -> Longs:
    states, is_sequence = program.states, program.source.is_sequence
    table = np.full((len(states), s.TABLE), NONE, dtype=np.int64)
    for state in states:
        row = table[state.position]
        row[s.KIND] = _KINDS[state.kind]
        row[s.LEAST] = state.least
        row[s.MOST] = NONE if state.most is None else state.most
        row[s.PARTNER], row[s.FOLLOWER], row[s.AGAIN] = state.partner, state.follower, state.again
        row[s.RENEWED_AT], row[s.SKIPS] = state.renewed_at, state.skips
        row[s.STARTS], row[s.LEADS], row[s.IS_AND] = state.starts, state.leads, state.is_and
        row[s.IS_LAST] = state.is_last
        row[s.EMITS] = state.is_last and not (state.is_and and state.starts and state.leads)
        follower_is_absent = state.follower != NONE and states[state.follower].is_absent
        row[s.REPEATS] = state.again != NONE or (is_sequence and follower_is_absent)
        behind = _behind(states, state)
        has_absent_partner = state.partner != NONE and states[state.partner].is_absent
        row[s.COPIES] = sum(each.again != NONE for each in behind) + has_absent_partner
        row[s.FINDS] = any(each.is_last for each in behind)
        row[s.LISTED] = listed[state.position]
        row[s.PUTS_OUT_ONE] = state.position in program.puts_out_one
        row[s.WAIT_MS] = NONE if state.wait_ms is None else state.wait_ms
        before = [each for each in states if each.follower == state.position]
        row[s.BY_TIME] = state.kind is StateKind.ABSENT and all(each.kind is StateKind.SINGLE for each in before)
        row[s.CAN_BE_SERVED] = state.kind is StateKind.COUNTED or (state.partner != NONE and not state.is_and)
    for place, state in enumerate(_ordered(states)):
        table[place, s.ORDERED] = state.position
    for place, state in enumerate(_elements(states)):
        table[place, s.ELEMENT] = state.position
    return table


def _note_keys(program: PatternProgram, atoms: AtomTable, table: Longs) -> int:
    """Note at which states matches are found by key: those whose condition demands ``value == e1.value``, say, of an
    event that cannot change while they wait. How many.
    """
    states, keyed = program.states, 0
    for state, clauses in zip(states, atoms.clauses, strict=True):
        if program.source.is_sequence or len(clauses) != 1:
            continue
        for atom in clauses[0]:
            if atom.source < 0 or not atom.compares or atom.outcomes != SAME:
                continue
            source = states[atom.source]
            is_fixed = source.kind is not StateKind.COUNTED or (atom.index == 0 and source.least > 0)
            if is_fixed and source.element != state.element and atom.index in (0, LAST_EVENT):
                row = table[state.position]
                row[s.KEYED_AS], row[s.KEY_SOURCE], row[s.KEY_INDEX] = keyed, atom.source, atom.index
                row[s.KEY_TERM], row[s.KEY_ARRIVING] = atom.term, atom.arriving
                keyed += 1
                break
    return keyed


def _behind(states: tuple[State, ...], state: State) -> list[State]:
    """The state and those that a match reaches past it by one event."""
    found = [state]
    while found[-1].follower != NONE and (len(found) == 1 or found[-1].least == 0):
        found.append(states[found[-1].follower])
    return [each for place, each in enumerate(found) if place == 0 or each.least == 0]
