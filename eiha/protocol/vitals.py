"""How a node is getting on, as it tells its peer with each Ping and its operator in the status."""

from __future__ import annotations

from dataclasses import dataclass

from eiha.kernel.ids import BEFORE_FIRST, Sequence


@dataclass(frozen=True, slots=True)
class EngineAt:
    """What the engine's thread is at. ``unit`` counts pieces of work, so that two of them are told apart.

    ``kind``: empty for nothing, else ``entry``, ``question``, ``digest``, ``trial``, ``snapshot`` or ``restore``.
    ``sequence``: the entry's.
    """

    unit: int = 0
    kind: str = ""
    sequence: Sequence = BEFORE_FIRST


IDLE = EngineAt()


@dataclass(frozen=True, slots=True)
class Vitals:
    """Progress of the parts of one node. Times in milliseconds that this node itself was awake for.

    ``loop_lag_ms``: how late the event loop came back to a timer, the worst of the last second or so.
    ``engine_ms``: how long the engine has been at ``engine_work`` (``engine_sequence`` for an entry).
    ``log_ms``: how long the log's writer has owed an answer without giving any.
    ``store_ms``: how long outputs have waited for a store that took none, the worst over all stores.
    """

    loop_lag_ms: int = 0
    applied_through: Sequence = BEFORE_FIRST
    engine_work: str = ""
    engine_sequence: Sequence = BEFORE_FIRST
    engine_ms: int = 0
    log_ms: int = 0
    outbox_rows: int = 0
    outbox_bytes: int = 0
    store_ms: int = 0


QUIET = Vitals()
