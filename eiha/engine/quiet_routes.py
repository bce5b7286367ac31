"""Streams whose rows go one by one although most of them could go together: which ones, and how far.

Two things that a row may do keep batches of its stream from being fed whole. It may change a table that others look
into: ``from S[not (T.id == id in T)] select id insert into T`` asks of each row what earlier rows did. And it may fail,
as code in Python does that raises, which drops just that row. Where it can be told beforehand which rows do neither,
these are fed whole, up to the next that does. A row that the filters of all queries that write keep back changes
nothing. A query that keeps nothing is tried on the rows first: if it fails on none, what it put out is used.
"""

from __future__ import annotations

from dataclasses import dataclass

from eiha.engine.expressions.compile_expression import may_fail
from eiha.engine.query_expressions import expressions, filters_alone, selects_row_by_row
from eiha.engine.routes import Route, fails_by_a_row, route, subscribers
from eiha.plan.attribute_refs import draws_on_entry, tables_read
from eiha.plan.nodes import Plan, Query, StreamInput


@dataclass(frozen=True, slots=True)
class QuietRoute:
    """``writers``: positions of the queries that change tables; ``tried``: of those that may fail, tried beforehand.

    ``way``: of rows that pass none of the writers' filters and on which nothing fails.
    """

    writers: tuple[int, ...]
    tried: tuple[int, ...]
    way: Route


def quiet_route(plan: Plan, source: str) -> QuietRoute | None:
    """The way of those rows of ``source`` that do neither; None if it cannot be told beforehand which they are."""
    readers = subscribers(plan).get(source, ())
    writers = tuple(index for index in readers if _writes_what_it_lets_pass(plan, plan.queries[index]))
    others = tuple(index for index in readers if index not in writers)
    tried = tuple(
        index for index in others if fails_by_a_row(plan.queries[index]) and _keeps_nothing(plan.queries[index])
    )
    if not writers and not tried:
        return None
    way = route(plan, source, without=frozenset(writers), tried=frozenset(tried))
    return QuietRoute(writers, tried, way) if way.batched else None


def _writes_what_it_lets_pass(plan: Plan, query: Query) -> bool:
    """Whether just those rows that pass its filters make a query change a table, at once; to try them is harmless."""
    if plan.table(query.output.target) is None or query.partition is not None or query.rate is not None:
        return False
    filters = filters_alone(query)
    return bool(filters) and not any(may_fail(each.condition) or draws_on_entry(each.condition) for each in filters)


def _keeps_nothing(query: Query) -> bool:
    """Whether a query gives for each row what that row alone says, so that nobody can tell that it was tried."""
    if not selects_row_by_row(query):
        return False
    if not isinstance(query.input, StreamInput) or len(filters_alone(query)) < len(query.input.handlers):
        return False
    return not any(draws_on_entry(each) or any(tables_read(each)) for each in expressions(query))
