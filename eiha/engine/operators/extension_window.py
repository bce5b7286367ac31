"""A window that a package registered: its code gets rows as tuples, one by one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from eiha.engine.expressions.boxes import boxed, unboxed
from eiha.engine.faults import EngineFault
from eiha.engine.operator import FIRED_CHUNK, OperatorState, RowClock
from eiha.events.batch import EventBatch, Kind
from eiha.events.schema import Schema
from eiha.events.strings import StringTable
from eiha.plan.expressions import Literal
from eiha.plan.nodes import Window
from eiha.plan.registry import WindowExtension

_Put = tuple[tuple[Any, ...], bool]


class ExtensionWindow:
    """Rows that come are handed to the package's object; what it gives goes on in the chunk of the row that caused it.

    Its plans are fed one chunk at a time, so timers have fired when a row comes. Rows that leave are stamped with the
    time at which they do; current ones with that of the row, or of the timer, that puts them out.
    """

    __slots__ = ("_made", "_name", "_schema", "_strings")

    def __init__(self, window: Window, extension: WindowExtension, schema: Schema, strings: StringTable) -> None:
        constants = [argument.value for argument in window.arguments if isinstance(argument, Literal)]
        self._name = f"window {window.name!r}"
        self._schema = schema
        self._strings = strings
        self._made = extension.make(*constants)

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        """What the rows make the window put out."""
        lists = [boxed(column, self._strings) for column in batch.columns]
        chunks = batch.chunk_numbers().tolist()
        times = clock.now_ms.tolist()
        put: list[_Put] = []
        stamps: list[int] = []
        numbers: list[int] = []
        rows = zip(*lists, strict=True) if lists else iter([()] * len(batch))
        for index, row in enumerate(rows):
            given = self._given(lambda row=row, now=times[index]: self._made.receive(row, now))
            put += given
            stamps += [times[index] if is_expired else int(batch.timestamps[index]) for _, is_expired in given]
            numbers += [chunks[index]] * len(given)
        return self._batch(put, stamps, numbers)

    def fire(self, now_ms: int) -> EventBatch | None:
        """What the timer makes the window put out."""
        given = self._given(lambda: self._made.fire(now_ms))
        return self._batch(given, [now_ms] * len(given), [FIRED_CHUNK] * len(given)) if given else None

    def next_timer_ms(self) -> int | None:
        """When the window wants to be called."""
        due = self._made.timer_ms()
        return None if due is None else int(due)

    def _given(self, call: Any) -> list[_Put]:
        try:
            found: Iterable[Any] = call()
            given = [(tuple(row), bool(is_expired)) for row, is_expired in found or ()]
        except Exception as cause:
            raise EngineFault(f"{self._name} failed: {cause!r}") from cause
        for row, _ in given:
            if len(row) != len(self._schema):
                raise EngineFault(f"{self._name} gave {len(row)} values for {self._schema}")
        return given

    def _batch(self, put: list[_Put], stamps: list[int], numbers: list[int]) -> EventBatch:
        columns = tuple(
            unboxed(attribute.type, [row[place] for row, _ in put], self._strings, self._name)
            for place, attribute in enumerate(self._schema.attributes)
        )
        kinds = np.array([Kind.EXPIRED if is_expired else Kind.CURRENT for _, is_expired in put], dtype=np.uint8)
        return EventBatch(
            self._schema,
            np.array(stamps, dtype=np.int64),
            columns,
            kinds,
            np.array(numbers, dtype=np.int64),
        )

    def snapshot(self) -> OperatorState:
        """What the object gives."""
        return {"state": self._made.snapshot()}

    def restore(self, state: OperatorState) -> None:
        """Hand it back."""
        self._made.restore(state["state"])
