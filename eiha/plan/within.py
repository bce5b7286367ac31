"""``within`` of aggregations: the span of time that a text, or two bounds, name; in UTC unless the text says other."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_SPAN: Final = re.compile(
    r"(?P<year>\d{4})-(?:(?P<month>\d{2})|\*\*)-(?:(?P<day>\d{2})|\*\*)\s"
    r"(?:(?P<hour>\d{2})|\*\*):(?:(?P<minute>\d{2})|\*\*):(?:(?P<second>\d{2})|\*\*)(?:\s(?P<offset>[+-]\d{2}:\d{2}))?",
    re.ASCII,
)
_MOMENT: Final = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})\s(\d{2}):(\d{2}):(\d{2})(?:\s([+-]\d{2}:\d{2}))?",
    re.ASCII,
)
_PARTS: Final = ("month", "day", "hour", "minute", "second")
_FIRST: Final = (1, 1, 0, 0, 0)
_OFFSET_MAX: Final = timedelta(hours=18)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)

SPAN_FORMS: Final = "'2020-**-** **:**:**' to '2020-09-13 12:26:40', stars from the right, with or without ' +05:30'"
MOMENT_FORMS: Final = "'2020-09-13 12:26:40', with or without ' +05:30', or a long like 1600000000000L"


class NoTime(Exception):
    """A text that names no moment and no span of time; the message says why."""


def moment_ms(text: str) -> int:
    """The moment that ``'2020-09-13 12:26:40'`` names, optionally with an offset.

    Raises:
        NoTime: it names none.
    """
    found = _MOMENT.fullmatch(text.strip())
    if found is None:
        raise NoTime(f"{text!r} is no date and time; valid: {MOMENT_FORMS}")
    year, month, day, hour, minute, second, offset = found.groups()
    return _milliseconds(text, [int(part) for part in (year, month, day, hour, minute, second)], offset)


def span_ms(text: str) -> tuple[int, int]:
    """The span, end exclusive, that ``'2020-09-** **:**:**'`` names: stars stand for all, from the right.

    Raises:
        NoTime: it names none.
    """
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise NoTime(f"{text!r} is no span of time; valid: {SPAN_FORMS}")
    given = [found[part] for part in _PARTS]
    known = next((position for position, part in enumerate(given) if part is None), len(given))
    if any(part is not None for part in given[known:]):
        raise NoTime(f"{text!r} has a number behind a star; valid: {SPAN_FORMS}")
    year = int(found["year"])
    parts = [year, *(int(part) for part in given[:known] if part is not None), *_FIRST[known:]]
    start = _milliseconds(text, parts, found["offset"])
    match known:
        case 0:
            end = _milliseconds(text, [year + 1, *_FIRST], found["offset"])
        case 1:
            month = parts[1]
            after = [year + 1, 1] if month == 12 else [year, month + 1]
            end = _milliseconds(text, [*after, *_FIRST[1:]], found["offset"])
        case _:
            end = start + (86_400_000, 3_600_000, 60_000, 1_000)[known - 2]
    return start, end


def _milliseconds(text: str, parts: list[int], offset: str | None) -> int:
    year, month, day, hour, minute, second = parts
    try:
        # the year 10000, the end of 9999, has no datetime
        moment = datetime(min(year, 9999), month, day, hour, minute, second, tzinfo=UTC)
    except ValueError as problem:
        raise NoTime(f"{text!r} is no date and time: {problem}") from None
    milliseconds = (moment - _EPOCH) // _MILLISECOND
    if year > 9999:
        milliseconds += 365 * 86_400_000
    return milliseconds - _offset_ms(text, offset)


def _offset_ms(text: str, offset: str | None) -> int:
    if offset is None:
        return 0
    hours, minutes = int(offset[1:3]), int(offset[4:6])
    distance = timedelta(hours=hours, minutes=minutes)
    if minutes > 59 or distance > _OFFSET_MAX:
        raise NoTime(f"{text!r} has an offset that there is not; it goes from -18:00 to +18:00")
    return (distance // _MILLISECOND) * (1 if offset[0] == "+" else -1)
