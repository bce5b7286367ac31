"""What can go wrong while rows are processed: a fact of the plan's outputs, never an exception of ``apply``."""

from __future__ import annotations

import numpy as np

from eiha.errors import EihaError
from eiha.events.batch import EventBatch
from eiha.events.column import Column
from eiha.events.schema import AttributeType, Schema


class EngineFault(EihaError):
    """A row cannot be processed by a query (Siddhi's class cast and its like).

    The chunk is dropped for that query and for the later queries of the same stream; what was aggregated before the
    failure stays aggregated.
    """


def with_error(batch: EventBatch, schema: Schema, text: str) -> EventBatch:
    """The rows of ``batch`` with what went wrong as an added column; ``schema``: that of the fault stream."""
    errors = np.full(len(batch), text, dtype=AttributeType.OBJECT.dtype)
    columns = (*batch.columns, Column(AttributeType.OBJECT, errors))
    return EventBatch(schema, batch.timestamps, columns, None, batch.chunk_numbers())
