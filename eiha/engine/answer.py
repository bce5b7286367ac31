"""What comes back from a question, or from a statement that changes tables."""

from __future__ import annotations

from dataclasses import dataclass

from eiha.events.batch import EventBatch
from eiha.events.schema import Schema
from eiha.events.strings import StringTable


@dataclass(frozen=True, slots=True)
class Answer:
    """``schema``: names and types, for a statement those of what it selects.

    ``rows`` None: there is none, or it was a statement (``is_statement``); empty: ``offset`` passed over all of them.
    ``strings``: for the ids in the rows.
    """

    schema: Schema
    rows: EventBatch | None
    strings: StringTable
    is_statement: bool = False
