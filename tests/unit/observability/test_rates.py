from __future__ import annotations

import pytest

from eiha.observability.rates import Rate


def test_nothing_grows_before_two_samples() -> None:
    rate = Rate()
    assert rate.per_second() == 0
    rate.sample(1, 100)
    assert rate.per_second() == 0


def test_the_rate_is_that_of_the_last_window() -> None:
    rate = Rate(window_s=10)
    for second in range(100):
        rate.sample(second, 5 * second if second < 50 else 250 + 20 * (second - 50))
    assert rate.per_second() == pytest.approx(20)


def test_samples_far_apart_still_give_a_rate() -> None:
    rate = Rate(window_s=10)
    rate.sample(0, 0)
    rate.sample(100, 1_000)
    assert rate.per_second() == 10
