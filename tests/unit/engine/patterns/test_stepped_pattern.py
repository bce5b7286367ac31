"""Patterns with counts in the compiled loop, where room runs out in the middle of a batch."""

from __future__ import annotations

import pytest

from tests.fuzz.draw_events import Entry
from tests.fuzz.judge import difference_of


@pytest.mark.parametrize(
    "query",
    [
        "every e1=S<2:3> -> e2=S within 50 milliseconds select e1[0].n as a, e1[1].n as b, e2.n as c",
        "every e1=S<1:> -> e2=S within 90 milliseconds select e1[0].n as a, e1[last].n as b, e2.n as c",
        "every e1=S<1:4> -> e2=S within 90 milliseconds select e1.n as a, e1[last].n as b, e2.n as c",
    ],
)
def test_matches_found_before_room_runs_out_are_kept(query: str) -> None:
    text = f"@app:playback define stream S (n int); from {query} insert into Out;"
    rows = tuple((1_000 + at, (at,)) for at in range(200))
    assert difference_of(text, Entry(1_000, "S", rows)) is None
