"""On-demand queries from outside to one plan: questions answered in wire form, statements carried out from the log.

Nothing here raises anything but ``PlanError`` and ``QueryError``, so that a log entry can make a fact of it.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from eiha.engine.faults import EngineFault
from eiha.engine.plan_runtime import PlanRuntime
from eiha.engine.wire_edge import WireEdge
from eiha.errors import AnswerTooLarge, PlanError, QueryError, QueryFailed
from eiha.events.batch import no_rows
from eiha.events.schema import AttributeType
from eiha.events.wire import WireColumn
from eiha.kernel.ids import Sequence
from eiha.plan.on_demand import Question
from eiha.protocol.answers import RowsFound, StatementFits

ANSWER_TEXT_MAX: Final = 32 << 20
"""Characters of all strings of one answer: rows are bounded in number, strings are not in length."""


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
    rows = no_rows(found.schema) if found.rows is None else found.rows
    if len(rows) > rows_max:
        raise AnswerTooLarge(
            f"the answer has {len(rows)} rows; at most {rows_max} are given at once: ask for parts with limit and "
            "offset, or for fewer with on or group by"
        )
    batch = WireEdge(found.strings).leave(rows)
    length = sum(_text_length(column) for column in batch.columns)
    if length > ANSWER_TEXT_MAX:
        raise AnswerTooLarge(
            f"the texts of the answer have {length} characters; at most {ANSWER_TEXT_MAX} are given at once: ask for "
            "parts with limit and offset, or for fewer columns"
        )
    return RowsFound(found.schema, batch, sequence)


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


def _text_length(column: WireColumn) -> int:
    if column.type is not AttributeType.STRING or not column.dictionary:
        return 0
    lengths = np.array([len(text) for text in column.dictionary], dtype=np.int64)
    return int(lengths.take(column.values, mode="clip").sum())
