"""From a plan's partitions to gates and to the queries behind them."""

from __future__ import annotations

from collections.abc import Callable

from eiha.engine.expressions.rows import Scope
from eiha.engine.partitions.gate import Gate
from eiha.engine.partitions.instances import Instances, Numbers
from eiha.engine.partitions.keyed_pattern import KeyedPattern
from eiha.engine.partitions.keyed_query import KeyedQuery
from eiha.engine.partitions.per_key_query import PerKeyQuery
from eiha.engine.plan_parts import QueryProcess
from eiha.plan.nodes import PatternInput, Plan, Query

Make = Callable[[Query], QueryProcess]
KeyedProcess = KeyedQuery | KeyedPattern
MakeKeyed = Callable[[Query, Instances], KeyedProcess | None]


def make_queries(
    plan: Plan, scope: Scope, make: Make, make_keyed: MakeKeyed
) -> tuple[tuple[QueryProcess, ...], tuple[Gate, ...], frozenset[int]]:
    """The queries of ``plan``, those of partitions by key, and a gate for each partition; and the positions of the
    queries whose timers let idle instances be forgotten.

    Args:
        plan: as bound.
        scope: strings and names.
        make: gives the runtime of a query outside of partitions, or of one instance of a query within.
        make_keyed: gives the runtime of a query for all instances at once, or None.
    """
    instances = tuple(Instances(partition.purge) for partition in plan.partitions)
    members: list[list[PerKeyQuery | KeyedProcess]] = [[] for _ in plan.partitions]
    processes: list[QueryProcess] = []
    for query in plan.queries:
        if query.partition is None:
            processes.append(make(query))
            continue
        known = instances[query.partition]
        process = make_keyed(query, known) or _per_key(query, plan, make)
        members[query.partition].append(process)
        processes.append(process)
    purging: set[int] = set()
    gates: list[Gate] = []
    for partition, known, queries in zip(plan.partitions, instances, members, strict=True):
        # at one moment, the timers of the others go first
        last = next((each for each in reversed(queries) if isinstance(each, PerKeyQuery)), None)
        if last is not None and known.forgets:
            last.forgets_by(known, _forgetting(queries))
            purging.add(last.query.position)
        by_rows = known.forgets and last is None
        gates.append(Gate(partition, scope, known, tuple(queries), forgets_as_rows_come=by_rows))
    return tuple(processes), tuple(gates), frozenset(purging)


def _per_key(query: Query, plan: Plan, make: Make) -> PerKeyQuery:
    first = make(query)  # also where a query cannot be run, this is where it shows
    spare = [] if query.rate is not None else [first]  # periods begin with the instance
    is_begun = query.rate is not None or isinstance(query.input, PatternInput)
    return PerKeyQuery(
        query,
        lambda: spare.pop() if spare else make(query),
        playback=plan.playback,
        is_begun=is_begun,
    )


def _forgetting(queries: list[PerKeyQuery | KeyedProcess]) -> Callable[[Numbers], None]:
    def forget(instances: Numbers) -> None:
        for query in queries:
            query.forget(instances)

    return forget
