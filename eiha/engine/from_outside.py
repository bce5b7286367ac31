"""On-demand queries from outside to one plan: questions answered in wire form, statements carried out from the log.

Nothing here raises anything but ``PlanError`` and ``QueryError``, so that a log entry can make a fact of it.
"""

from __future__ import annotations

import numpy as np

from eiha.engine.faults import EngineFault
from eiha.engine.plan_runtime import PlanRuntime
from eiha.engine.wire_edge import WireEdge
from eiha.errors import AnswerTooLarge, PlanError, QueryError, QueryFailed
from eiha.events.batch import EventBatch
from eiha.events.column import Column
from eiha.events.schema import Schema
from eiha.kernel.ids import Sequence
from eiha.plan.on_demand import Question
from eiha.protocol.answers import RowsFound, StatementFits


def answer(runtime: PlanRuntime, text: str, rows_max: int, sequence: Sequence) -> RowsFound | StatementFits:
    """The rows that a question finds; nothing changes. A statement is only looked at.

    Raises:
        PlanError: ``text`` is neither, or does not fit the plan.
        AnswerTooLarge: there are more rows than ``rows_max``.
        QueryFailed: a row cannot be evaluated.
    """
    bound = runtime.bind(text)
    if not isinstance(bound, Question):
        return StatementFits()
    try:
        with np.errstate(all="ignore"):
            found = runtime.ask_bound(bound)
    except EngineFault as fault:
        raise QueryFailed(str(fault)) from fault
    rows = _no_rows(found.schema) if found.rows is None else found.rows
    if len(rows) > rows_max:
        raise AnswerTooLarge(
            f"the answer has {len(rows)} rows; at most {rows_max} are given at once: ask for parts with limit and "
            "offset, or for fewer with on or group by"
        )
    return RowsFound(found.schema, WireEdge(found.strings).leave(rows), sequence)


def carry_out(runtime: PlanRuntime, text: str) -> str:
    """Carry out a statement that the log brings; why it was not, or not whole, empty when it was."""
    try:
        bound = runtime.bind(text)
        if isinstance(bound, Question):
            raise QueryError("it is a question: it changes nothing and has no place in the log")
        runtime.ask_bound(bound)
    except (PlanError, QueryError, EngineFault) as refusal:
        return str(refusal)
    return "; ".join(runtime.take_complaints())


def _no_rows(schema: Schema) -> EventBatch:
    columns = tuple(Column(each.type, np.empty(0, dtype=each.type.dtype)) for each in schema.attributes)
    return EventBatch(schema, np.empty(0, dtype=np.int64), columns)
