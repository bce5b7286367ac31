"""Instances of a partition that have a runtime each."""

from __future__ import annotations

from tests.fuzz.draw_events import Entry
from tests.fuzz.judge import difference_of


def test_a_cron_window_of_a_key_that_comes_later_waits_from_the_wall_clock_of_then() -> None:
    text = (
        "@app:playback define stream S (k string, n int); partition with (k of S) begin "
        "from S#window.cron('*/5 * * * * ?') select n insert all events into Out; end;"
    )
    rows = ((1_650_000_000_001, ("a", 1)), (1_650_000_000_002, ("a", 2)), (1_650_000_000_003, ("b", 3)))
    feed = (Entry(1_650_000_002_000, "S", rows), Entry(1_650_000_004_000, None), Entry(1_650_000_006_000, None))
    assert difference_of(text, *feed) is None


def test_timers_of_one_time_fire_in_the_order_in_which_the_keys_came() -> None:
    text = (
        "@app:playback define stream S (k string, n int); partition with (k of S) begin "
        "from S#window.delay(50) select k, n insert into Out; end;"
    )
    rows = ((1_000, ("a", 1)), (2_000, ("b", 2)), (2_000, ("a", 3)), (2_100, ("c", 4)))
    assert difference_of(text, Entry(1_000, "S", rows), Entry(9_000, None)) is None
