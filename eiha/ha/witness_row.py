"""The witness's one row, and the three outcomes of changing it."""

from __future__ import annotations

from dataclasses import dataclass

from eiha.protocol.witness_messages import WitnessRow as WitnessRow


@dataclass(frozen=True, slots=True)
class Mine:
    """The compare-and-set was applied; ``row`` is what the witness holds now."""

    row: WitnessRow


@dataclass(frozen=True, slots=True)
class Others:
    """The row was not as expected; ``row`` is what it is (None: there is no row)."""

    row: WitnessRow | None


@dataclass(frozen=True, slots=True)
class Unknown:
    """No answer, or an answer lost after the commit: not mine until read again."""

    cause: str


CasOutcome = Mine | Others | Unknown


@dataclass(frozen=True, slots=True)
class Read:
    """The row as read with a locking read; None: the cluster has no row yet."""

    row: WitnessRow | None


ReadOutcome = Read | Unknown
