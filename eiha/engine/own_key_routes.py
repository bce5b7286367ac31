"""Streams whose rows look into and change one table, each by its own key: ``T.symbol == symbol`` in all that they ask.

    from S join T on S.symbol == T.symbol select S.symbol as symbol, T.price as before insert into Out;
    from S select symbol, price update or insert into T on T.symbol == symbol;

Each row sees what the row of its key before it did, and nothing of others. So rows of different keys may meet the table
at once, and a batch is done in as many rounds as its most frequent key has rows.
"""

from __future__ import annotations

from dataclasses import dataclass

from eiha.engine.joins.equality import equality_of
from eiha.engine.query_expressions import expressions, filters_alone, selects_row_by_row
from eiha.engine.routes import Route, fails_by_a_row, route, subscribers
from eiha.plan.attribute_refs import draws_on_entry, parts, tables_read
from eiha.plan.expressions import AttributeRef, Expression, InTable
from eiha.plan.nodes import JoinInput, Plan, Query, SideKind, StreamInput, UpdateTable


@dataclass(frozen=True, slots=True)
class OwnKeyRoute:
    """``key``: the attribute by which rows meet the table. ``queries``: those that do, in order of the text.

    ``way``: of the rows through all but those that change the table.
    """

    key: int
    queries: tuple[int, ...]
    way: Route


@dataclass(frozen=True, slots=True)
class Meeting:
    """Where a query meets a table: ``column`` of ``table`` equals ``attribute`` of the row."""

    table: str
    column: int
    attribute: int


def own_key_route(plan: Plan, source: str) -> OwnKeyRoute | None:
    """The way of rows of ``source`` that meet a table by a key of their own; None: they do not, or not all of them."""
    readers = subscribers(plan).get(source, ())
    queries = tuple(index for index in readers if tables_met(plan, plan.queries[index]))
    writers = frozenset(index for index in queries if plan.table(plan.queries[index].output.target) is not None)
    meetings = {meeting_of(plan, plan.queries[index]) for index in queries}
    if not writers or len(meetings) != 1:
        return None
    (meeting,) = meetings
    way = route(plan, source, without=writers)
    if meeting is None or not way.batched:
        return None
    behind = (plan.queries[index] for index, _ in way.queries if index not in queries)
    if any(meeting.table in tables_met(plan, query) for query in behind) or plan.aggregations:
        return None
    return OwnKeyRoute(meeting.attribute, queries, way)


def tables_met(plan: Plan, query: Query) -> frozenset[str]:
    """The tables that a query looks into or changes."""
    target = query.output.target
    return tables_looked_into(query) | ({target} if plan.table(target) is not None else set())


def tables_looked_into(query: Query) -> frozenset[str]:
    """The tables that a query asks whether something is ``in`` them, and those that it joins."""
    found = {name for each in expressions(query) for name in tables_read(each)}
    if isinstance(query.input, JoinInput):
        found |= {side.source for side in query.input.sides if side.kind is SideKind.TABLE}
    return frozenset(found)


def meeting_of(plan: Plan, query: Query) -> Meeting | None:
    """Where the rows of a query meet a table; None: in several places, by something else, or what it keeps tells."""
    if not selects_row_by_row(query) or fails_by_a_row(query):
        return None
    if any(draws_on_entry(each) for each in expressions(query)):
        return None
    found = {
        *_met_in_expressions(expressions(query)),
        *_met_by_joining(query),
        *_met_by_changing(plan, query),
    }
    return next(iter(found)) if len(found) == 1 else None


def _met_in_expressions(found: list[Expression]) -> list[Meeting | None]:
    asked = [part for each in found for part in parts(each) if isinstance(part, InTable)]
    return [_by_equality(each.condition, each.table, 0) for each in asked]


def _met_by_joining(query: Query) -> list[Meeting | None]:
    join = query.input
    if not isinstance(join, JoinInput):
        # whatever keeps rows would meet the table with those of other keys
        keeps = not isinstance(join, StreamInput) or len(filters_alone(query)) < len(join.handlers)
        return [None] if keeps else []
    tables = [place for place, side in enumerate(join.sides) if side.kind is SideKind.TABLE]
    if len(tables) != 1 or join.sides[1 - tables[0]].handlers or join.on is None:
        return [None]
    return [_by_equality(join.on, join.sides[tables[0]].source, 1 - tables[0])]


def _met_by_changing(plan: Plan, query: Query) -> list[Meeting | None]:
    output = query.output
    table = plan.table(output.target)
    if table is None:
        return []
    # rows are inserted in the first round, so all of them must be: in the order in which they came
    if not isinstance(output, UpdateTable) or (isinstance(query.input, StreamInput) and query.input.handlers):
        return [None]
    found = _by_equality(output.on, output.target, 0)
    if found is None or table.primary_key not in ((), (found.column,)):
        return [None]
    kept = [each.value for each in output.sets if each.column == found.column]
    if not all(
        isinstance(each, AttributeRef) and (each.source, each.attribute) == (0, found.attribute) for each in kept
    ):
        return [None]
    key = query.selector.projections[found.attribute].expression
    return [Meeting(found.table, found.column, key.attribute) if isinstance(key, AttributeRef) else None]


def _by_equality(condition: Expression, table: str, row_source: int) -> Meeting | None:
    """``T.column == attribute`` within ``condition``, the row being source ``row_source``."""
    pairs = [
        (first, second) if first.source == row_source else (second, first)
        for first, second in zip(*equality_of(condition).keys, strict=True)
    ]
    if not pairs:
        return None
    row, of_table = pairs[0]
    return Meeting(table, of_table.attribute, row.attribute)
