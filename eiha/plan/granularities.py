"""Granularities of incremental aggregations: their names, and how long their buckets are kept."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Final

from eiha.siddhiql.expression_tree import UNIT_MS, TimeUnit
from eiha.siddhiql.tokens import UNITS

_MINUTE_MS: Final = 60_000
_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 86_400_000


class Granularity(enum.IntEnum):
    """Widths of buckets, fine to coarse. Months and years are those of the calendar, in UTC."""

    SECOND = 0
    MINUTE = 1
    HOUR = 2
    DAY = 3
    MONTH = 4
    YEAR = 5


_OF_UNIT: Final = {
    TimeUnit.SECOND: Granularity.SECOND,
    TimeUnit.MINUTE: Granularity.MINUTE,
    TimeUnit.HOUR: Granularity.HOUR,
    TimeUnit.DAY: Granularity.DAY,
    TimeUnit.MONTH: Granularity.MONTH,
    TimeUnit.YEAR: Granularity.YEAR,
}

RETENTION_MS: Final[dict[Granularity, int | None]] = {
    Granularity.SECOND: 120_000,
    Granularity.MINUTE: 24 * _HOUR_MS,
    Granularity.HOUR: 30 * _DAY_MS,
    Granularity.DAY: 365 * _DAY_MS,
    Granularity.MONTH: None,
    Granularity.YEAR: None,
}
"""How long buckets are kept unless ``@retentionPeriod`` says otherwise; None: for ever."""

RETENTION_MIN_MS: Final[dict[Granularity, int]] = {
    Granularity.SECOND: 120_000,
    Granularity.MINUTE: 120 * _MINUTE_MS,
    Granularity.HOUR: 25 * _HOUR_MS,
    Granularity.DAY: 32 * _DAY_MS,
    Granularity.MONTH: 13 * 30 * _DAY_MS,
    Granularity.YEAR: 0,
}
"""The least that ``@retentionPeriod`` may say: what the next coarser granularity needs, and some more."""

PURGE_INTERVAL_MS: Final = 15 * _MINUTE_MS
"""How often old buckets are dropped unless ``@purge`` says otherwise."""


def granularity_of_unit(unit: TimeUnit) -> Granularity | None:
    """The granularity of a unit in ``every ...``; None: there are no such buckets."""
    return _OF_UNIT.get(unit)


def granularity_of_text(text: str) -> Granularity | None:
    """The granularity that ``per 'text'`` or a key of ``@retentionPeriod`` names, in any of its forms."""
    unit = UNITS.get(text.lower())
    return None if unit is None else _OF_UNIT.get(unit)


def granularity_names(granularities: Sequence[Granularity]) -> str:
    """For messages: ``seconds, minutes``."""
    return ", ".join(f"{each.name.lower()}s" for each in granularities)


def milliseconds_of_text(text: str) -> int | None:
    """The length that ``'120 sec'`` or ``'1 hour 30 min'`` names; None: it is not one."""
    words = text.split()
    if not words or len(words) % 2:
        return None
    total = 0
    for amount, name in zip(words[::2], words[1::2], strict=True):
        unit = UNITS.get(name.lower())
        if unit is None or not (amount.isascii() and amount.isdigit()):
            return None
        total += int(amount) * UNIT_MS[unit]
    return total
