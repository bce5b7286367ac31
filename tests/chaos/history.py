"""What is recorded of a run, as data: what clients did, what the stores hold, what nodes and witness say.

The checkers see only this. Nothing here asks a running system; ``stores.py``, ``clients.py`` and ``watch.py`` fill it.
Times are ``time.monotonic()`` seconds of the campaign's process.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from benchmarks.generated import generate
from eiha.events.wire import WireBatch

NOT_ACKNOWLEDGED: Final = math.nan

SPEC: Final = "int({client},{client});seq;sym(20);double(0,1000);int(1,1000)"
"""Attributes of the stream ``Trades``: client, number, symbol, price, volume."""

Integers = npt.NDArray[np.int64]


@dataclass(slots=True)
class ClientHistory:
    """One client: publication ``i`` held the rows ``i * rows`` to ``(i + 1) * rows``, all with the time ``time_ms[i]``.

    Attributes:
        client: its number, which is in every row.
        kind: how it publishes, for the report.
        rows: rows of each publication.
        sent_s: when each publication was handed to the client library.
        acked_s: when its acknowledgement was seen; not-a-number if it never was.
        time_ms: event time of each publication's rows.
        refused: publications that were refused, with the reason: they must not be in the store.
    """

    client: int
    kind: str
    rows: int
    sent_s: list[float] = field(default_factory=list)
    acked_s: list[float] = field(default_factory=list)
    time_ms: list[int] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)

    @property
    def is_stamped(self) -> bool:
        """Whether rows carry a time of their own; over HTTP they get that of the log."""
        return self.kind != "http"

    @property
    def publications(self) -> int:
        """How many were sent."""
        return len(self.sent_s)

    def batch(self, first: int, count: int = 1) -> WireBatch:
        """Publications ``first`` to ``first + count`` as they were or are to be sent, without timestamps."""
        spec = SPEC.format(client=self.client)
        return generate(spec, first=first * self.rows, rows=count * self.rows, dt_ms=None, seed=self.client)


@dataclass(frozen=True, slots=True)
class StoredEvents:
    """The event store's rows in the order of the log: position, then what was stored."""

    sequence: Integers
    ordinal: Integers
    event_time_ms: Integers
    log_time_ms: Integers
    client: Integers
    number: Integers
    rest: list[tuple[Any, ...]]
    """Symbol, price and volume of each row."""

    def __len__(self) -> int:
        return len(self.sequence)


@dataclass(frozen=True, slots=True)
class StoredOutputs:
    """One output stream in the order of the log: ``(sequence, ordinal, event time, attributes…)`` a row."""

    stream: str
    rows: list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class WitnessChange:
    """One line of the witness's history."""

    version: int
    epoch: int
    active: tuple[str, str]
    synced: tuple[tuple[str, str], ...]
    reason: str


@dataclass(frozen=True, slots=True)
class RoleSample:
    """What one node said of itself from ``at_s`` on, until the next sample. Empty words: it did not answer."""

    at_s: float
    node: str
    role: str
    state: str
    epoch: int


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of a node's log. ``start``: which start of the node it is of, counted from 1."""

    node: str
    start: int
    level: str
    event: str
    epoch: int
    message: str
    at_wall_s: float


@dataclass(frozen=True, slots=True)
class Digest:
    """A node's state at the end, at the sequence that it was taken at."""

    node: str
    sequence: int
    digest: str


@dataclass(frozen=True, slots=True)
class UnexpectedEnd:
    """A node process that ended although nobody ended it."""

    node: str
    at_s: float
    status: int
    tail: str
