"""What can go wrong while rows are processed: a fact of the plan's outputs, never an exception of ``apply``."""

from __future__ import annotations

from eiha.errors import EihaError


class EngineFault(EihaError):
    """A row cannot be processed by a query (Siddhi's class cast and its like).

    The chunk is dropped for that query and for the later queries of the same stream; what was aggregated before the
    failure stays aggregated.
    """
