"""Outputs: what plans emit, numbered by the log, held in the outbox until a sink has them."""

from __future__ import annotations

from dataclasses import dataclass

from eiha.events.schema import StreamDefinition
from eiha.events.wire import WireBatch
from eiha.kernel.ids import Epoch, LogTimeMs, Sequence


@dataclass(frozen=True, slots=True)
class OutputBatch:
    """Rows that one plan put into one output stream because of one log entry.

    The id of row i is ``(plan, stream.name, sequence, first_ordinal + i)``. ``sink`` names the outbox lane
    (``events`` for raw events of stored streams, ``processed`` for outputs). ``batch.timestamps`` is never None.
    """

    sink: str
    plan: str
    stream: StreamDefinition
    sequence: Sequence
    log_time_ms: LogTimeMs
    first_ordinal: int
    batch: WireBatch


@dataclass(frozen=True, slots=True)
class PublishPermit:
    """The right to publish as the active of ``epoch``. Only ``ha.member`` makes one; stores check the epoch."""

    epoch: Epoch


@dataclass(frozen=True, slots=True)
class AppliedEntry:
    """What the engine says of one entry.

    ``faults``: what failed in which plan and query, ``notes``: what operators want to know; both for the log.
    ``refusal``: why a ``TableStatement`` was not carried out, or not whole; empty when it was, or the entry is another.
    """

    outputs: tuple[OutputBatch, ...]
    next_timer_ms: int | None
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    refusal: str = ""
