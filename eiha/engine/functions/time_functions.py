"""``time:``: dates as text, by the plan's clock."""

from __future__ import annotations

from datetime import UTC
from typing import Any, Final

from eiha.engine.expressions.row_wise import Build, row_wise
from eiha.kernel.java_dates import date_of, formatted, millis_of, parsed, shifted, week_of_year, zone

_DEFAULT: Final = "yyyy-MM-dd HH:mm:ss.SSS"
_SECONDS: Final = "yyyy-MM-dd HH:mm:ss"
_DAY_MS: Final = 86_400_000


def _current_timestamp(now_ms: int, name: str = "UTC") -> str | None:
    at = zone(name)
    return None if at is None else formatted(now_ms, _SECONDS, at)


def _date(text: str, pattern: str = _DEFAULT) -> str | None:
    millis = parsed(text, pattern)
    return None if millis is None else formatted(millis, "yyyy-MM-dd")


def _moved(date: Any, amount: int, unit: str, pattern: str) -> str | None:
    is_text = isinstance(date, str)
    millis = parsed(date, pattern) if is_text else int(date)
    moment = None if millis is None else date_of(millis)
    moved = None if moment is None else shifted(moment, unit.upper(), amount)
    if moved is None:
        return None
    return formatted(millis_of(moved), pattern) if is_text else str(millis_of(moved))


def _date_add(date: Any, amount: int, unit: str, pattern: str = _DEFAULT) -> str | None:
    return _moved(date, amount, unit, pattern)


def _date_sub(date: Any, amount: int, unit: str, pattern: str = _DEFAULT) -> str | None:
    return _moved(date, -amount, unit, pattern)


def _date_diff(first: Any, second: Any, first_pattern: str = _DEFAULT, second_pattern: str = _DEFAULT) -> int | None:
    left = parsed(first, first_pattern) if isinstance(first, str) else int(first)
    right = parsed(second, second_pattern) if isinstance(second, str) else int(second)
    if left is None or right is None:
        return None
    days = abs(left - right) // _DAY_MS
    return days if left >= right else -days


def _date_format(date: Any, target: str, source: str = _DEFAULT) -> str | None:
    millis = parsed(date, source) if isinstance(date, str) else int(date)
    return None if millis is None else formatted(millis, target)


def _day_of_week(text: str, pattern: str = "yyyy-MM-dd") -> str | None:
    millis = parsed(text, pattern)
    return None if millis is None else formatted(millis, "EEEE")


def _extract(first: Any, second: Any, pattern: str = _DEFAULT, _locale: str = "") -> int | None:
    if isinstance(first, str):
        unit, millis = first, parsed(second, pattern)
    else:
        unit, millis = second, int(first)
    moment = None if millis is None else date_of(millis, UTC)
    if moment is None:
        return None
    match unit.upper():
        case "YEAR":
            return moment.year
        case "QUARTER":
            return (moment.month - 1) // 3 + 1
        case "MONTH":
            return moment.month
        case "WEEK":
            return week_of_year(moment)
        case "DAY":
            return moment.day
        case "HOUR":
            return moment.hour
        case "MINUTE":
            return moment.minute
        case "SECOND":
            return moment.second
        case _:
            raise AssertionError(unit)


def _timestamp(now_ms: int, text: str | None = None, pattern: str = _DEFAULT) -> int | None:
    return now_ms if text is None else parsed(text, pattern)


def _converted(text: str, pattern: str, target: str, source: str = "UTC") -> str | None:
    to, came_from = zone(target), zone(source)
    if to is None or came_from is None:
        return None
    millis = parsed(text, pattern, came_from)
    return None if millis is None else formatted(millis, pattern, to)


SCALARS: Final[dict[str, Build]] = {
    "time:currentDate": row_wise(lambda now_ms: formatted(now_ms, "yyyy-MM-dd"), reads_clock=True),
    "time:currentTime": row_wise(lambda now_ms: formatted(now_ms, "HH:mm:ss"), reads_clock=True),
    "time:currentTimestamp": row_wise(_current_timestamp, reads_clock=True),
    "time:date": row_wise(_date),
    "time:dateAdd": row_wise(_date_add),
    "time:dateDiff": row_wise(_date_diff),
    "time:dateFormat": row_wise(_date_format),
    "time:dateSub": row_wise(_date_sub),
    "time:dayOfWeek": row_wise(_day_of_week),
    "time:extract": row_wise(_extract),
    "time:timestampInMilliseconds": row_wise(_timestamp, reads_clock=True),
    "time:timezoneConvert": row_wise(_converted),
    "time:utcTimestamp": row_wise(lambda now_ms, pattern=_SECONDS: formatted(now_ms, pattern), reads_clock=True),
}
