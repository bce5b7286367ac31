"""Dates as Java's ``SimpleDateFormat`` writes and reads them: ``yyyy-MM-dd HH:mm:ss.SSS``. English, UTC unless told.

Milliseconds since 1970 are the only time there is here; no clock is read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

CACHE_MAX: Final = 256
"""Patterns that are remembered."""

LETTERS: Final = "GyYMLwWDdFEuaHkKhmsSzZX"
"""The letters of a pattern; others are refused, except within quotes."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MONTHS: Final = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
                  "November", "December")  # fmt: skip
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_TEXTS: Final = "GEaz"
_PIVOT: Final = 50
"""Years of two digits below it are of this century. Java takes the century nearest to now, which is not known here."""
_SHORT_ZONES: Final = {
    "ACT": "Australia/Darwin", "AET": "Australia/Sydney", "AGT": "America/Argentina/Buenos_Aires",
    "ART": "Africa/Cairo", "AST": "America/Anchorage", "BET": "America/Sao_Paulo", "BST": "Asia/Dhaka",
    "CAT": "Africa/Harare", "CNT": "America/St_Johns", "CST": "America/Chicago", "CTT": "Asia/Shanghai",
    "EAT": "Africa/Addis_Ababa", "ECT": "Europe/Paris", "IET": "America/Indiana/Indianapolis",
    "IST": "Asia/Kolkata", "JST": "Asia/Tokyo", "MIT": "Pacific/Apia", "NET": "Asia/Yerevan",
    "NST": "Pacific/Auckland", "PLT": "Asia/Karachi", "PNT": "America/Phoenix", "PRT": "America/Puerto_Rico",
    "PST": "America/Los_Angeles", "SST": "Pacific/Guadalcanal", "VST": "Asia/Ho_Chi_Minh",
    "EST": "-05:00", "MST": "-07:00", "HST": "-10:00", "Z": "UTC", "GMT": "UTC", "UT": "UTC",
}  # fmt: skip
"""Java's ``ZoneId.SHORT_IDS``."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A run of one letter, or, with ``letter`` empty, text as it stands."""

    letter: str
    count: int
    text: str = ""


@lru_cache(maxsize=CACHE_MAX)
def _parts(pattern: str) -> tuple[_Part, ...] | None:
    """The parts of a pattern; None if it is none."""
    found: list[_Part] = []
    place = 0
    while place < len(pattern):
        letter = pattern[place]
        if letter == "'":
            if pattern.startswith("''", place):
                found.append(_Part("", 0, "'"))
                place += 2
                continue
            end = place + 1
            text = ""
            while end < len(pattern):
                if pattern.startswith("''", end):
                    text += "'"
                    end += 2
                elif pattern[end] == "'":
                    break
                else:
                    text += pattern[end]
                    end += 1
            if end >= len(pattern):
                return None
            found.append(_Part("", 0, text))
            place = end + 1
        elif letter.isascii() and letter.isalpha():
            if letter not in LETTERS:
                return None
            end = place
            while end < len(pattern) and pattern[end] == letter:
                end += 1
            found.append(_Part(letter, end - place))
            place = end
        else:
            found.append(_Part("", 0, letter))
            place += 1
    return tuple(found)


def pattern_problem(pattern: str) -> str | None:
    """Why ``pattern`` cannot be used, or None."""
    if _parts(pattern) is None:
        return f"{pattern!r} is no date format: letters are {LETTERS}, others stand in single quotes"
    return None


@lru_cache(maxsize=CACHE_MAX)
def zone(name: str) -> tzinfo | None:
    """The time zone that Java calls ``name``; None if there is none."""
    name = _SHORT_ZONES.get(name, name)
    match = re.fullmatch(r"(?:UTC|GMT|UT)?([+-])(\d{1,2})(?::?(\d{2}))?", name)
    if match is not None:
        offset = timedelta(hours=int(match[2]), minutes=int(match[3] or 0))
        return timezone(-offset if match[1] == "-" else offset) if offset < timedelta(hours=24) else None
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def zone_problem(name: str) -> str | None:
    """Why ``name`` is no time zone, or None."""
    return None if zone(name) is not None else f"there is no time zone {name!r}"


def date_of(millis: int, at: tzinfo = UTC) -> datetime | None:
    """The calendar's view of ``millis``; None outside the years 1 to 9999."""
    try:
        return (_EPOCH + timedelta(milliseconds=millis)).astimezone(at)
    except (OverflowError, ValueError):
        return None


def millis_of(moment: datetime) -> int:
    """Milliseconds since 1970."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def formatted(millis: int, pattern: str, at: tzinfo = UTC) -> str | None:
    """``millis`` by ``pattern``; None for a pattern or a date that there is not."""
    parts = _parts(pattern)
    moment = date_of(millis, at)
    if parts is None or moment is None:
        return None
    return "".join(part.text if not part.letter else _field(part, moment) for part in parts)


def week_of_year(moment: datetime) -> int:
    """Of a calendar of the United States: weeks begin on Sunday, the first holds January 1."""
    year_end = datetime(moment.year, 12, 31, tzinfo=UTC)
    left_in_year = (year_end.date() - moment.date()).days
    if left_in_year < 6 - (moment.weekday() + 1) % 7:
        return 1
    first = datetime(moment.year, 1, 1, tzinfo=UTC)
    return (moment.timetuple().tm_yday - 1 + (first.weekday() + 1) % 7) // 7 + 1


def _field(part: _Part, moment: datetime) -> str:
    letter, count = part.letter, part.count
    if letter in "ML" and count > 2:
        name = _MONTHS[moment.month - 1]
        return name if count > 3 else name[:3]
    match letter:
        case "y" | "Y":
            year = moment.year
            if letter == "Y" and moment.month == 12 and week_of_year(moment) == 1:
                year += 1  # the year to which the week belongs
            return f"{year % 100:02}" if count == 2 else str(year).zfill(count)
        case "E":
            name = _DAYS[moment.weekday()]
            return name if count > 3 else name[:3]
        case "a":
            return "AM" if moment.hour < 12 else "PM"
        case "G":
            return "AD"
        case "z" | "Z" | "X":
            return _zone_text(part, moment)
        case _:
            return str(_number(letter, moment)).zfill(count)


def _number(letter: str, moment: datetime) -> int:
    match letter:
        case "M" | "L":
            return moment.month
        case "d":
            return moment.day
        case "H":
            return moment.hour
        case "k":
            return moment.hour or 24
        case "K":
            return moment.hour % 12
        case "h":
            return moment.hour % 12 or 12
        case "m":
            return moment.minute
        case "s":
            return moment.second
        case "S":
            return moment.microsecond // 1_000
        case "D":
            return moment.timetuple().tm_yday
        case "u":
            return moment.isoweekday()
        case "F":
            return (moment.day - 1) // 7 + 1
        case "w":
            return week_of_year(moment)
        case "W":
            first = moment.replace(day=1)
            return (moment.day - 1 + (first.weekday() + 1) % 7) // 7 + 1
        case _:
            raise AssertionError(letter)


def _zone_text(part: _Part, moment: datetime) -> str:
    offset = moment.utcoffset() or timedelta()
    minutes = offset // timedelta(minutes=1)
    sign, size = ("-", -minutes) if minutes < 0 else ("+", minutes)
    if part.letter == "z":
        return moment.tzname() or "UTC"
    if part.letter == "X":
        if not minutes:
            return "Z"
        tail = ("", f"{size % 60:02}", f":{size % 60:02}")[min(part.count, 3) - 1]
        return f"{sign}{size // 60:02}{tail}"
    colon = ":" if part.count == 2 else ""
    return f"{sign}{size // 60:02}{colon}{size % 60:02}"


def parsed(text: str, pattern: str, at: tzinfo = UTC) -> int | None:
    """The milliseconds that ``text`` means by ``pattern``; None: it does not fit.

    What follows is not looked at. Fields beyond their range go on counting (month 13 is the next January), as in Java.
    """
    parts = _parts(pattern)
    reader = None if parts is None else _reader(pattern)
    match = None if reader is None else reader.match(text)
    if parts is None or match is None:
        return None
    fields: dict[str, str] = {}
    for index, part in enumerate(parts):
        if part.letter:
            fields[part.letter] = match[f"p{index}"]
    try:
        return _moment(fields, _two_digits(parts), at)
    except (OverflowError, ValueError):
        return None


def _two_digits(parts: tuple[_Part, ...]) -> bool:
    return any(part.letter in "yY" and part.letter and part.count == 2 for part in parts)


@lru_cache(maxsize=CACHE_MAX)
def _reader(pattern: str) -> re.Pattern[str]:
    parts = _parts(pattern)
    assert parts is not None
    found: list[str] = []
    for index, part in enumerate(parts):
        after = parts[index + 1] if index + 1 < len(parts) else None
        if not part.letter:
            found.append(re.escape(part.text))
            continue
        is_number = part.letter not in _TEXTS + "ZX" and not (part.letter in "ML" and part.count > 2)
        if is_number:
            is_packed = after is not None and bool(after.letter) and after.letter not in _TEXTS + "ZX"
            body = rf"\d{{{part.count}}}" if is_packed else r"\s*-?\d+"
        elif part.letter in "ML":
            body = "|".join([*_MONTHS, *(name[:3] for name in _MONTHS)])
        elif part.letter == "E":
            body = "|".join([*_DAYS, *(name[:3] for name in _DAYS)])
        elif part.letter == "a":
            body = "AM|PM"
        elif part.letter == "G":
            body = "AD|BC"
        else:
            body = r"Z|(?:GMT|UTC)?[+-]\d{1,2}(?::?\d{2})?|[A-Za-z]+(?:/[A-Za-z_/]+)?"
        found.append(f"(?P<p{index}>{body})")
    return re.compile("".join(found), re.ASCII | re.IGNORECASE)


def _moment(fields: dict[str, str], has_two_digits: bool, at: tzinfo) -> int | None:
    def number(letters: str, default: int) -> int:
        return next((int(fields[letter]) for letter in letters if letter in fields), default)

    for letter in "zZX":
        if letter in fields:
            named = zone(fields[letter].upper()) or zone(fields[letter])
            if named is None:
                return None
            at = named
    year = number("yY", 1970)
    year_text = fields.get("y", fields.get("Y", "")).strip()
    if has_two_digits and len(year_text) == 2:
        year += 2000 if year < _PIVOT else 1900
    month = _month(fields)
    hour = number("Hk", -1)
    if hour < 0:
        hour = number("Kh", 0) % 12 + (12 if fields.get("a", "AM").upper() == "PM" else 0)
    elif "k" in fields and hour == 24:
        hour = 0
    if "D" in fields and "d" not in fields:
        base, days = datetime(year, 1, 1, tzinfo=UTC), number("D", 1) - 1
    else:
        base = datetime(year + (month - 1) // 12, (month - 1) % 12 + 1, 1, tzinfo=UTC)
        days = number("d", 1) - 1
    base += timedelta(
        days=days, hours=hour, minutes=number("m", 0), seconds=number("s", 0), milliseconds=number("S", 0)
    )
    return millis_of(base.replace(tzinfo=at))


def _month(fields: dict[str, str]) -> int:
    text = fields.get("M", fields.get("L", "1")).strip()
    if text.lstrip("-").isdigit():
        return int(text)
    return next(index for index, name in enumerate(_MONTHS, start=1) if name[:3].lower() == text[:3].lower())


def shifted(moment: datetime, unit: str, amount: int) -> datetime | None:
    """``moment`` moved by calendar units; a day that the month does not have becomes its last. None: out of range."""
    try:
        match unit:
            case "YEAR":
                return _in_month(moment, moment.year * 12 + moment.month - 1 + 12 * amount)
            case "QUARTER":
                return _in_month(moment, moment.year * 12 + moment.month - 1 + 3 * amount)
            case "MONTH":
                return _in_month(moment, moment.year * 12 + moment.month - 1 + amount)
            case "WEEK":
                return moment + timedelta(weeks=amount)
            case "DAY":
                return moment + timedelta(days=amount)
            case "HOUR":
                return moment + timedelta(hours=amount)
            case "MINUTE":
                return moment + timedelta(minutes=amount)
            case "SECOND":
                return moment + timedelta(seconds=amount)
            case _:
                raise AssertionError(unit)
    except (OverflowError, ValueError):
        return None


def _in_month(moment: datetime, months: int) -> datetime:
    year, month = divmod(months, 12)
    following = datetime(year + (month == 11), (month + 1) % 12 + 1, 1, tzinfo=UTC)
    days = (following - datetime(year, month + 1, 1, tzinfo=UTC)).days
    return moment.replace(year=year, month=month + 1, day=min(moment.day, days))
