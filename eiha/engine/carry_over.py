"""What goes on when a plan is replaced: parts that stand in both texts keep their state, the others begin empty.

A part is a query, a whole partition (its instances and queries belong together), a table, an aggregation, the keys of a
deduplicated stream. It is the same if its canonical text is, its name left out, and what it reads has the same
attributes. Of several equal parts the first goes on as the first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from eiha.engine.operator import OperatorState
from eiha.plan.nodes import Plan, Query
from eiha.plan.part_identity import aggregation_identity, partition_identity, query_identity, table_identity

Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class Carried:
    """``state``: for the runtime of the new plan. ``kept`` and ``begun``: its parts, in words."""

    state: OperatorState
    kept: tuple[str, ...]
    begun: tuple[str, ...]

    def __str__(self) -> str:
        return f"state kept: {', '.join(self.kept) or 'none'}; begin empty: {', '.join(self.begun) or 'none'}"


def carry_over(before: Plan, held: OperatorState, after: Plan, empty: OperatorState) -> Carried:
    """The state with which ``after`` goes on where ``before`` ends.

    Args:
        before: the plan that is replaced.
        held: its runtime's state. The strings of both plans must be one table.
        after: the plan that replaces it.
        empty: the state of its runtime, just started.
    """
    carrying = _Carrying(before, held, after, dict(empty))
    carrying.queries()
    carrying.partitions()
    carrying.definitions()
    carrying.clocks()
    return Carried(carrying.state, tuple(carrying.kept), tuple(carrying.begun))


class _Carrying:
    """The parts carried so far."""

    def __init__(self, before: Plan, held: OperatorState, after: Plan, state: OperatorState) -> None:
        self.before, self.held, self.after, self.state = before, held, after, state
        self.kept: list[str] = []
        self.begun: list[str] = []
        self._moved: dict[int, int] = {}

    def queries(self) -> None:
        """Those outside of partitions."""
        places = _pairs(_outside(self.before), _outside(self.after), query_identity, self.before, self.after)
        queries = list(self.state["queries"])
        for query in _outside(self.after):
            source = places.get(query.position)
            if source is not None:
                queries[query.position] = self.held["queries"][source]
                self._moved[source] = query.position
            self._note(f"query {query.name!r}", source is not None)
        self.state["queries"] = queries

    def partitions(self) -> None:
        """With all that stands in them."""
        old = _by_identity(range(len(self.before.partitions)), lambda at: partition_identity(self.before, at))
        gates, queries = list(self.state["gates"]), list(self.state["queries"])
        for place in range(len(self.after.partitions)):
            alike = old.get(partition_identity(self.after, place), [])
            if alike:
                source = alike.pop(0)
                gates[place] = self.held["gates"][source]
                for mine, other in zip(_within(self.after, place), _within(self.before, source), strict=True):
                    queries[mine] = self.held["queries"][other]
                    self._moved[other] = mine
                self._note(f"partition {place + 1}", is_kept=True)
            else:
                self._note(f"partition {place + 1}", is_kept=False)
        self.state["gates"], self.state["queries"] = gates, queries

    def definitions(self) -> None:
        """Tables, aggregations and the keys of streams without duplicates: known by their names."""
        tables = dict(self.state["tables"])
        known_tables = {each.name: table_identity(each) for each in self.before.tables}
        for table in self.after.tables:
            is_kept = known_tables.get(table.name) == table_identity(table)
            if is_kept:
                tables[table.name] = self.held["tables"][table.name]
            self._note(f"table {table.name!r}", is_kept)
        aggregations = list(self.state["aggregations"])
        known = {each.name: place for place, each in enumerate(self.before.aggregations)}
        for place, aggregation in enumerate(self.after.aggregations):
            source = known.get(aggregation.name)
            is_kept = source is not None and aggregation_identity(
                self.before, self.before.aggregations[source]
            ) == aggregation_identity(self.after, aggregation)
            if source is not None and is_kept:
                aggregations[place] = self.held["aggregations"][source]
            self._note(f"aggregation {aggregation.name!r}", is_kept)
        keys = dict(self.state["deduplicators"])
        for each in self.after.deduplicated:
            if each in self.before.deduplicated:
                keys[each.stream] = self.held["deduplicators"][each.stream]
        self.state |= {"tables": tables, "aggregations": aggregations, "deduplicators": keys}

    def clocks(self) -> None:
        """The clocks go on; so do timers of queries kept, and triggers if they are the same."""
        if self.before.playback == self.after.playback:
            self.state["clock_ms"] = max(self.held["clock_ms"], self.state["clock_ms"])
        self.state["wall_ms"] = max(self.held["wall_ms"], self.state["wall_ms"])
        if self.before.triggers == self.after.triggers and self.after.triggers:
            self.state["triggers"] = self.held["triggers"]
            self._note("triggers", is_kept=True)

    def _note(self, part: str, is_kept: bool) -> None:
        (self.kept if is_kept else self.begun).append(part)


def _outside(plan: Plan) -> list[Query]:
    return [query for query in plan.queries if query.partition is None]


def _within(plan: Plan, place: int) -> list[int]:
    return [query.position for query in plan.queries if query.partition == place]


def _pairs(
    old: Sequence[Query], new: Sequence[Query], identity: Callable[[Plan, Query], str], before: Plan, after: Plan
) -> dict[int, int]:
    """For the position of each new query that an old one equals, the position of that one."""
    known = _by_identity(old, lambda query: identity(before, query))
    found: dict[int, int] = {}
    for query in new:
        alike = known.get(identity(after, query), [])
        if alike:
            found[query.position] = alike.pop(0).position
    return found


def _by_identity(parts: Any, identity: Callable[[Any], str]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for part in parts:
        found.setdefault(identity(part), []).append(part)
    return found
