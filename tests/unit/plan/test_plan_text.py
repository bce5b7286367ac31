from eiha.plan.compilation import compile_plan
from eiha.plan.plan_text import plan_text


def text_of(plan: str) -> str:
    return plan_text(compile_plan(plan))


def test_names_are_quoted_where_they_could_be_read_otherwise() -> None:
    text = text_of("define stream `a b` (`select` int, plain int); from `a b` insert into `a\nb`;")
    assert "stream `a b`(`select` int, plain int)" in text
    assert "select $0.`select` as `select` (int)" in text
    assert "into `a\nb`" in text


def test_everything_that_a_selector_says_has_its_line() -> None:
    lines = text_of(
        "define stream S (k string, n int); from S#window.length(2) select k, sum(n) as s group by k having s > 1L "
        "order by s desc, k limit 3 offset 1 insert all events into Out;"
    ).splitlines()
    assert lines[5:] == [
        "    window length(2)",
        "  aggregate 0: sum($0.n): long",
        "  select $0.k as k (string)",
        "  select #0 as s (long)",
        "  group by $0.k",
        "  having (out.s > 1L)",
        "  order by out.s desc, out.k",
        "  limit 3",
        "  offset 1",
        "  insert all events into Out",
    ]


def test_types_of_operations_show_and_so_tell_plans_apart() -> None:
    assert "($0.a + 1):int" in text_of("define stream S (a int); from S select a + 1 as x insert into Out;")
    assert "($0.a + 1):long" in text_of("define stream S (a long); from S select a + 1 as x insert into Out;")


def test_captured_events_are_told_apart() -> None:
    text = text_of(
        "define stream A (n int); from e1=A<2:3> -> e2=A[n > e1[1].n or e1[2] is null] "
        "select e1[0].n as a, e1[last].n as b, e1[last - 1].n as c, e1.n as d insert into Out;"
    )
    assert "where (($1.n > $0[1].n) or ($0[2] is null))" in text
    for reference in ("$0.n as a", "$0[last].n as b", "$0[last - 1].n as c", "$0[*].n as d"):
        assert reference in text
