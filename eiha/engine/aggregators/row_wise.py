"""Aggregators that are plain Python objects, one a group: sets, lists, texts, and those that plans bring along."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregators.aggregator import Touched
from eiha.engine.expressions.boxes import boxed, unboxed
from eiha.engine.faults import EngineFault
from eiha.engine.operator import OperatorState
from eiha.events.batch import Kind
from eiha.events.column import Column, Mask
from eiha.events.schema import AttributeType
from eiha.events.strings import StringTable

_EXPIRED = int(Kind.EXPIRED)


class RowState(Protocol):
    """What one group keeps. Values are those of the arguments, None for null."""

    def add(self, *values: Any) -> None:
        """A row comes."""

    def remove(self, *values: Any) -> None:
        """A row that was added leaves."""

    def value(self) -> Any:
        """What the aggregate is now; None: null."""

    def snapshot(self) -> Any:
        """Plain values: numbers, texts, lists and maps of these."""

    def restore(self, state: Any) -> None:
        """Take over what ``snapshot`` gave."""


class RowWise:
    """Calls a ``RowState`` for each row; a reset begins with a fresh one.

    Args:
        make: an empty state.
        type_: of the result.
        strings: the plan's.
        has_several: the argument is a tuple of the arguments.
        foreign: the name under which errors of the code are told; None: our own.
        gives_plain: values are objects as they are held, and are given away for good.
    """

    __slots__ = ("_epochs", "_foreign", "_gives_plain", "_has_several", "_make", "_states", "_strings", "_type")

    def __init__(
        self,
        make: Callable[[], RowState],
        type_: AttributeType,
        strings: StringTable,
        *,
        has_several: bool,
        foreign: str | None = None,
        gives_plain: bool = False,
    ) -> None:
        self._gives_plain = gives_plain
        self._make = make
        self._type = type_
        self._strings = strings
        self._has_several = has_several
        self._foreign = foreign
        self._states: dict[int, RowState] = {}
        self._epochs: dict[int, int] = {}

    def update(self, touched: Touched, argument: Column | None) -> Column:
        """See ``Aggregator``."""
        values: list[Any] = [()] * len(touched)
        if argument is not None:
            values = boxed(argument, self._strings)
            if not self._has_several:
                values = [(value,) for value in values]
        found: list[Any] = []
        rows = zip(touched.groups.tolist(), touched.epochs.tolist(), touched.kinds.tolist(), values, strict=True)
        try:
            for group, epoch, kind, row in rows:
                state = self._states.get(group)
                if state is None or self._epochs[group] != epoch:
                    state = self._states[group] = self._make()
                    self._epochs[group] = epoch
                if kind == _EXPIRED:
                    state.remove(*row)
                else:
                    state.add(*row)
                found.append(state.value())
        except EngineFault:
            raise
        except Exception as cause:
            if self._foreign is None:
                raise
            raise EngineFault(f"aggregator {self._foreign} failed: {cause!r}") from cause
        if self._gives_plain:
            objects = np.empty(len(found), dtype=np.object_)
            objects[:] = found
            return Column(self._type, objects)
        return unboxed(self._type, found, self._strings, self._foreign or "an aggregator")

    def in_use(self, epoch: int) -> Mask:
        """See ``Aggregator``: what would be saved is not what would be saved of a fresh one."""
        found: Mask = np.zeros(max(self._states, default=-1) + 1, dtype=np.bool_)
        fresh = self._make().snapshot()
        for group, state in self._states.items():
            found[group] = self._epochs[group] == epoch and state.snapshot() != fresh
        return found

    def keep(self, groups: npt.NDArray[np.int64]) -> None:
        """See ``Aggregator``."""
        numbers = {group: number for number, group in enumerate(groups.tolist())}
        kept = [group for group in self._states if group in numbers]
        self._epochs = {numbers[group]: self._epochs[group] for group in kept}
        self._states = {numbers[group]: self._states[group] for group in kept}

    def snapshot(self) -> OperatorState:
        """The state of each group, in order of first sight."""
        return {"groups": [[group, self._epochs[group], state.snapshot()] for group, state in self._states.items()]}

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self._states, self._epochs = {}, {}
        for group, epoch, part in state["groups"]:
            fresh = self._make()
            fresh.restore(part)
            self._states[group] = fresh
            self._epochs[group] = epoch
