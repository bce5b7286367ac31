from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eiha.plan.within import NoTime, moment_ms, span_ms


def at(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp()) * 1000  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2020-**-** **:**:**", at(2020, 1, 1), at(2021, 1, 1)),
        ("2020-02-** **:**:**", at(2020, 2, 1), at(2020, 3, 1)),
        ("2020-12-** **:**:**", at(2020, 12, 1), at(2021, 1, 1)),
        ("2020-09-13 **:**:**", at(2020, 9, 13), at(2020, 9, 14)),
        ("2020-09-13 12:**:**", at(2020, 9, 13, 12), at(2020, 9, 13, 13)),
        ("2020-09-13 12:26:**", at(2020, 9, 13, 12, 26), at(2020, 9, 13, 12, 27)),
        ("2020-09-13 12:26:40", at(2020, 9, 13, 12, 26, 40), at(2020, 9, 13, 12, 26, 41)),
        ("  2020-09-13 12:26:40 ", at(2020, 9, 13, 12, 26, 40), at(2020, 9, 13, 12, 26, 41)),
        ("2020-09-** **:**:** +05:30", at(2020, 8, 31, 18, 30), at(2020, 9, 30, 18, 30)),
        ("2020-**-** **:**:** -08:00", at(2020, 1, 1, 8), at(2021, 1, 1, 8)),
        ("9999-**-** **:**:**", at(9999, 1, 1), at(9999, 12, 31) + 86_400_000),
    ],
)
def test_stars_stand_for_all_there_is(text: str, start: int, end: int) -> None:
    assert span_ms(text) == (start, end)


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "2020-9-13 **:**:**",
        "2020-13-** **:**:**",
        "2020-02-30 **:**:**",
        "2020-09-** 12:**:**",
        "2020-**-01 **:**:**",
        "2020-09-13 25:**:**",
        "2020-09-13 12:26:40 +25:00",
        "2020-09-13 12:26:40 05:30",
        "0000-**-** **:**:**",
        "",
    ],
)
def test_what_names_no_span_is_refused(text: str) -> None:
    with pytest.raises(NoTime):
        span_ms(text)


@given(st.integers(-62_000_000_000, 253_000_000_000), st.integers(-18 * 60, 18 * 60))
def test_a_moment_is_read_back_with_its_offset(seconds: int, offset: int) -> None:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    text = moment.strftime("%m-%d %H:%M:%S")
    sign, hours, minutes = "+" if offset >= 0 else "-", abs(offset) // 60, abs(offset) % 60
    plain = seconds * 1000
    assert moment_ms(f"{moment.year:04}-{text}") == plain
    assert moment_ms(f"{moment.year:04}-{text} {sign}{hours:02}:{minutes:02}") == plain - offset * 60_000


def test_a_moment_has_no_stars() -> None:
    with pytest.raises(NoTime, match="no date and time"):
        moment_ms("2020-09-13 12:26:**")
