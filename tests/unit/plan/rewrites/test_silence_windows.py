"""Named windows look for no partners where there are never any."""

from __future__ import annotations

import pytest

from eiha import Plan
from eiha.engine.routes import route
from eiha.plan import rewrites
from eiha.plan.bind import bind
from eiha.plan.compilation import compile_plan
from eiha.plan.nodes import JoinInput
from eiha.plan.rewrites.silence_windows import silence_windows
from eiha.siddhiql.parser import parse

HEAD = (
    "define stream S (k string, n int); define stream R (k string, n int);"
    "define window W (k string, n int) {window}; from S select k, n insert into W;"
)
SELECT = "on R.k == W.k select R.k as k, R.n as a, W.n as b insert into Out;"


def triggers(text: str, window: str = "length(2)") -> tuple[bool, bool]:
    whole = HEAD.format(window=window) + text
    join = silence_windows(bind(parse(whole), whole)).queries[-1].input
    assert isinstance(join, JoinInput)
    return join.left.triggers, join.right.triggers


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"from R join W {SELECT}", (True, False)),
        (f"from W join R {SELECT}", (False, True)),
        (f"from R left outer join W {SELECT}", (True, False)),
        (f"from W right outer join R {SELECT}", (False, True)),
    ],
)
def test_of_a_stream_without_window_no_row_is_there_when_others_come(text: str, found: tuple[bool, bool]) -> None:
    assert triggers(text) == found


@pytest.mark.parametrize(
    "text",
    [
        f"from R#window.length(1) join W {SELECT}",
        f"from W left outer join R {SELECT}",
        f"from R full outer join W {SELECT}",
        f"from R join W {SELECT}".replace("R.n as a", "count() as a"),
        f"from R join W {SELECT}".replace("insert into", "insert all events into"),
        f"from R join W {SELECT}".replace("insert into", "output last every 2 events insert into"),
    ],
)
def test_windows_whose_rows_may_come_out_stay_as_they_are(text: str) -> None:
    assert triggers(text) == (True, True)


def test_windows_that_turn_stay_as_they_are() -> None:
    assert triggers(f"from R join W {SELECT}", "lengthBatch(2)") == (True, True)


@pytest.mark.parametrize("window", ["length(2)", "time(1 sec)", "sort(2, n)"])
@pytest.mark.parametrize("join", ["R join W", "W join R", "R left outer join W", "W right outer join R"])
def test_the_rewritten_join_gives_the_same(window: str, join: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"@app:playback {HEAD.format(window=window)} from {join} {SELECT}"
    events = [("SR"[at % 3 == 2], ("xyz"[at * 7 % 3], at), 1_000 + 300 * at) for at in range(40)]

    def outputs() -> list[object]:
        plan = Plan(text)
        sent = (plan.send(stream, [row], timestamps=[at]) for stream, row, at in events)
        return [output.rows() for each in sent for output in each.values()]

    rewritten = outputs()
    monkeypatch.setattr(rewrites, "PASSES", tuple(each for each in rewrites.PASSES if each is not silence_windows))
    assert outputs() == rewritten
    assert any(rewritten)


def test_what_fills_the_window_may_be_fed_whole() -> None:
    plan = compile_plan(HEAD.format(window="length(2)") + f"from R join W {SELECT}", name="p")
    assert route(plan, "S").batched
    assert route(plan, "R").batched
