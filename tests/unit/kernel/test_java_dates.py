"""Dates as Java's ``SimpleDateFormat`` writes and reads them; expected texts are Java's own (UTC, US)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eiha.kernel.java_dates import (
    date_of,
    formatted,
    millis_of,
    parsed,
    pattern_problem,
    shifted,
    week_of_year,
    zone,
    zone_problem,
)


def _utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


MOMENT = millis_of(datetime(2014, 11, 9, 13, 5, 7, 45_000, tzinfo=UTC))


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("yyyy-MM-dd HH:mm:ss.SSS", "2014-11-09 13:05:07.045"),
        ("EEE, d MMM yyyy hh:mm:ss a", "Sun, 9 Nov 2014 01:05:07 PM"),
        ("EEEE MMMM dd yy", "Sunday November 09 14"),
        ("D w W F u", "313 46 3 2 7"),
        ("kk KK k K", "13 01 13 1"),
        ("yyyy-MM-dd'T'HH:mm:ssXXX", "2014-11-09T13:05:07Z"),
        ("Z X z", "+0000 Z UTC"),
        ("S SS SSSS G", "45 45 0045 AD"),
        ("''yy' o''clock'", "'14 o'clock"),
    ],
)
def test_a_date_is_written_by_its_pattern(pattern: str, text: str) -> None:
    assert formatted(MOMENT, pattern) == text


@pytest.mark.parametrize(
    ("text", "pattern", "expected"),
    [
        ("2014-11-09", "yyyy-MM-dd", (2014, 11, 9)),
        ("2014-13-40", "yyyy-MM-dd", (2015, 2, 9)),
        ("5/7/2014", "M/d/yyyy", (2014, 5, 7)),
        ("20140305", "yyyyMMdd", (2014, 3, 5)),
        ("Tue, 4 Mar 2014 01:02:03 PM", "EEE, d MMM yyyy hh:mm:ss a", (2014, 3, 4, 13, 2, 3)),
        ("2014-03-05T10:11:12+05:30", "yyyy-MM-dd'T'HH:mm:ssXXX", (2014, 3, 5, 4, 41, 12)),
        ("2014-03-05 10:11:12 PST", "yyyy-MM-dd HH:mm:ss z", (2014, 3, 5, 18, 11, 12)),
        ("2014-03-05xyz", "yyyy-MM-dd", (2014, 3, 5)),
        ("14-03-05", "yy-MM-dd", (2014, 3, 5)),
        ("99-03-05", "yy-MM-dd", (1999, 3, 5)),
        ("12:30 AM", "hh:mm a", (1970, 1, 1, 0, 30)),
        ("24:30", "kk:mm", (1970, 1, 1, 0, 30)),
        ("2014-060", "yyyy-DDD", (2014, 3, 1)),
        ("2014-2-29", "yyyy-M-d", (2014, 3, 1)),
        ("10:61:99", "HH:mm:ss", (1970, 1, 1, 11, 2, 39)),
        ("2014-03-05 10:11", "yyyy-MM-dd HH:mm:ss", None),
        ("x", "yyyy", None),
    ],
)  # fmt: skip
def test_a_text_is_read_by_its_pattern(text: str, pattern: str, expected: tuple[int, ...] | None) -> None:
    assert parsed(text, pattern) == (None if expected is None else millis_of(_utc(*expected)))


@given(millis=st.integers(-10_000_000_000_000, 10_000_000_000_000))
def test_what_was_written_is_read(millis: int) -> None:
    pattern = "yyyy-MM-dd HH:mm:ss.SSS"
    text = formatted(millis, pattern)
    assert text is not None
    assert parsed(text, pattern) == millis


@pytest.mark.parametrize(
    ("day", "week"),
    [((2014, 1, 1), 1), ((2014, 1, 4), 1), ((2014, 1, 5), 2), ((2014, 12, 28), 1), ((2016, 12, 31), 53)],
)
def test_weeks_begin_on_sunday_and_the_first_holds_january_1(day: tuple[int, int, int], week: int) -> None:
    assert week_of_year(datetime(*day, tzinfo=UTC)) == week


def test_a_month_later_is_the_last_day_if_there_is_no_such_day() -> None:
    start = datetime(2016, 1, 31, tzinfo=UTC)
    assert shifted(start, "MONTH", 1) == datetime(2016, 2, 29, tzinfo=UTC)
    assert shifted(start, "QUARTER", -1) == datetime(2015, 10, 31, tzinfo=UTC)
    assert shifted(start, "YEAR", 9_000) is None
    assert date_of(10**18) is None


def test_zones_go_by_javas_names() -> None:
    assert formatted(0, "HH:mm", zone("IST") or UTC) == "05:30"
    assert formatted(0, "HH:mm", zone("GMT+2") or UTC) == "02:00"
    assert formatted(0, "HH:mm Z", zone("EST") or UTC) == "19:00 -0500"
    assert zone_problem("Europe/Nowhere") == "there is no time zone 'Europe/Nowhere'"
    assert zone("../../etc/passwd") is None
    assert pattern_problem("yyyy-bb") is not None
    assert pattern_problem("yyyy 'open") is not None
    assert pattern_problem("yyyy.MM.dd 'at' HH") is None
