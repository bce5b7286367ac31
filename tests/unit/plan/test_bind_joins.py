from __future__ import annotations

from typing import Any

import pytest

from eiha.errors import PlanError
from eiha.extensions import window
from eiha.plan.compilation import compile_plan
from eiha.plan.nodes import JoinInput, JoinKind, Plan, SideKind
from eiha.plan.registry import REGISTRY

DEFINITIONS = (
    "define stream L (k string, v int); define stream R (k string, w double); define stream M (z long);\n"
    "define table T (k string, n int); define table U (k string);\n"
)


def bound(query: str) -> Plan:
    return compile_plan(f"{DEFINITIONS}{query}", name="p")


def join(query: str) -> JoinInput:
    source = bound(query).queries[0].input
    assert isinstance(source, JoinInput)
    return source


def refusal(query: str) -> str:
    with pytest.raises(PlanError) as refused:
        bound(query)
    return str(refused.value)


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("join", JoinKind.INNER),
        ("inner join", JoinKind.INNER),
        ("left outer join", JoinKind.LEFT_OUTER),
        ("right outer join", JoinKind.RIGHT_OUTER),
        ("full outer join", JoinKind.FULL_OUTER),
        ("outer join", JoinKind.FULL_OUTER),
    ],
)
def test_the_kind_is_what_stands_before_join(words: str, kind: JoinKind) -> None:
    assert join(f"from L#window.length(1) {words} R#window.length(1) select v insert into O;").kind is kind


def test_both_sides_look_for_partners_unless_one_does_alone() -> None:
    sides = "from L#window.length(1) {} join R#window.length(1) {} on L.k == R.k select v insert into O;"
    for left, right in (("", ""), ("unidirectional", ""), ("", "unidirectional")):
        found = join(sides.format(left, right))
        assert (found.left.triggers, found.right.triggers) == (not right, not left)


def test_a_table_never_looks_for_partners() -> None:
    found = join("from T join L on T.k == L.k select v insert into O;")
    assert (found.left.kind, found.left.triggers, found.right.triggers) == (SideKind.TABLE, False, True)


def test_an_alias_takes_the_place_of_the_name() -> None:
    sides = "from L#window.length(1) as x join R#window.length(1) as y on {} select v insert into O;"
    assert join(sides.format("x.k == y.k")).left.name == "x"
    assert "'L' is no side of the join; its sides are x and y" in refusal(sides.format("L.k == y.k"))


def test_an_unqualified_name_must_be_one_sides_alone() -> None:
    sides = "from L#window.length(1) as x join R#window.length(1) as y select {} insert into O;"
    assert join(sides.format("v, w")).left.schema.names == ("k", "v")
    assert "'k' is in x and y; write which, e.g. x.k" in refusal(sides.format("k"))
    assert "neither side of the join has an attribute 'vv'" in refusal(sides.format("vv"))


def test_select_star_needs_distinct_names() -> None:
    assert "twice" in refusal("from L#window.length(1) join R#window.length(1) select * insert into O;")
    plan = bound("from L#window.length(1) join M#window.length(1) select * insert into O;")
    assert plan.stream("O").schema.names == ("k", "v", "z")


def test_having_may_read_what_is_not_selected() -> None:
    plan = bound(
        "from L#window.length(1) join R#window.length(1) select v having w > 1.0 and R.k == 'a' insert into O;"
    )
    assert plan.queries[0].selector.having is not None


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("from L[v > 1] join T select v insert into O;", "'L' needs a window in a join"),
        ("from L#log() join T select v insert into O;", "'L' needs a window in a join"),
        ("from T join U select n insert into O;", "neither 'T' nor 'U' brings rows by itself"),
        ("from L join T#window.length(1) select v insert into O;", "'T' is a table, which takes no window in a join"),
        ("from L#window.length(1) join R on v + 1 select v insert into O;", "on takes a bool, not int"),
        ("from L#window.length(1) join Q select v insert into O;", "there is no stream 'Q'"),
        (
            "from L#window.length(1) join R#window.cron('* * * * * ?') select v insert into O;",
            "a join cannot look into the window 'cron'",
        ),
        (
            "from L#window.length(1) join R within '2020-**-** **:**:**' per 'days' select v insert into O;",
            "within and per are for aggregations",
        ),
    ],
)
def test_what_cannot_be_joined_is_refused(query: str, message: str) -> None:
    assert message in refusal(query)


@pytest.mark.parametrize(
    ("query", "warning"),
    [
        ("from L join T[n > 1] select v insert into O;", "filters of 'T' have no effect"),
        (
            "from L join R#window.lengthBatch(2) select v insert into O;",
            "rows of the lengthBatch window of 'R' never leave",
        ),
        ("from L join R#window.batch() select v insert into O;", "the batch window of 'R' is always found empty"),
        ("from L join R#window.session(1 sec) select v insert into O;", "the session window of 'R' has no effect"),
    ],
)
def test_what_has_no_effect_or_a_surprising_one_is_warned_of(query: str, warning: str) -> None:
    assert any(warning in each for each in bound(query).warnings)


class HeldBack:
    def receive(self, row: tuple[Any, ...], now_ms: int) -> list[tuple[tuple[Any, ...], bool]]:
        return [(row, now_ms < 0)]

    def fire(self, now_ms: int) -> list[tuple[tuple[Any, ...], bool]]:
        raise AssertionError(now_ms)

    def timer_ms(self) -> int | None:
        return None

    def snapshot(self) -> int:
        return 0

    def restore(self, state: int) -> None:
        assert state == 0


def test_windows_of_packages_cannot_be_joined() -> None:
    window("esb:held", "", deterministic=True)(HeldBack)
    try:
        assert "join.window.esb:held is not supported" in refusal(
            "from L join R#window.esb:held() select v insert into O;"
        )
    finally:
        REGISTRY.remove("esb:held")


def test_in_asks_tables_from_every_place_of_a_join() -> None:
    plan = bound(
        "from L[(T.k == k) in T]#window.length(1) join R#window.length(1) on (T.k == R.k) in T "
        "select (T.n == v) in T as known insert into O;"
    )
    assert [each.name for each in plan.stream("O").schema.attributes] == ["known"]


def test_batch_windows_of_joins_that_put_out_all_events_are_not_warned_of() -> None:
    assert not bound("from L join R#window.lengthBatch(2) select v insert all events into O;").warnings
