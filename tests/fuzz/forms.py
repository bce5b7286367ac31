"""The forms in which the same events are fed to the same plan, and what came out of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np

from eiha.engine import jit
from eiha.engine.answer import Answer
from eiha.engine.conformance.values import batch_of, events_of
from eiha.engine.expressions.rows import EntryIdentity
from eiha.engine.faults import EngineFault
from eiha.engine.lower import lower
from eiha.engine.snapshot import decode_state, encode_state
from eiha.errors import PlanError
from eiha.events.strings import StringTable
from eiha.plan.nodes import ENTRY_MARK, Plan
from tests.fuzz.draw_events import Entry, Row

Told = dict[str, Any]
"""What one entry made the plan put out: rows by stream, answers by question."""


@dataclass(frozen=True, slots=True)
class Form:
    """``cut``: ``whole``, ``singles`` or ``random``. ``restores``: how likely a restore is after each piece."""

    name: str
    cut: str
    restores: float = 0.0
    interpreted: bool = False


REFERENCE = Form("single events", "singles")
FORMS = (
    Form("whole batches", "whole"),
    Form("random cuts", "random"),
    Form("random cuts, restored", "random", restores=0.3),
    Form("single events, restored", "singles", restores=0.1),
    Form("whole batches, restored", "whole", restores=1.0),
    Form("whole batches, interpreted", "whole", interpreted=True),
    Form("random cuts, restored, interpreted", "random", restores=0.3, interpreted=True),
)


TABLE_ROWS_MAX = 3_000
"""Some hundred events do not fill a table with more rows, unless a plan puts what it joins back into it."""


class Explodes(Exception):
    """The plan doubles its rows with every event: it would run for ever, and is no case."""


class Run:
    """A plan fed in one form."""

    def __init__(self, plan: Plan, form: Form, questions: tuple[str, ...], seed: int) -> None:
        self._plan = plan
        self._form = form
        self._questions = questions
        self._random = Random(f"{seed} {form.name}")
        self._keep = frozenset(each.output.target for each in plan.queries) & frozenset(
            each.name for each in plan.streams if not each.name.startswith(ENTRY_MARK)
        )
        self._strings = StringTable()
        self._identity = EntryIdentity("fuzz")
        self._sequence = 0
        self._runtime: Any = None

    def feed(self, entries: tuple[Entry, ...]) -> tuple[list[Told], bytes]:
        """What each entry made the plan put out, and the state at the end."""
        with np.errstate(all="ignore"), jit.interpreted() if self._form.interpreted else contextlib.nullcontext():
            self._lower(entries[0].now_ms if entries else 0)
            self._runtime.start(entries[0].now_ms if entries else 0)
            told = [self._feed(entry) for entry in entries]
            return told, self._state()

    def _lower(self, wall_ms: int) -> None:
        self._runtime = lower(self._plan, self._strings, self._identity, keep=self._keep, wall_ms=wall_ms)

    def _feed(self, entry: Entry) -> Told:
        told: Told = {}
        if entry.stream is None or entry.stream not in self._plan.defined:
            self._runtime.pass_wall_time(entry.now_ms)
            self._runtime.advance(entry.now_ms)
            self._take(told)
        else:
            schema = self._plan.stream(entry.stream).schema
            for rows in self._pieces(entry):
                self._sequence += 1
                self._identity.begin("fuzz", self._sequence)
                batch = batch_of(schema, rows, self._strings, entry.stream)
                self._runtime.publish(entry.stream, batch, entry.now_ms, one_chunk=entry.one_call)
                self._take(told)
                if sum(map(len, self._runtime._tables.values())) > TABLE_ROWS_MAX:
                    raise Explodes
                if self._form.restores and self._random.random() < self._form.restores:
                    self._restore()
        if entry.ask:
            for question in self._questions:
                told[question] = self._answer(question)
        return told

    def _pieces(self, entry: Entry) -> Iterator[tuple[Row, ...]]:
        if entry.one_call or self._form.cut == "whole":
            yield entry.rows
            return
        start = 0
        while start < len(entry.rows):
            stop = start + (1 if self._form.cut == "singles" else self._random.choice((1, 2, 3, 7, 20)))
            yield entry.rows[start:stop]
            start = stop

    def _take(self, told: Told) -> None:
        for stream, rows in self._runtime.take_outputs().items():
            told.setdefault(stream, []).extend(events_of(rows, self._strings))

    def _answer(self, question: str) -> Any:
        try:
            answer: Answer = self._runtime.ask(question)
        except (EngineFault, PlanError) as fault:
            return f"fails: {fault}"
        return None if answer.rows is None else events_of(answer.rows, answer.strings)

    def _state(self) -> bytes:
        return encode_state({"strings": list(self._strings.texts()), "state": self._runtime.snapshot()})

    def _restore(self) -> None:
        content = self._state()
        held = decode_state(content)
        self._strings = StringTable(held["strings"])
        self._lower(0)
        self._runtime.restore(held["state"])
        assert self._state() == content, "a restored state differs from the one that was saved"
