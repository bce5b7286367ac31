"""The state of one plan, part by part: each has a name that says where in the plan it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from eiha.engine.operator import OperatorState
from eiha.engine.plan_parts import PartitionGate, QueryProcess, TableRows
from eiha.engine.state_part import StatePart
from eiha.plan.nodes import Aggregation


class AggregationState(Protocol):
    """An aggregation, as far as its state goes."""

    @property
    def definition(self) -> Aggregation:
        """As bound."""

    def snapshot(self) -> OperatorState:
        """The whole state."""


class KeysSeen(Protocol):
    """What leaves out the duplicates of a stream."""

    def snapshot(self) -> OperatorState:
        """The keys seen."""


def plan_state_parts(
    clocks: Callable[[], OperatorState],
    queries: Sequence[QueryProcess],
    gates: Sequence[PartitionGate],
    tables: Mapping[str, TableRows],
    aggregations: Sequence[AggregationState],
    deduplicators: Mapping[str, KeysSeen],
) -> tuple[StatePart, ...]:
    """The parts of a plan's state; ``path`` of each is its place in ``PlanRuntime.snapshot``, empty for the clocks."""
    found = [StatePart("clocks and timers", (), clocks)]
    for place, query in enumerate(queries):
        name = f"query {query.query.name!r}"
        found += [part.within(name, "queries", place) for part in query.parts()]
    for place, gate in enumerate(gates):
        found.append(StatePart(f"partition {place + 1}, its keys", ("gates", place), gate.snapshot))
    for table_name, table in tables.items():
        found.append(StatePart(f"table {table_name!r}", ("tables", table_name), table.snapshot))
    for place, aggregation in enumerate(aggregations):
        name = f"aggregation {aggregation.definition.name!r}"
        found.append(StatePart(name, ("aggregations", place), aggregation.snapshot))
    for stream, keys in deduplicators.items():
        found.append(StatePart(f"keys seen of stream {stream!r}", ("deduplicators", stream), keys.snapshot))
    return tuple(found)
