"""``output ... every n events`` and ``every t``, and which rows a rate-limited query puts out."""

from __future__ import annotations

from dataclasses import replace

from eiha.plan.nodes import RateKind, RateLimit
from eiha.plan.refusals import Refusals
from eiha.siddhiql import query_tree


def bind_rate(rate: query_tree.OutputRate | None, refusals: Refusals) -> tuple[RateLimit | None, tuple[str, ...]]:
    """The limit, if there is one, and warnings."""
    if rate is None:
        return None, ()
    kind = RateKind(rate.kind.value)
    if isinstance(rate.every, int):
        warning = f"line {rate.span.line}: output every 0 events never puts anything out"
        return RateLimit(kind, rate.every, None, rate.span), () if rate.every else (warning,)
    every_ms = rate.every.milliseconds
    if every_ms <= 0:
        refusals.refuse(rate.span, "a period must be longer than 0, such as 'output every 1 sec'")
    return RateLimit(kind, None, every_ms, rate.span), ()


def with_snapshot_events(query: query_tree.Query, refusals: Refusals) -> query_tree.Query:
    """``query`` with all events as what a snapshot follows; others cannot be asked for."""
    output = query.output
    if query.rate is None or query.rate.kind is not query_tree.RateKind.SNAPSHOT:
        return query
    if isinstance(output, query_tree.Return):
        return query
    if output.events not in (None, query_tree.EventCategory.ALL):
        message = f"a snapshot shows what is in, so it cannot put out {output.events.value} events; leave that out"
        refusals.refuse(output.span, message)
    return replace(query, output=replace(output, events=query_tree.EventCategory.ALL))
