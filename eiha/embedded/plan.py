"""A plan at work in this process, without a node, a log or a peer."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from eiha.embedded.incoming import Incoming, timestamps_of
from eiha.embedded.outputs import Output
from eiha.engine import jit
from eiha.engine.expressions.rows import EntryIdentity
from eiha.engine.lower import lower
from eiha.engine.plan_runtime import PlanRuntime
from eiha.engine.snapshot import decode_state, encode_state
from eiha.engine.string_sweep import sweep
from eiha.errors import CorruptFile, UnknownStream
from eiha.events.batch import EventBatch, no_rows
from eiha.events.schema import Schema
from eiha.events.strings import StringTable
from eiha.plan.compilation import compile_plan
from eiha.plan.explain import explain
from eiha.plan.nodes import ENTRY_MARK
from eiha.siddhiql.diagnostics import did_you_mean

_STATE_FORMAT: Final = 2
"""Format of ``Plan.snapshot``; raised when its sections change."""

_FAULTS_MAX: Final = 1_000
"""So many faults are kept at a sweep for whoever asks for them later."""


class Plan:
    """A SiddhiQL plan that takes events and gives outputs back.

    >>> plan = Plan("define stream S (symbol string, price double);"
    ...             "from S[price > 10] select symbol, price insert into High;")
    >>> plan.send("S", [("A", 12.5), ("B", 7.0)])["High"].rows()
    [('A', 12.5)]

    Time: with ``@app:playback`` (or ``playback=True``) event times drive windows and timers. Else the plan lives by the
    clock: that of ``send(..., now_ms=...)`` and ``advance``, or the machine's where none was ever given.

    Args:
        text: SiddhiQL.
        playback: let event times drive the plan, whatever its text says.
        outputs: the streams whose rows are wanted; None: all that queries fill.

    Raises:
        PlanError: the text is refused; it names line and column, and what would be valid.
        UnknownStream: ``outputs`` names a stream that the plan does not have.
    """

    def __init__(self, text: str, *, playback: bool | None = None, outputs: Iterable[str] | None = None) -> None:
        jit.warm()
        self._text = text
        self._plan = compile_plan(text)
        if playback is not None:
            self._plan = replace(self._plan, playback=playback)
        filled = {query.output.target for query in self._plan.queries}
        streams = [each.name for each in self._plan.streams if not each.name.startswith(ENTRY_MARK)]
        wanted = [name for name in streams if name in filled] if outputs is None else list(outputs)
        for name in wanted:
            self._refuse_unknown(name, streams)
        self._wanted = frozenset(wanted)
        self._strings = StringTable()
        self._identity = EntryIdentity(self._plan.name)
        self._sequence = 0
        self._clock_given = self._plan.playback
        self._faults: tuple[str, ...] = ()
        self._has_started = False
        self._begin(0)

    def _begin(self, now_ms: int) -> None:
        self._runtime = self._lowered(now_ms)
        self._incoming = Incoming(self._strings)
        self._schemas = {each.name: each.schema for each in self._plan.streams if not each.name.startswith(ENTRY_MARK)}

    def _lowered(self, now_ms: int) -> PlanRuntime:
        return lower(self._plan, self._strings, self._identity, keep=self._wanted, wall_ms=now_ms)

    def _sweep(self) -> None:
        """Forget strings that nothing holds, if many came; outputs that were taken keep theirs."""
        if self._strings.is_sweep_due:
            self._faults = (self._faults + self._runtime.take_faults())[:_FAULTS_MAX]
            clock_ms = self._runtime.clock_ms
            self._runtime = sweep(self._strings, self._runtime, lambda: self._lowered(clock_ms))
            self._incoming = Incoming(self._strings)

    def _start(self, now_ms: int) -> None:
        """The plan starts when it is first told a time: triggers and the periods of rate limits count from there."""
        if not self._has_started:
            self._has_started = True
            self._begin(now_ms)
            self._runtime.start(now_ms)

    @classmethod
    def load(cls, path: str | Path, **options: Any) -> Plan:
        """The plan in a file. Raises ``OSError`` and what the class raises."""
        return cls(Path(path).read_text(encoding="utf-8"), **options)

    @property
    def name(self) -> str:
        """The plan's name (``@app:name``)."""
        return self._plan.name

    @property
    def streams(self) -> Mapping[str, Schema]:
        """All streams of the plan: defined ones and those that queries fill."""
        return dict(self._schemas)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What in the text has no effect here."""
        return self._plan.warnings

    def explain(self) -> str:
        """The plan as it runs, in words."""
        return explain(self._text)

    def send(
        self, stream: str, data: Any, *, timestamps: Any = None, now_ms: int | None = None, one_call: bool = False
    ) -> dict[str, Output]:
        """Send events and take what they make the plan put out, by stream; streams without rows are left out.

        Args:
            stream: where the rows enter.
            data: a list of tuples or mappings, a mapping from names to arrays, lists or ``Texts``, a pandas or polars
                frame, an Arrow table. Arrays are not copied where types fit: do not change them afterwards.
            timestamps: event times in ms: one a row, or one for all; None: the plan's clock.
            now_ms: the clock of a plan that is not in playback; None: the machine's, unless one was given before.
            one_call: the rows are one call of Siddhi's ``send(Event[])``: one chunk, which the ``batch`` window keeps
                together; else as if sent one by one.

        Raises:
            UnknownStream: the plan has no such stream.
            WrongSchema, WrongValue: the data does not fit the stream; nothing was sent.
        """
        schema = self._schemas.get(stream)
        if schema is None:
            self._refuse_unknown(stream, list(self._schemas))
            raise AssertionError(stream)
        columns, rows = self._incoming.columns(data, schema)
        clock_ms = self._clock(now_ms)
        batch = EventBatch(schema, timestamps_of(timestamps, rows, clock_ms), columns)
        return self.send_batch(stream, batch, clock_ms, one_call=one_call)

    def send_batch(self, stream: str, batch: EventBatch, now_ms: int, *, one_call: bool = False) -> dict[str, Output]:
        """As ``send``, with columns of this plan's strings."""
        self._sequence += 1
        self._identity.begin(self._plan.name, self._sequence)
        with np.errstate(all="ignore"):
            self._start(now_ms)
            self._runtime.publish(stream, batch, now_ms, one_chunk=one_call)
        return self._taken()

    def advance(self, now_ms: int) -> dict[str, Output]:
        """Move the clock (in playback the event clock), and take what timers put out."""
        self._clock_given = True
        self._sequence += 1
        self._identity.begin(self._plan.name, self._sequence)
        with np.errstate(all="ignore"):
            self._start(now_ms)
            self._runtime.advance(now_ms)
        return self._taken()

    def ask(self, question: str) -> Output:
        """The rows that an on-demand query finds; a statement (insert, update, delete) changes tables and gives none.

        Raises:
            PlanError: it is neither, or does not fit the plan.
            EngineFault: a row cannot be evaluated.
        """
        with np.errstate(all="ignore"):
            answer = self._runtime.ask(question)
        output = Output(no_rows(answer.schema) if answer.rows is None else answer.rows, answer.strings.view())
        if answer.is_statement:
            self._sweep()
        return output

    def take_faults(self) -> tuple[str, ...]:
        """What failed while events were processed since the last call; the events that failed were dropped."""
        faults, self._faults = self._faults + self._runtime.take_faults(), ()
        return faults

    def snapshot(self) -> bytes:
        """The whole state, to be restored into a plan of the same text."""
        return encode_state(
            {
                "format": _STATE_FORMAT,
                "text": self._text,
                "sequence": self._sequence,
                "has_started": self._has_started,
                "strings": self._strings.snapshot(),
                "state": self._runtime.snapshot(),
            }
        )

    def restore(self, content: bytes) -> None:
        """Take over a state that ``snapshot`` gave.

        Raises:
            CorruptFile: ``content`` is damaged, or of another plan or format; nothing has changed.
        """
        state = decode_state(content)
        if state.get("format") != _STATE_FORMAT or state.get("text") != self._text:
            raise CorruptFile("the state is of another plan or another version")
        self._strings = StringTable.restored(state["strings"])
        self._sequence = state["sequence"]
        self._has_started = state["has_started"]
        self._begin(0)
        self._runtime.restore(state["state"])

    def _clock(self, now_ms: int | None) -> int:
        if now_ms is not None:
            self._clock_given = True
            return max(now_ms, self._runtime.clock_ms)
        if self._clock_given:
            return self._runtime.clock_ms
        return max(time.time_ns() // 1_000_000, self._runtime.clock_ms)

    def _taken(self) -> dict[str, Output]:
        strings = self._strings.view()
        self._runtime.failed.forget()
        taken = {stream: Output(batch, strings) for stream, batch in self._runtime.take_outputs().items()}
        self._sweep()
        return taken

    @staticmethod
    def _refuse_unknown(name: str, known: list[str]) -> None:
        if name not in known:
            raise UnknownStream(f"the plan has no stream {name!r}" + did_you_mean(name, known))
