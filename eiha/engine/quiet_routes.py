"""Streams whose rows change tables that others look into: where they may be fed whole between two changes.

``from S[not (T.id == id in T)] select id insert into T`` asks of each row what earlier rows did, so batches of S may
not be fed whole. But a row that the filters of all such queries keep back changes nothing: up to the first that
passes, rows go the way that they would go if those queries were not there.
"""

from __future__ import annotations

from dataclasses import dataclass

from eiha.engine.expressions.compile_expression import may_fail
from eiha.engine.routes import Route, route, subscribers
from eiha.plan.nodes import Filter, Plan, Query, StreamInput


@dataclass(frozen=True, slots=True)
class QuietRoute:
    """``writers``: positions of the queries that change tables; ``way``: of rows that pass none of their filters."""

    writers: tuple[int, ...]
    way: Route


def quiet_route(plan: Plan, source: str) -> QuietRoute | None:
    """The way of those rows of ``source`` that change no table; None if it cannot be told beforehand which they are."""
    readers = subscribers(plan).get(source, ())
    writers = tuple(index for index in readers if _writes_what_it_lets_pass(plan, plan.queries[index]))
    if not writers:
        return None
    way = route(plan, source, without=frozenset(writers))
    return QuietRoute(writers, way) if way.batched else None


def _writes_what_it_lets_pass(plan: Plan, query: Query) -> bool:
    """Whether just those rows that pass its filters make a query change a table, at once; to try them is harmless."""
    if plan.table(query.output.target) is None or query.partition is not None or query.rate is not None:
        return False
    handlers = query.input.handlers if isinstance(query.input, StreamInput) else ()
    filters = [each for each in handlers if isinstance(each, Filter)]
    if not filters or len(filters) < len(handlers):
        return False
    return not any(each.aggregates or may_fail(each.condition) for each in filters)
