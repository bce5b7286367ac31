"""From a plan's partitions to gates and to the queries behind them."""

from __future__ import annotations

from collections.abc import Callable

from eiha.engine.expressions.rows import Scope
from eiha.engine.partitions.gate import Gate
from eiha.engine.partitions.instances import Instances
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
) -> tuple[tuple[QueryProcess, ...], tuple[Gate, ...]]:
    """The queries of ``plan``, those of partitions by key, and a gate for each partition.

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
        process = make_keyed(query, known) or _per_key(query, plan, make, known)
        members[query.partition].append(process)
        processes.append(process)
    for queries in members:
        for member in queries:
            if isinstance(member, PerKeyQuery):
                member.forgets_by(_forgetting(queries))
    gates = tuple(
        Gate(partition, scope, known, tuple(queries))
        for partition, known, queries in zip(plan.partitions, instances, members, strict=True)
    )
    return tuple(processes), gates


def _per_key(query: Query, plan: Plan, make: Make, instances: Instances) -> PerKeyQuery:
    first = make(query)  # also where a query cannot be run, this is where it shows
    spare = [] if query.rate is not None else [first]  # periods begin with the instance
    is_begun = query.rate is not None or isinstance(query.input, PatternInput)
    return PerKeyQuery(
        query,
        lambda: spare.pop() if spare else make(query),
        playback=plan.playback,
        is_begun=is_begun,
        purge=instances if _lets_forget(query, plan) else None,
    )


def _lets_forget(query: Query, plan: Plan) -> bool:
    """Whether ``query`` is the last of a partition with a purge: at one moment, the timers of the others go first."""
    assert query.partition is not None
    if plan.partitions[query.partition].purge is None:
        return False
    return query is [each for each in plan.queries if each.partition == query.partition][-1]


def _forgetting(queries: list[PerKeyQuery | KeyedProcess]) -> Callable[[list[int]], None]:
    def forget(instances: list[int]) -> None:
        for query in queries:
            query.forget(instances)

    return forget
