"""The calculator of ``python -m benchmarks.scale``: what its lines say, and that the page says what it prints."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest

from benchmarks.scale.curves import Line, Steps, fit_line
from benchmarks.scale.model import STATES, Load, Model

PAGE = Path(__file__).parents[3] / "docs" / "scale.md"


@pytest.fixture(scope="module")
def model() -> Model:
    return Model.load()


def test_a_line_through_points_on_a_line_is_that_line() -> None:
    line = fit_line([1, 10, 1_000], [7, 25, 2_005])
    assert (line.fixed, line.per_unit, line.error) == (pytest.approx(5), pytest.approx(2), pytest.approx(0))


def test_the_error_is_the_worst_relative_one() -> None:
    line = fit_line([1, 2, 3], [10, 20, 33])
    assert line.error == pytest.approx(max(abs(line.at(x) - y) / y for x, y in ((1, 10), (2, 20), (3, 33))))
    assert line.error > 0


def test_nothing_takes_less_than_nothing() -> None:
    assert Line(-5.0, 1.0, 0.0).at(2) == 0


def test_between_sizes_the_time_follows_their_logarithm_and_beyond_them_it_stays() -> None:
    steps = Steps((1e3, 1e5), (100.0, 300.0))
    assert [steps.at(size) for size in (1, 1e3, 1e4, 1e5, 1e9)] == pytest.approx([100, 100, 200, 300, 300])


def test_memory_is_linear_in_keys(model: Model) -> None:
    """The target of the design: memory of a million keys in a grouped window is stated, and linear."""
    for name in ("groups", "numbers"):
        line = model.memory[name]
        assert line.error < 0.25
        assert line.at(1e6) == pytest.approx(10 * line.at(1e5), rel=0.1)


def test_more_of_anything_never_takes_less(model: Model) -> None:
    base = Load(groups=1e5, table=1e5, partitions=1e5, window=1e5, plans=5, clients=50, rate=5e4)
    before = model.costs(base)
    for name in (*STATES, "plans", "clients", "rate"):
        after = model.costs(dataclasses.replace(base, **{name: 4 * getattr(base, name)}))
        assert after.memory_bytes >= before.memory_bytes, name
        assert after.engine_share >= 0.95 * before.engine_share, name
        assert after.rejoin_s >= 0.95 * before.rejoin_s, name


def test_a_small_load_fits_one_pair_and_each_bound_has_its_remedy(model: Model) -> None:
    assert model.costs(Load(groups=1e4)).limits == ()
    for load, word in (
        (Load(groups=1e6, rate=1e7), "engine thread"),
        (Load(groups=1e6, memory_bytes=1e9), "GB"),
        (Load(rate=1e6, row_bytes=1_000, batch_rows=10_000), "link"),
        (Load(rate=1e6, batch_rows=1), "publication"),
        (Load(groups=1e7, disk_bytes_per_s=1e6), "persistence.interval_s"),
    ):
        assert any(word in limit for limit in model.costs(load).limits), word


def test_an_engine_that_has_no_time_left_never_catches_up(model: Model) -> None:
    assert math.isinf(model.costs(Load(groups=1e6, rate=1e8)).rejoin_s)


def test_the_page_states_what_was_measured(model: Model) -> None:
    page = PAGE.read_text()
    for name in STATES:
        assert f"| {model.memory[name].per_unit:,.0f} bytes |" in page, name
