"""``@purge`` and ``@retentionPeriod`` of aggregations: how long buckets are kept, how often old ones are dropped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from eiha.plan.granularities import (
    PURGE_INTERVAL_MS,
    RETENTION_MIN_MS,
    RETENTION_MS,
    Granularity,
    granularity_names,
    granularity_of_text,
    milliseconds_of_text,
)
from eiha.plan.refusals import Refusals
from eiha.siddhiql.annotation_tree import Annotation, AnnotationElement
from eiha.siddhiql.diagnostics import did_you_mean

_KEYS: Final = ("enable", "interval")
_FOR_EVER: Final = "all"


@dataclass(frozen=True, slots=True)
class Retention:
    """``kept_ms`` for each granularity of the aggregation (None: for ever); ``interval_ms`` None: never purged."""

    kept_ms: tuple[int | None, ...]
    interval_ms: int | None


def bind_retention(
    aggregation: str, annotations: Sequence[Annotation], granularities: tuple[Granularity, ...], refusals: Refusals
) -> tuple[Retention, tuple[str, ...]]:
    """What the annotations of an aggregation say, and warnings about those that have no effect.

    Raises:
        PlanSemanticError: a value does not fit, or is below what the next coarser granularity needs.
    """
    retention = Retention(tuple(RETENTION_MS[each] for each in granularities), PURGE_INTERVAL_MS)
    warnings: list[str] = []
    for note in annotations:
        match note.name.lower():
            case "purge":
                retention, more = _purge(note, granularities, refusals)
                warnings += more
            case "primarykey":
                refusals.refuse(note.span, "the buckets of an aggregation have a key already: their time and group by")
            case "partitionbyid" if (note.value("enable") or "true").lower() == "true":
                message = (
                    "@PartitionById shares an aggregation among nodes with a shardId each; here every node has all"
                )
                refusals.refuse(note.span, f"{message} of it: leave the annotation out")
            case _:
                warnings.append(f"@{note.name} on aggregation {aggregation!r} has no effect")
    return retention, tuple(warnings)


def _purge(note: Annotation, granularities: tuple[Granularity, ...], refusals: Refusals) -> tuple[Retention, list[str]]:
    warnings = [
        f"@purge: {element.key or element.value} has no effect" + did_you_mean(element.key or element.value, _KEYS)
        for element in note.elements
        if (element.key or "").lower() not in _KEYS
    ]
    kept: dict[Granularity, int | None] = {each: RETENTION_MS[each] for each in granularities}
    is_enabled = (note.value("enable") or "true").lower()
    if is_enabled not in ("true", "false"):
        refusals.refuse(note.span, f"enable is 'true' or 'false', not {note.value('enable')!r}")
    if is_enabled == "false":
        return Retention(tuple(kept.values()), None), warnings
    interval_ms = PURGE_INTERVAL_MS
    interval = note.value("interval")
    if interval is not None:
        interval_ms = milliseconds_of_text(interval) or 0
        if interval_ms == 0:
            refusals.refuse(note.span, f"interval is a time like '15 min', not {interval!r}")
    for nested in note.annotations:
        if nested.name.lower() != "retentionperiod":
            warnings.append(f"@{nested.name} within @purge has no effect")
            continue
        for element in nested.elements:
            _keep(element, kept, refusals)
    return Retention(tuple(kept.values()), interval_ms), warnings


def _keep(element: AnnotationElement, kept: dict[Granularity, int | None], refusals: Refusals) -> None:
    granularity = granularity_of_text(element.key or "")
    if granularity is None or granularity not in kept:
        message = f"@retentionPeriod: the aggregation has no buckets of {element.key!r}; it has "
        refusals.refuse(element.span, message + granularity_names(tuple(kept)))
    if element.value.strip().lower() == _FOR_EVER:
        kept[granularity] = None
        return
    milliseconds = milliseconds_of_text(element.value)
    if milliseconds is None:
        refusals.refuse(element.span, f"a retention is a time like '2 hours', or 'all', not {element.value!r}")
    least = RETENTION_MIN_MS[granularity]
    if milliseconds < least:
        names = granularity_names([granularity])
        message = f"buckets of {names} are kept for at least {least // 60_000} min, not {element.value!r}"
        refusals.refuse(element.span, message)
    kept[granularity] = milliseconds
