"""What expressions read: the rows at hand, by source, with their clocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol, SupportsIndex

import numpy as np
import numpy.typing as npt

from eiha.events.column import Column, Indices
from eiha.events.light import light_dataclass
from eiha.events.strings import StringTable
from eiha.plan.expressions import AttributeRef, EventIsNull, InTable

Longs = npt.NDArray[np.int64]


class Columns(Protocol):
    """Columns by position: a tuple, or something that behaves like one."""

    def __getitem__(self, position: SupportsIndex, /) -> Column:
        """The column at ``position``."""

    def __len__(self) -> int:
        """How many there are."""

    def __iter__(self) -> Iterator[Column]:
        """All, in order."""


class TakenColumns:
    """The rows at ``indices`` of other columns, gathered column by column when they are first read."""

    __slots__ = ("_columns", "_indices", "_taken")

    def __init__(self, columns: Columns, indices: Indices) -> None:
        self._columns = columns
        self._indices = indices
        self._taken: dict[SupportsIndex, Column] = {}

    def __getitem__(self, position: SupportsIndex, /) -> Column:
        taken = self._taken.get(position)
        if taken is None:
            taken = self._taken[position] = self._columns[position].take(self._indices)
        return taken

    def __len__(self) -> int:
        return len(self._columns)

    def __iter__(self) -> Iterator[Column]:
        return (self[position] for position in range(len(self)))


@light_dataclass(frozen=True, slots=True)
class Rows:
    """Columns by source and position, event timestamps and clock (``currentTimeMillis``), one entry a row.

    ``aggregates`` and ``outputs`` are there for select, having and order by only.
    """

    count: int
    columns: tuple[Columns, ...]
    timestamps: Longs
    now_ms: Longs
    aggregates: Columns = ()
    outputs: Columns = ()

    def take(self, indices: Indices) -> Rows:
        """The rows at ``indices``; columns are gathered when they are read."""
        return Rows(
            len(indices),
            tuple([TakenColumns(source, indices) for source in self.columns]),
            self.timestamps.take(indices),
            self.now_ms.take(indices),
            TakenColumns(self.aggregates, indices) if len(self.aggregates) else (),
            TakenColumns(self.outputs, indices) if len(self.outputs) else (),
        )

    def with_outputs(self, outputs: Columns) -> Rows:
        """The same rows, with the query's own output columns."""
        return Rows(self.count, self.columns, self.timestamps, self.now_ms, self.aggregates, outputs)


@dataclass(slots=True)
class EntryIdentity:
    """Which log entry is being applied: what ``UUID()`` derives from. ``ordinal`` counts within the entry."""

    plan: str = ""
    sequence: int = 0
    ordinal: int = 0

    def begin(self, plan: str, sequence: int) -> None:
        """A new entry begins."""
        self.plan = plan
        self.sequence = sequence
        self.ordinal = 0

    def reserve(self, count: int) -> int:
        """The first of ``count`` fresh ordinals."""
        first = self.ordinal
        self.ordinal += count
        return first


def _from_source(reference: AttributeRef) -> Callable[[Rows], Column]:
    source, attribute = reference.source, reference.attribute
    return lambda rows: rows.columns[source][attribute]


def _no_events(node: EventIsNull) -> Callable[[Rows], Column]:
    raise AssertionError(f"an event reference outside a pattern: {node}")


def _no_tables(node: InTable, _scope: Scope) -> Callable[[Rows], Column]:
    raise AssertionError(f"a table where there are none: {node}")


@dataclass(frozen=True, slots=True)
class Scope:
    """What names mean where an expression stands.

    ``attribute`` says where a reference's column is found in the rows, by default at (source, attribute);
    ``event_is_null`` the same for ``e1 is null``; ``in_table`` compiles ``(condition) in T``, given this scope.
    """

    strings: StringTable
    identity: EntryIdentity = field(default_factory=EntryIdentity)
    attribute: Callable[[AttributeRef], Callable[[Rows], Column]] = _from_source
    event_is_null: Callable[[EventIsNull], Callable[[Rows], Column]] = _no_events
    in_table: Callable[[InTable, Scope], Callable[[Rows], Column]] = _no_tables
