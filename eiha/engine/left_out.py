"""What of one log entry is left out, for which plan: quarantined entries, and plans that are suspended."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from eiha.engine.error_rows import ErrorRows, rows_of
from eiha.events.wire import WireBatch, WireColumn
from eiha.plan.nodes import Plan
from eiha.protocol.log_entry import LogEntry, Publications, Quarantine
from eiha.protocol.plan_streams import is_for, stream_of


class LeftOut:
    """For one entry. ``entirely``: whether no plan sees it at all. ``errors``: by plan, where rows left out go."""

    def __init__(
        self,
        entry: LogEntry,
        quarantined: tuple[Quarantine, ...],
        suspended: Mapping[str, str],
        errors: dict[str, ErrorRows],
    ) -> None:
        about = [each for each in quarantined if each.sequence == entry.sequence]
        self._entry = entry
        self._ranged = [each for each in about if each.rows]
        self._whole = {each.plan: each for each in about if not each.rows}
        self._suspended = suspended
        self._errors = errors
        self.entirely = "" in self._whole
        self.newly_suspended = {each.plan: each.reason for each in about if each.suspends}

    def covers(self, plan: str) -> bool:
        """Whether ``plan`` does not see the entry."""
        return self.entirely or plan in self._whole or plan in self._suspended

    def forbids(self, plan: str) -> bool:
        """Whether ``plan`` is not to be deployed by the entry; a plan that is only suspended may."""
        return self.entirely or plan in self._whole

    def why(self, plan: str) -> tuple[str, str]:
        """Cause and reason, for a plan that is covered."""
        found = self._whole.get(plan) or self._whole.get("")
        if found is not None:
            return found.cause, found.reason
        return "suspended", f"plan {plan!r} is suspended: {self._suspended[plan]}"

    def keep(self, plan: Plan, name: str) -> None:
        """``plan`` does not see the entry: its rows become error rows."""
        if not isinstance(self._entry.body, Publications):
            return
        cause, reason = self.why(name)
        for publication in self._entry.body.items:
            if is_for(publication, name, plan.defined):
                schema = plan.stream(stream_of(publication)).schema
                rows_of(self._errors, name).add(publication, schema, None, cause, reason)

    def without_bad_rows(self, wire: WireBatch, plan: Plan, name: str, place: int) -> WireBatch:
        """The rows of the publication at ``place`` that ``plan`` gets; the others become error rows."""
        ranges = [
            (each, part)
            for each in self._ranged
            if each.plan in ("", name)
            for part in each.rows
            if part.publication == place
        ]
        if not ranges:
            return wire
        assert isinstance(self._entry.body, Publications)
        publication = self._entry.body.items[place]
        schema = plan.stream(stream_of(publication)).schema
        kept = np.ones(wire.rows, dtype=np.bool_)
        for each, part in ranges:
            bad = [row for row in range(part.first, min(part.end, wire.rows)) if kept[row]]
            kept[bad] = False
            rows_of(self._errors, name).add(publication, schema, bad, each.cause, each.reason)
        return _taken(wire, np.flatnonzero(kept))

    def faults(self) -> tuple[str, ...]:
        """What was left out, in words."""
        return tuple(_fault_of(each) for each in (*self._whole.values(), *self._ranged))


def _fault_of(each: Quarantine) -> str:
    plan = f"plan {each.plan!r}" if each.plan else "every plan"
    if each.suspends:
        return f"{plan} is suspended from entry {each.sequence} on: {each.reason}"
    part = f"{sum(part.end - part.first for part in each.rows)} rows of entry" if each.rows else "entry"
    return f"{part} {each.sequence} left out for {plan}: {each.reason}"


def _taken(wire: WireBatch, rows: npt.NDArray[np.intp]) -> WireBatch:
    def taken(column: WireColumn) -> WireColumn:
        valid = None if column.valid is None else column.valid.take(rows)
        return WireColumn(column.type, column.values.take(rows), valid, column.dictionary)

    timestamps = None if wire.timestamps is None else wire.timestamps.take(rows)
    return WireBatch(len(rows), timestamps, tuple(taken(column) for column in wire.columns))
