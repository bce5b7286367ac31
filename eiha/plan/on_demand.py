"""Questions to what a plan holds and statements that change its tables, bound: from outside, not part of the plan."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from eiha.events.schema import Schema
from eiha.plan.expressions import Expression
from eiha.plan.nodes import AggregationRange, QueryOutput, Selector


class Held(enum.Enum):
    """What can be asked."""

    TABLE = "table"
    WINDOW = "window"
    AGGREGATION = "aggregation"


@dataclass(frozen=True, slots=True)
class Question:
    """``from source on condition within ... per ... select ...``. In expressions source 0 is a row of ``source``.

    ``selector`` may put out more columns than were selected, for having and order by to read; the first
    ``len(schema)`` of them are the answer. ``buckets`` only and always for an aggregation.
    """

    held: Held
    source: str
    on: Expression | None
    buckets: AggregationRange | None
    selector: Selector
    schema: Schema


@dataclass(frozen=True, slots=True)
class Statement:
    """``select ... insert into T``, ``update T set ... on ...``, ``delete T on ...`` and the like.

    ``selector`` gives the one row that acts; None: nothing is selected, and the row is empty. ``schema``: what is
    selected, else that of the table.
    """

    selector: Selector | None
    output: QueryOutput
    schema: Schema
