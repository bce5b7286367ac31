"""Where rows that live in several instances of a partition may be fed in whole batches."""

from __future__ import annotations

import pytest

from eiha.engine.routes import route
from eiha.plan.compilation import compile_plan
from tests.fuzz.draw_events import Entry
from tests.fuzz.judge import difference_of

HEAD = "define stream S (k string, n int);"
RANGES = "partition with (n < 5 as 'low' or n > 2 as 'high' or n > 3 as 'higher' of S)"
ROWS = tuple((1_000 + place, ("abc"[place % 3], place * 7 % 9)) for place in range(24))


def is_batched(text: str) -> bool:
    return route(compile_plan(f"{HEAD} {text}"), "S").batched


WHOLE = (
    f"{RANGES} begin from S#window.length(2) select n, sum(n) as s insert into Out; end;",
    (
        f"{RANGES} begin from S#window.lengthBatch(2) select n, sum(n) as s insert into Out; "
        "from S select n, count() as s insert into Out; end;"
    ),
    (
        f"{RANGES} begin from S[n > 1] select n insert into #M; from #M select n, count() as s insert into Mid; end; "
        "from Mid#window.lengthBatch(3) select n, sum(s) as s insert into Out;"
    ),
    f"from S select n, 0L as s insert into Other; {RANGES} begin from S select n, count() as s insert into Out; end;",
)
ONE_BY_ONE = (
    f"from S select n, 0L as s insert into Out; {RANGES} begin from S select n, count() as s insert into Out; end;",
    (
        f"{RANGES} begin from S select n, count() as s insert into Out; end;"
        f"{RANGES} begin from S select n, count() as s insert into Out; end;"
    ),
    (
        f"{RANGES} begin from S#window.lengthBatch(2) select n, n as s insert into Mid; end; "
        "from Mid#window.lengthBatch(3) select n, sum(s) as s insert into Out;"
    ),
    f"{RANGES} begin from e1=S, e2=S select e1.n as n, e2.n as s insert into Out; end;",
)


@pytest.mark.parametrize("text", WHOLE)
def test_copies_of_a_row_are_chunks_of_their_own(text: str) -> None:
    assert is_batched(text)


@pytest.mark.parametrize("text", ONE_BY_ONE)
def test_copies_whose_numbers_would_not_tell_the_order_are_fed_one_by_one(text: str) -> None:
    assert not is_batched(text)


@pytest.mark.parametrize("text", [*WHOLE, *ONE_BY_ONE])
def test_rows_in_several_instances_give_the_same_however_they_are_fed(text: str) -> None:
    assert difference_of(f"@app:playback {HEAD} {text}", Entry(1_000, "S", ROWS)) is None


PURGE = "@purge(enable='true', interval='1 sec', idle.period='2 sec')"


def test_keys_that_may_be_forgotten_do_not_cut_batches_before_the_first_is_due() -> None:
    text = f"{PURGE} partition with (k of S) begin from S select k, sum(n) as s insert into Out; end;"
    found = route(compile_plan(f"{HEAD} {text}"), "S")
    assert found.batched
    assert found.fires_inside
    assert not found.timed
    later = ((9_000, ("a", 1)), (10_500, ("b", 2)), (12_000, ("a", 3)), (12_001, ("b", 4)), (15_000, ("b", 5)))
    assert difference_of(f"@app:playback {HEAD} {text}", Entry(1_000, "S", (*ROWS, *later))) is None


@pytest.mark.parametrize("rate", ["last every 3 events", "first every 2 events", "all every 2 events"])
def test_rounds_of_events_of_each_instance_end_within_a_batch(rate: str) -> None:
    text = f"partition with (k of S) begin from S select k, sum(n) as s output {rate} insert into Out; end;"
    assert is_batched(text)
    assert difference_of(f"@app:playback {HEAD} {text}", Entry(1_000, "S", ROWS)) is None
