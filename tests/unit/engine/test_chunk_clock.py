"""Which time the rows of a chunk see, by its number."""

from __future__ import annotations

import numpy as np
import pytest

from eiha.engine.chunk_clock import ChunkClock
from eiha.events.batch import CHUNK_STRIDE, EventBatch
from eiha.events.schema import Schema
from tests.fuzz.draw_events import Entry
from tests.fuzz.judge import difference_of

NOW_MS = np.array([10, 20, 30], dtype=np.int64)


def of_chunks(*numbers: int) -> EventBatch:
    chunks = np.array(numbers, dtype=np.int64)
    return EventBatch(Schema(()), np.zeros(len(chunks), dtype=np.int64), (), chunks=chunks)


@pytest.mark.parametrize(("timers_inside", "second"), [(True, 20), (False, 10)])
def test_a_number_between_is_a_timers_or_that_of_one_of_several_chunks(timers_inside: bool, second: int) -> None:
    clock = ChunkClock(NOW_MS, NOW_MS, timers_inside)
    assert clock.of(of_chunks(0, 1, CHUNK_STRIDE)).now_ms.tolist() == [10, second, 20]


def test_rows_behind_a_join_that_gives_several_chunks_for_one_see_the_time_of_their_own_row() -> None:
    text = (
        "@app:playback define stream L (d double); define stream R (n int);"
        "from L#window.length(4) as a join R#window.lengthBatch(2) as b select a.d as d, b.n as n insert into Mid;"
        "from Mid#window.length(1) select n insert expired events into Out;"
    )
    rows = tuple((at, (at,)) for at in (1_000, 2_000, 5_000, 9_000))
    assert difference_of(text, Entry(1_000, "L", ((1_000, (0.5,)),)), Entry(1_000, "R", rows)) is None


def test_timed_windows_behind_chunks_that_were_split_fire_between_the_rows() -> None:
    text = (
        "@app:playback define stream L (d double); define stream R (n int);"
        "from L#window.length(4) as a join R#window.lengthBatch(2) as b select a.d as d, b.n as n insert into Mid;"
        "from Mid#window.time(3 sec) select n, count() as c insert all events into Out;"
    )
    rows = tuple((at, (at,)) for at in (1_000, 2_000, 5_000, 9_000, 9_001, 9_002))
    assert difference_of(text, Entry(1_000, "L", ((1_000, (0.5,)),)), Entry(1_000, "R", rows)) is None
