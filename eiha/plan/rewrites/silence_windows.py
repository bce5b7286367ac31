"""Rows of a named window do not look for partners where there are never any: in a stream that holds no rows.

``from S join W on ...`` lets the rows of W look for partners in S, too, which finds none if S has no window of its
own: then only the rows of S matter, and what fills W need not pass through the join. Windows that turn (batches) stay
as they are, since their resets come out without a partner; so do joins whose aggregates or rate limit could tell.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from eiha.plan.nodes import JoinInput, JoinSide, OutputEvents, Plan, Query, SideKind

_SLIDING: Final = frozenset({"length", "time", "timeLength", "externalTime", "sort"})
"""Windows whose rows leave one by one."""


def silence_windows(plan: Plan) -> Plan:
    """``plan`` with named windows that trigger nothing where nothing would come of it."""
    sliding = frozenset(each.name for each in plan.windows if each.window.name in _SLIDING)
    return replace(plan, queries=tuple(_query(query, sliding) for query in plan.queries)) if sliding else plan


def _query(query: Query, sliding: frozenset[str]) -> Query:
    join, selector = query.input, query.selector
    if not isinstance(join, JoinInput) or query.rate is not None or query.output.events is not OutputEvents.CURRENT:
        return query
    if selector.aggregates or selector.having_aggregates:
        return query
    left, right = join.left, join.right
    if _finds_nothing(left, right, sliding) and not join.kind.keeps_left:
        left = replace(left, triggers=False)
    elif _finds_nothing(right, left, sliding) and not join.kind.keeps_right:
        right = replace(right, triggers=False)
    return replace(query, input=replace(join, left=left, right=right))


def _finds_nothing(side: JoinSide, other: JoinSide, sliding: frozenset[str]) -> bool:
    return (
        side.kind is SideKind.WINDOW and side.source in sliding and other.kind is SideKind.STREAM and not other.handlers
    )
