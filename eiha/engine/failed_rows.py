"""Rows on which a query failed, of streams with ``@OnError(action='STORE')``: they go to the error store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from eiha.engine.error_rows import ErrorRows
from eiha.engine.wire_edge import WireEdge
from eiha.events.batch import EventBatch
from eiha.plan.nodes import Plan
from eiha.protocol.log_entry import Publication

CAUSE: Final = "failed"


class FailedRows:
    """Those of one plan and entry, until they are taken; their strings are the plan's."""

    __slots__ = ("_kept", "_plan", "_streams")

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._streams = frozenset(plan.error_streams)
        self._kept: list[tuple[str, EventBatch, str]] = []

    def keep(self, stream: str, batch: EventBatch, reason: str) -> None:
        """A reader of ``stream`` failed on ``batch``; kept if the stream asks for it."""
        if stream in self._streams:
            self._kept.append((stream, batch, reason))

    def forget(self) -> None:
        """Drop them: there is no error store here."""
        self._kept = []

    def __bool__(self) -> bool:
        return bool(self._kept)

    def give(self, errors: ErrorRows, edge: WireEdge, publication: Publication | None, *, has_time: bool) -> None:
        """Hand them over, in the order in which they failed.

        Args:
            errors: takes them.
            edge: the plan's.
            publication: at which they failed; None: as time passed.
            has_time: whether its client gave the time of the events.
        """
        for stream, batch, reason in self._taken():
            schema = self._plan.stream(stream).schema
            errors.add_failed(stream, edge.leave(batch), schema, CAUSE, reason, publication, has_time=has_time)

    def _taken(self) -> Iterator[tuple[str, EventBatch, str]]:
        kept, self._kept = self._kept, []
        yield from kept
