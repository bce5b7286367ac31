"""What an engine answers to an on-demand query from outside."""

from __future__ import annotations

from dataclasses import dataclass

from eiha.events.schema import Schema
from eiha.events.wire import WireBatch
from eiha.kernel.ids import Sequence


@dataclass(frozen=True, slots=True)
class RowsFound:
    """The answer to a question. ``sequence``: the last entry that the state it was answered from had applied."""

    schema: Schema
    batch: WireBatch
    sequence: Sequence


@dataclass(frozen=True, slots=True)
class StatementFits:
    """It is no question but a statement that fits the plan as it is now; nothing was changed, it belongs in the log."""
