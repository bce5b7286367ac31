"""What a plan's runtime drives besides plain queries, as protocols: it knows neither tables nor partitions."""

from __future__ import annotations

from typing import Protocol

from eiha.engine.chunk_clock import ChunkClock
from eiha.engine.operator import OperatorState, RowClock
from eiha.engine.state_part import StatePart
from eiha.events.batch import EventBatch
from eiha.plan.nodes import Query


class Listener(Protocol):
    """Told of each chunk as it happens. A plan with a listener is fed one chunk at a time."""

    def query_put_out(self, query: Query, batch: EventBatch, turned_ms: int | None) -> None:
        """A query put out a chunk; rows have their kinds.

        No rows: a batch window turned, with a reset stamped ``turned_ms``, but all of its rows were kept back; or, with
        ``turned_ms`` None, a snapshot found nothing to show.
        """

    def stream_got(self, stream: str, batch: EventBatch) -> None:
        """A stream got a chunk, and its queries are through with it."""


class QueryProcess(Protocol):
    """One query at work: ``QueryRuntime``, or one for each key of a partition."""

    @property
    def query(self) -> Query:
        """The query as bound."""

    @property
    def turned_ms(self) -> int | None:
        """Timestamp of a reset in the last call that a listener is told of, even if no row is left."""

    @property
    def quiet_calls(self) -> int:
        """How often listeners are called without rows, after what the last call put out."""

    def receive(self, stream: str, batch: EventBatch, clock: ChunkClock) -> EventBatch | None:
        """What the rows of ``stream`` make the query put out, kinds as they are; None for nothing.

        Raises:
            EngineFault: a row cannot be processed.
        """

    def pass_time(self, clock: ChunkClock) -> EventBatch | None:
        """What timers put out while rows pass that do not reach the query."""

    def next_timer_ms(self) -> int | None:
        """The earliest timer."""

    def fire(self, now_ms: int) -> EventBatch | None:
        """Let the earliest timer fire. Raises ``EngineFault``."""

    def pass_wall_time(self, wall_ms: int, now_ms: int) -> EventBatch | None:
        """In playback: what the wall clock (the log time) makes the query put out, the event clock being ``now_ms``.

        Raises:
            EngineFault: a row cannot be processed.
        """

    def snapshot(self) -> OperatorState:
        """The whole state."""

    def parts(self) -> tuple[StatePart, ...]:
        """The same, operator by operator; those that keep nothing are left out."""

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""


class TableAction(Protocol):
    """What a query does to a table with the rows that it puts out."""

    def apply(self, batch: EventBatch, clock: RowClock) -> None:
        """Let each row act, in order; ``batch`` holds only kinds that the output clause asks for.

        Raises:
            EngineFault: a row cannot act; those before it have.
        """


class TableRows(Protocol):
    """The rows of a table."""

    def take_complaints(self) -> tuple[str, ...]:
        """What was refused since the last call, in words."""

    def snapshot(self) -> OperatorState:
        """All rows."""

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""


class PartitionGate(Protocol):
    """Where the rows of a stream enter a partition."""

    def enter(self, stream: str, batch: EventBatch, clock: ChunkClock, *, apart: bool = False) -> EventBatch:
        """The same rows with ``keys``: left out where there is no key, repeated where there are several.

        A row's copies stand one after the other, in the order of the text, and keep its chunk number; with ``apart``
        they are numbered on from it, so that they are chunks of their own. A stream without key may come with one
        chunk only, which then stands whole for each instance.
        """

    def snapshot(self) -> OperatorState:
        """The keys known."""

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
