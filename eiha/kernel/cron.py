"""Cron expressions as Quartz reads them, in UTC: seconds, minutes, hours, day of month, month, day of week[, year].

A field is a list of ``*``, values (months and days of the week also by name), ranges (``22-2`` goes round the end) and
steps (``0/5``, ``*/5``, ``10-40/10``). One of the two day fields is ``?``. Days of the month also take ``L``, ``L-3``,
``LW`` and ``15W`` (the weekday nearest to the 15th, within the month), days of the week ``FRIL`` (the last Friday) and
``FRI#2`` (the second one); 1 is Sunday and ``L`` alone is Saturday.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

_SECONDS_PER_DAY: Final = 86_400
_EPOCH: Final = date(1970, 1, 1)
_LAST_YEAR: Final = 2999
_DAYS_PER_WEEK: Final = 7
_OFFSET_MAX: Final = 30
_NTH_MAX: Final = 5
_SATURDAY: Final = 7  # Quartz counts days of the week from Sunday, which is 1
_SUNDAY: Final = 1
_FIELDS_MIN: Final = 6

_MONTHS: Final = {
    name: 1 + place
    for place, name in enumerate(["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"])
}
_WEEK_DAYS: Final = {name: 1 + place for place, name in enumerate(["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"])}

_ITEM: Final = re.compile(
    r"(?:(?P<all>\*)|(?P<first>[0-9]+|[A-Z]{3})(?:-(?P<last>[0-9]+|[A-Z]{3}))?)?(?:/(?P<step>[0-9]+))?"
)
_FROM_END: Final = re.compile(r"L(?:-(?P<offset>[0-9]+))?(?P<weekday>W)?")
_NEAREST: Final = re.compile(r"(?P<day>[0-9]+)W")
_LAST_OF_WEEK: Final = re.compile(r"(?P<day>[0-9]+|[A-Z]{3})L")
_NTH_OF_WEEK: Final = re.compile(r"(?P<day>[0-9]+|[A-Z]{3})#(?P<nth>[0-9]+)")


class CronError(ValueError):
    """An expression is not valid; the text says what is wrong and what would be valid."""


@dataclass(frozen=True, slots=True)
class _Field:
    """What a field takes: values from ``least`` to ``most``, steps up to ``step_max``, names of values."""

    name: str
    least: int
    most: int
    step_max: int
    names: dict[str, int]


_SECONDS: Final = _Field("seconds", 0, 59, 59, {})
_MINUTES: Final = _Field("minutes", 0, 59, 59, {})
_HOURS: Final = _Field("hours", 0, 23, 23, {})
_DAYS: Final = _Field("day of month", 1, 31, 31, {})
_MONTH: Final = _Field("month", 1, 12, 12, _MONTHS)
_WEEK: Final = _Field("day of week", 1, _DAYS_PER_WEEK, _DAYS_PER_WEEK, _WEEK_DAYS)
_YEARS: Final = _Field("year", _EPOCH.year, _LAST_YEAR, _LAST_YEAR, {})


@dataclass(frozen=True, slots=True)
class _DaysOfMonth:
    """Days by number; ``nearest``: the weekdays nearest to these."""

    plain: tuple[int, ...]
    nearest: tuple[int, ...]

    def within(self, year: int, month: int) -> list[int]:
        last = monthrange(year, month)[1]
        days = {day for day in self.plain if day <= last}
        return sorted(days | {_nearest_weekday(year, month, day, last) for day in self.nearest if day <= last})


@dataclass(frozen=True, slots=True)
class _FromEndOfMonth:
    """``L``, ``L-3``, ``LW``: ``offset`` days before the last one; ``weekday``: the weekday nearest to it."""

    offset: int
    weekday: bool

    def within(self, year: int, month: int) -> list[int]:
        last = monthrange(year, month)[1]
        day = last - self.offset
        if day < 1:
            return []
        return [_nearest_weekday(year, month, day, last) if self.weekday else day]


@dataclass(frozen=True, slots=True)
class _DaysOfWeek:
    """Days by their place in the week; ``nth``: only the nth in the month, -1 the last one, 0 all of them."""

    days: tuple[int, ...]
    nth: int = 0

    def within(self, year: int, month: int) -> list[int]:
        first, last = _day_of_week(date(year, month, 1)), monthrange(year, month)[1]
        days = []
        for day in self.days:
            begin = 1 + (day - first) % _DAYS_PER_WEEK
            found = list(range(begin, last + 1, _DAYS_PER_WEEK))
            if self.nth == 0:
                days += found
            elif self.nth < 0:
                days.append(found[-1])
            else:
                days += found[self.nth - 1 : self.nth]
        return sorted(days)


@dataclass(frozen=True, slots=True)
class CronSchedule:
    """The moments that an expression names; made by ``parse_cron``."""

    text: str
    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    months: tuple[int, ...]
    years: tuple[int, ...]
    days: _DaysOfMonth | _FromEndOfMonth | _DaysOfWeek

    def next_after(self, ms: int) -> int | None:
        """The first moment after ``ms`` (milliseconds since 1970, a whole second); None: there is none till 2999."""
        earliest = ms // 1000 + 1
        day_number, second = divmod(max(earliest, 0), _SECONDS_PER_DAY)
        day = _EPOCH + timedelta(days=day_number)
        if day.year > _LAST_YEAR:
            return None
        if self._has(day):
            found = self._time_from(second)
            if found is not None:
                return (day_number * _SECONDS_PER_DAY + found) * 1000
        following = self._day_after(day)
        if following is None:
            return None
        first = self._time_from(0)
        assert first is not None
        return ((following - _EPOCH).days * _SECONDS_PER_DAY + first) * 1000

    def _has(self, day: date) -> bool:
        return day.year in self.years and day.month in self.months and day.day in self.days.within(day.year, day.month)

    def _time_from(self, second: int) -> int | None:
        """The first second of the day from ``second`` on."""
        hour, rest = divmod(second, 3600)
        minute, second = divmod(rest, 60)
        if hour in self.hours:
            if minute in self.minutes:
                place = bisect_left(self.seconds, second)
                if place < len(self.seconds):
                    return hour * 3600 + minute * 60 + self.seconds[place]
            place = bisect_left(self.minutes, minute + 1)
            if place < len(self.minutes):
                return hour * 3600 + self.minutes[place] * 60 + self.seconds[0]
        place = bisect_left(self.hours, hour + 1)
        if place < len(self.hours):
            return self.hours[place] * 3600 + self.minutes[0] * 60 + self.seconds[0]
        return None

    def _day_after(self, day: date) -> date | None:
        for year in self.years[bisect_left(self.years, day.year) :]:
            for month in self.months:
                if (year, month) < (day.year, day.month):
                    continue
                least = day.day + 1 if (year, month) == (day.year, day.month) else 1
                days = self.days.within(year, month)
                place = bisect_left(days, least)
                if place < len(days):
                    return date(year, month, days[place])
        return None


def parse_cron(text: str) -> CronSchedule:
    """The schedule of ``text``; upper and lower case are the same.

    Raises:
        CronError: ``text`` is not valid.
    """
    fields = [field for field in re.split(r"[ \t]+", text.upper()) if field]
    if not _FIELDS_MIN <= len(fields) <= _FIELDS_MIN + 1:
        raise CronError(
            f"{text!r} has {len(fields)} fields, not 6 or 7; "
            "valid: seconds minutes hours day-of-month month day-of-week [year], such as '0 0/5 * * * ?'"
        )
    seconds, minutes, hours, month_days, months, week_days = fields[:_FIELDS_MIN]
    if (month_days == "?") == (week_days == "?"):
        raise CronError(f"{text!r}: exactly one of day of month and day of week must be '?'")
    return CronSchedule(
        text,
        _values(_SECONDS, seconds),
        _values(_MINUTES, minutes),
        _values(_HOURS, hours),
        _values(_MONTH, months),
        _values(_YEARS, fields[_FIELDS_MIN] if len(fields) > _FIELDS_MIN else "*"),
        _month_days(month_days) if week_days == "?" else _week_days(week_days),
    )


def _month_days(field: str) -> _DaysOfMonth | _FromEndOfMonth:
    from_end = _FROM_END.fullmatch(field)
    if from_end is not None:
        offset = int(from_end["offset"] or 0)
        if offset > _OFFSET_MAX:
            raise CronError(f"{field!r} in day of month: the offset from the last day is at most {_OFFSET_MAX}")
        return _FromEndOfMonth(offset, from_end["weekday"] is not None)
    plain: list[int] = []
    nearest: list[int] = []
    for item in field.split(","):
        weekday = _NEAREST.fullmatch(item)
        if weekday is None:
            plain += _item_values(_DAYS, item)
        else:
            nearest += _item_values(_DAYS, weekday["day"])
    return _DaysOfMonth(tuple(sorted(set(plain))), tuple(sorted(set(nearest))))


def _week_days(field: str) -> _DaysOfWeek:
    if field == "L":
        return _DaysOfWeek((_SATURDAY,))
    last = _LAST_OF_WEEK.fullmatch(field)
    if last is not None:
        return _DaysOfWeek((_value(_WEEK, last["day"]),), -1)
    nth = _NTH_OF_WEEK.fullmatch(field)
    if nth is not None:
        number = int(nth["nth"])
        if not 1 <= number <= _NTH_MAX:
            raise CronError(f"{field!r} in day of week: a number from 1 to {_NTH_MAX} must follow the '#'")
        return _DaysOfWeek((_value(_WEEK, nth["day"]),), number)
    return _DaysOfWeek(_values(_WEEK, field))


def _values(field: _Field, text: str) -> tuple[int, ...]:
    return tuple(sorted({value for item in text.split(",") for value in _item_values(field, item)}))


def _item_values(field: _Field, item: str) -> list[int]:
    parts = _ITEM.fullmatch(item)
    if not item or parts is None:
        raise CronError(f"{item!r} in {field.name}: valid are *, values, ranges (a-b), steps (a/n) and lists of them")
    step = 1 if parts["step"] is None else int(parts["step"])
    if parts["last"] is None and step > field.step_max:
        raise CronError(f"{item!r} in {field.name}: a step is at most {field.step_max}")
    if parts["first"] is None:  # '*', '*/n' and '/n'; a step of 0 is none
        return list(range(field.least, field.most + 1, max(step, 1)))
    first = _value(field, parts["first"])
    if step == 0 or (parts["step"] is None and parts["last"] is None):
        return [first]
    last = field.most if parts["last"] is None else _value(field, parts["last"])
    if last >= first:
        return list(range(first, last + 1, step))
    if field is _YEARS:
        raise CronError(f"{item!r} in year: a range must begin with its smaller year")
    count = field.most - field.least + 1
    return [field.least + (value - field.least) % count for value in range(first, last + count + 1, step)]


def _value(field: _Field, text: str) -> int:
    value = int(text) if text.isdigit() else field.names.get(text)
    if value is None or not field.least <= value <= field.most:
        names = f" or {', '.join(field.names)}" if field.names else ""
        raise CronError(f"{text!r} in {field.name}: values are {field.least} to {field.most}{names}")
    return value


def _nearest_weekday(year: int, month: int, day: int, last: int) -> int:
    """Of the weekdays of the month the one nearest to ``day``."""
    place = _day_of_week(date(year, month, day))
    if place == _SATURDAY:
        return day + 2 if day == 1 else day - 1
    if place == _SUNDAY:
        return day - 2 if day == last else day + 1
    return day


def _day_of_week(day: date) -> int:
    return day.isoweekday() % _DAYS_PER_WEEK + 1
