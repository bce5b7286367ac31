from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from eiha.storage.bulk_insert import AdaptiveSize


def test_the_size_finds_what_takes_as_long_as_aimed_at() -> None:
    size = AdaptiveSize(1_000, 100, 1_000_000, aim_s=0.02)
    for _ in range(20):
        size.measured(size.size, size.size / 1_000_000)
    assert 15_000 <= size.size <= 25_000


def test_a_server_that_becomes_slow_gets_smaller_statements() -> None:
    size = AdaptiveSize(100_000, 100, 1_000_000, aim_s=0.02)
    for _ in range(20):
        size.measured(size.size, size.size / 10_000)
    assert 150 <= size.size <= 250


def test_small_statements_say_nothing_of_large_ones() -> None:
    size = AdaptiveSize(100_000, 100, 1_000_000)
    size.measured(10, 0.0001)
    assert size.size == 100_000


@given(
    st.integers(1, 10**6),
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 10)), max_size=30),
    st.integers(1, 10**6),
)
def test_the_size_stays_within_its_bounds(initial: int, measures: list[tuple[float, float]], limit: int) -> None:
    size = AdaptiveSize(initial, 64, 10**5)
    size.limit(limit)
    for share, elapsed in measures:
        size.measured(int(size.size * share), elapsed)
        assert 64 <= size.size <= max(64, min(limit, 10**6))
