"""Where batches must be cut because a row may set a timer that is due before the next row."""

from __future__ import annotations

from tests.fuzz.draw_events import Entry
from tests.fuzz.judge import difference_of

HEAD = "@app:playback define stream S (k string, n int);"


def test_a_new_instance_whose_periods_are_over_fires_before_the_next_row_of_the_same_time() -> None:
    text = (
        f"{HEAD} partition with (k of S) begin from S#window.hopping(2 sec, 500 milliseconds) select n "
        "output snapshot every 500 milliseconds insert into Out; end;"
    )
    rows = ((12_000, ("a", 1)), (12_000, ("b", 2)), (12_000, ("a", 3)), (13_500, ("a", 4)))
    assert difference_of(text, Entry(1_000, "S", rows)) is None


def test_a_late_row_that_leaves_at_once_leaves_before_the_next_row() -> None:
    text = f"{HEAD} partition with (k of S) begin from S#window.time(50) select n insert all events into Out; end;"
    rows = ((12_000, ("a", 1)), (11_900, ("a", 2)), (12_000, ("a", 3)), (12_010, ("a", 4)))
    assert difference_of(text, Entry(1_000, "S", rows)) is None


def test_rows_that_leave_a_join_without_having_come_in_do_not_divide_by_zero() -> None:
    text = (
        "define stream S (k string, f float); define table T (k string);"
        "from S#window.session(200 milliseconds) as a unidirectional left outer join T as b "
        "select a.k as k, stdDev(a.f) as s insert into Out;"
    )
    rows = ((1_000, ("a", 1.0)), (2_000, ("a", 2.0)), (2_001, ("b", 3.0)))
    assert difference_of(f"@app:playback {text}", Entry(1_000, "S", rows), Entry(5_000, None)) is None


def test_in_a_live_plan_a_late_row_that_leaves_at_once_leaves_before_the_next_row() -> None:
    text = (
        "define stream S (k string, n int); partition with (k of S) begin "
        "from S#window.delay(200) select n, sum(n) as s insert into Out; end;"
    )
    rows = ((12_000, ("a", 1)), (11_000, ("a", 2)), (12_000, ("b", 3)))
    assert difference_of(text, Entry(12_000, "S", rows)) is None


def test_a_window_whose_key_is_the_whole_row_sees_the_whole_row() -> None:
    text = f"{HEAD} from S#window.frequent(1) select count() as c insert expired events into Out;"
    rows = ((1_000, ("a", 1)), (1_001, ("a", 2)), (1_002, ("a", 2)), (1_003, ("b", 2)))
    assert difference_of(text, Entry(1_000, "S", rows)) is None


def test_rows_that_a_batch_window_held_back_leave_the_window_behind_it_before_the_next_row() -> None:
    text = (
        "@app:playback define stream S (k string, ts long); define window W (k string) time(2 sec);"
        "from S#window.externalTimeBatch(ts, 200 milliseconds) select k insert into Mid;"
        "from Mid select k insert into W;"
    )
    rows = tuple((at, (str(at), at)) for at in (1_000, 7_000, 7_000))
    assert difference_of(text, Entry(1_000, "S", rows)) is None
