"""Streams whose rows change a table on one way and look into it on another, as those of a plan that throttles:

    from S#window.timeBatch(1 sec) select user, count() as n group by user insert into Counts;
    from Counts select user, n > 100 as throttled update or insert into T on T.user == user;
    from S[(T.user == user and T.throttled) in T] select user insert into Out;

What changes the table does not depend on what is found in it. So all that leads to either is done for a whole batch
first; then those that change the table and those that look into it take turns, in the order of the rows. Where all of
them ask by one key, as here, rows of different keys do not meet there, and the turns of all keys are taken at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from eiha.engine.own_key_routes import meeting_of, tables_looked_into, tables_met
from eiha.engine.query_expressions import expressions
from eiha.engine.routes import Route, input_streams, route
from eiha.plan.attribute_refs import draws_on_entry
from eiha.plan.nodes import Plan, Query, StreamInput


@dataclass(frozen=True, slots=True)
class Visitor:
    """A query that changes a table (``writes``) or looks into it; ``key``: the attribute of its rows, -1 for none."""

    index: int
    stream: str
    writes: bool
    key: int


@dataclass(frozen=True, slots=True)
class SharedTableRoute:
    """``way``: of whole batches; the ``visitors``, in the order in which one row's chunk reaches them, stand there one
    after the other, all that leads to one of them before, all that follows behind. ``by_key``: each has a key.
    """

    way: Route
    visitors: tuple[Visitor, ...]
    by_key: bool


def shared_table_route(plan: Plan, source: str) -> SharedTableRoute | None:
    """The way of the rows of ``source``, where no other one lets batches be fed whole but for tables; else None."""
    way = route(plan, source, apart=frozenset(table.name for table in plan.tables))
    if not way.batched:
        return None
    streams = dict(way.queries)
    tables = {plan.queries[index].output.target for index in streams} & {table.name for table in plan.tables}
    visiting = [index for index in streams if not tables.isdisjoint(tables_met(plan, plan.queries[index]))]
    paths = {index: _path(way, streams, source, index) for index in visiting}
    if not all(_may_visit(plan, way, index, tables) for index in visiting) or not _settles(plan, paths):
        return None
    behind = _behind(plan, streams, visiting)
    if not behind.isdisjoint(visiting):
        return None
    visiting.sort(key=lambda index: paths[index] or ())
    meetings = [meeting_of(plan, plan.queries[index]) for index in visiting]
    writers = [index for index in visiting if plan.queries[index].output.target in tables]
    met = {None if each is None else (each.table, each.column) for each in meetings}
    by_key = len(met) == 1 and None not in met and len(writers) == 1
    visitors = tuple(
        Visitor(index, streams[index], index in writers, -1 if meeting is None or not by_key else meeting.attribute)
        for index, meeting in zip(visiting, meetings, strict=True)
    )
    before = [index for index in streams if index not in behind and index not in visiting]
    order = (*before, *visiting, *(index for index in streams if index in behind))
    way = replace(way, queries=tuple((index, streams[index]) for index in order))
    return SharedTableRoute(way, visitors, by_key)


def _path(way: Route, streams: Mapping[int, str], source: str, index: int) -> tuple[int, ...] | None:
    """The queries by which rows reach one, and itself; None: there are several ways."""
    path = [index]
    while (stream := streams[path[0]]) != source:
        feeders = way.feeders[stream]
        if len(feeders) != 1:
            return None
        path.insert(0, feeders[0])
    return tuple(path)


def _may_visit(plan: Plan, way: Route, index: int, tables: set[str]) -> bool:
    """Whether a query that meets ``tables`` gives the same for many rows as for each of them, in order.

    One that looks into a table that it changes does not, nor one that has a time of its own.
    """
    query = plan.queries[index]
    if index in way.timed or query.partition is not None or query.rate is not None:
        return False
    if any(draws_on_entry(each) for each in expressions(query)):
        return False
    return query.output.target not in tables or tables_looked_into(query).isdisjoint(tables)


def _settles(plan: Plan, paths: Mapping[int, tuple[int, ...] | None]) -> bool:
    """Whether the order of rows that come by different ways can be told by the rows of the source behind them.

    What several visitors have in common of their ways must give one chunk for one.
    """
    ways = list(paths.values())
    for place, left in enumerate(ways):
        for right in ways[:place]:
            if left is None or right is None:
                return False
            shared = [one for one, other in zip(left, right, strict=False) if one == other]
            if not all(_gives_one_chunk(plan.queries[index]) for index in shared):
                return False
    return True


def _gives_one_chunk(query: Query) -> bool:
    return isinstance(query.input, StreamInput) and query.rate is None and query.partition is None


def _behind(plan: Plan, streams: Mapping[int, str], visiting: list[int]) -> set[int]:
    """The queries that get what those of ``visiting`` put out, directly or not."""
    found: set[int] = set()
    reached = {plan.queries[index].output.target for index in visiting}
    for index in streams:  # topological: what feeds a query comes before it
        if not reached.isdisjoint(input_streams(plan.queries[index])):
            found.add(index)
            reached.add(plan.queries[index].output.target)
    return found
