from __future__ import annotations

from contextlib import nullcontext
from datetime import timedelta

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from eiha.engine import jit
from eiha.engine.aggregations.buckets import bucket_starts
from eiha.plan.granularities import Granularity
from tests.unit.engine.aggregations.plain_buckets import EPOCH, bucket_start

times = st.integers(-62_000_000_000_000, 253_000_000_000_000)


def starts(values: list[int], granularity: Granularity) -> list[int]:
    out = np.empty(len(values), np.int64)
    bucket_starts(np.array(values, np.int64), int(granularity), out)
    found: list[int] = out.tolist()
    return found


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "interpreted"])
@pytest.mark.parametrize("granularity", list(Granularity))
@settings(max_examples=50, deadline=None)
@given(st.lists(times, min_size=1, max_size=20))
def test_buckets_begin_where_the_calendar_says(compiled: bool, granularity: Granularity, values: list[int]) -> None:
    with nullcontext() if compiled else jit.interpreted():
        assert starts(values, granularity) == [bucket_start(value, granularity) for value in values]


@pytest.mark.parametrize("year", [1600, 1900, 1999, 2000, 2020, 2100])
def test_every_day_of_leap_years_and_others_is_in_its_month(year: int) -> None:
    first = (EPOCH.replace(year=year) - EPOCH) // timedelta(milliseconds=1)
    days = [first + day * 86_400_000 for day in range(367)]
    assert starts(days, Granularity.MONTH) == [bucket_start(day, Granularity.MONTH) for day in days]
    assert starts(days, Granularity.YEAR) == [bucket_start(day, Granularity.YEAR) for day in days]
