"""Cron expressions name the moments that Quartz finds, and no others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eiha.kernel.cron import CronError, CronSchedule, parse_cron


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def following(expression: str, start: str, count: int) -> list[str]:
    schedule = parse_cron(expression)
    found = []
    at: int | None = ms(start)
    for _ in range(count):
        assert at is not None
        at = schedule.next_after(at)
        if at is None:
            break
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)
        found.append(moment.strftime("%Y-%m-%d %H:%M:%S"))
    return found


EXAMPLES = {
    "*/5 * * * * ?": ("2023-11-14T22:13:20", ["2023-11-14 22:13:25", "2023-11-14 22:13:30"]),
    "/20 * * * * ?": ("2023-11-14T22:13:20", ["2023-11-14 22:13:40", "2023-11-14 22:14:00"]),
    "0 * * * * ?": ("2023-11-14T22:13:59.999", ["2023-11-14 22:14:00", "2023-11-14 22:15:00"]),
    "0 0/20 * * * ?": ("2023-11-14T22:45:00", ["2023-11-14 23:00:00", "2023-11-14 23:20:00"]),
    "30 59 23 * * ?": ("2023-12-31T23:59:30", ["2024-01-01 23:59:30", "2024-01-02 23:59:30"]),
    "0 0 9 ? * MON": ("2023-11-14T00:00:00", ["2023-11-20 09:00:00", "2023-11-27 09:00:00"]),
    "0 0 9 ? * mon-fri": ("2023-11-17T10:00:00", ["2023-11-20 09:00:00", "2023-11-21 09:00:00"]),
    "0 0 0 ? * FRI-MON": ("2023-11-16T10:00:00", ["2023-11-17 00:00:00", "2023-11-18 00:00:00"]),
    "0 0 0 ? * 1": ("2023-11-14T00:00:00", ["2023-11-19 00:00:00", "2023-11-26 00:00:00"]),
    "0 0 0 ? * L": ("2023-11-14T00:00:00", ["2023-11-18 00:00:00", "2023-11-25 00:00:00"]),
    "0 0 0 ? * 6L": ("2023-11-25T00:00:00", ["2023-12-29 00:00:00", "2024-01-26 00:00:00"]),
    "0 0 0 ? * FRIL": ("2023-11-01T00:00:00", ["2023-11-24 00:00:00", "2023-12-29 00:00:00"]),
    "0 0 0 ? * FRI#5": ("2023-11-01T00:00:00", ["2023-12-29 00:00:00", "2024-03-29 00:00:00"]),
    "0 0 0 ? * 2#1": ("2023-11-07T00:00:00", ["2023-12-04 00:00:00", "2024-01-01 00:00:00"]),
    "0 0 0 L * ?": ("2024-01-31T00:00:00", ["2024-02-29 00:00:00", "2024-03-31 00:00:00"]),
    "0 0 0 L-3 2 ?": ("2023-01-01T00:00:00", ["2023-02-25 00:00:00", "2024-02-26 00:00:00"]),
    "0 0 0 LW * ?": ("2023-12-01T00:00:00", ["2023-12-29 00:00:00", "2024-01-31 00:00:00"]),
    "0 0 0 15W * ?": ("2023-10-01T00:00:00", ["2023-10-16 00:00:00", "2023-11-15 00:00:00"]),
    "0 0 0 1W * ?": ("2023-06-30T00:00:00", ["2023-07-03 00:00:00", "2023-08-01 00:00:00"]),
    "0 0 0 30W * ?": ("2023-07-01T00:00:00", ["2023-07-31 00:00:00", "2023-08-30 00:00:00"]),
    "0 0 0 31 * ?": ("2023-03-31T00:00:00", ["2023-05-31 00:00:00", "2023-07-31 00:00:00"]),
    "0 0 0 29 FEB ?": ("2023-03-31T00:00:00", ["2024-02-29 00:00:00", "2028-02-29 00:00:00"]),
    "0 0 22-2 * * ?": ("2023-03-31T23:30:00", ["2023-04-01 00:00:00", "2023-04-01 01:00:00"]),
    "0 0 0 1 NOV-FEB/2 ?": ("2023-03-31T23:30:00", ["2023-11-01 00:00:00", "2024-01-01 00:00:00"]),
    "0 0 0 1 1 ? 2025,2030-2035/5": ("2023-01-01T00:00:00", ["2025-01-01 00:00:00", "2030-01-01 00:00:00"]),
    "10-30/10,5 * * * * ?": ("2023-01-01T00:00:10", ["2023-01-01 00:00:20", "2023-01-01 00:00:30"]),
    "7/0 * * * * ?": ("2023-01-01T00:00:10", ["2023-01-01 00:01:07", "2023-01-01 00:02:07"]),
}


@pytest.mark.parametrize("expression", EXAMPLES)
def test_an_expression_names_these_moments(expression: str) -> None:
    start, moments = EXAMPLES[expression]
    assert following(expression, start, 2) == moments


@pytest.mark.parametrize("expression", ["0 0 0 30 FEB ?", "0 0 0 1 1 ? 1999"])
def test_what_never_comes_is_none(expression: str) -> None:
    assert parse_cron(expression).next_after(ms("2023-01-01T00:00:00")) is None


def test_before_1970_the_first_moment_is_1970() -> None:
    assert parse_cron("0 0 0 * * ?").next_after(-5_000_000) == 0


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("* * * * *", "5 fields"),
        ("", "0 fields"),
        ("0 0 0 ? * ? * *", "8 fields"),
        ("* * * * * *", "exactly one"),
        ("* * * ? * ?", "exactly one"),
        ("60 * * * * ?", "0 to 59"),
        ("* * 24 * * ?", "0 to 23"),
        ("* * * 0 * ?", "1 to 31"),
        ("* * * ? * 8", "1 to 7"),
        ("* * * * FOO ?", "JAN"),
        ("*/60 * * * * ?", "at most 59"),
        ("a * * * * ?", "'A' in seconds"),
        ("0,, * * * * ?", "'' in seconds"),
        ("L * * * * ?", "'L' in seconds"),
        ("0 0 0 L-31 * ?", "at most 30"),
        ("0 0 0 1,L * ?", "'L' in day of month"),
        ("0 0 0 ? * 6#6", "1 to 5"),
        ("0 0 0 ? * 6#1,2#2", "in day of week"),
        ("0 0 0 1 1 ? 2030-2020", "smaller year"),
    ],
)
def test_what_is_wrong_is_said(expression: str, problem: str) -> None:
    with pytest.raises(CronError, match=problem):
        parse_cron(expression)


def field(least: int, most: int) -> st.SearchStrategy[str]:
    values = st.integers(least, most)
    return st.one_of(
        st.just("*"),
        values.map(str),
        st.tuples(values, values).map(lambda pair: f"{pair[0]}-{pair[1]}"),
        st.tuples(values, st.integers(1, 7)).map(lambda pair: f"{pair[0]}/{pair[1]}"),
        st.lists(values, min_size=1, max_size=3).map(lambda many: ",".join(map(str, many))),
    )


days = st.one_of(
    st.sampled_from(["L ?", "LW ?", "L-2 ?", "15W ?", "1W ?", "? 6L", "? 2#3", "? L"]).map(lambda text: text.split()),
    field(1, 28).map(lambda text: [text, "?"]),
    field(1, 7).map(lambda text: ["?", text]),
)


@given(field(0, 59), field(0, 59), field(0, 23), days, field(1, 12), st.integers(0, 4_000_000_000_000))
@settings(deadline=None)
def test_the_next_moment_is_after_and_fits_and_nothing_between_does(
    second: str, minute: str, hour: str, day: list[str], month: str, start: int
) -> None:
    schedule = parse_cron(f"{second} {minute} {hour} {day[0]} {month} {day[1]}")
    found = schedule.next_after(start)
    assert found is not None
    assert found > start
    assert found % 1000 == 0
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=found)
    assert moment.second in schedule.seconds
    assert moment.minute in schedule.minutes
    assert moment.hour in schedule.hours
    assert moment.month in schedule.months
    assert_nothing_between(schedule, start, found)


def assert_nothing_between(schedule: CronSchedule, start: int, found: int) -> None:
    for share in (0, 1, 333, 667, 999):
        assert schedule.next_after(start + (found - 1 - start) * share // 1000) == found


@given(field(0, 59), field(0, 59), field(0, 23))
@settings(deadline=None, max_examples=30)
def test_a_day_has_each_time_of_its_fields_once(second: str, minute: str, hour: str) -> None:
    schedule = parse_cron(f"{second} {minute} {hour} 14 11 ? 2023")
    times = [h * 3600 + m * 60 + s for h in schedule.hours for m in schedule.minutes for s in schedule.seconds]
    day = ms("2023-11-14T00:00:00")
    at: int | None = day - 1
    for time in times[:500]:
        assert at is not None
        at = schedule.next_after(at)
        assert at == day + time * 1000
