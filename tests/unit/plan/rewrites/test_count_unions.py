import pytest

from eiha import Plan
from eiha.plan.bind import bind
from eiha.plan.compilation import compile_plan
from eiha.plan.plan_text import aggregate_text, expression_text
from eiha.plan.rewrites.count_unions import count_unions
from eiha.siddhiql.parser import parse


def rewritten(select: str) -> tuple[list[str], list[str]]:
    text = f"define stream S (a int, o object); from S select {select} insert into Out"
    selector = count_unions(bind(parse(text), text)).queries[0].selector
    aggregates = [aggregate_text(each) for each in selector.aggregates]
    return aggregates, [expression_text(item.expression) for item in selector.projections]


def test_the_size_of_a_union_of_single_values_is_counted() -> None:
    assert rewritten("sizeOfSet(unionSet(createSet(a))) as n, sum(a) as s") == (
        ["distinctCount($0.a): int", "sum($0.a): long"],
        ["#0", "#1"],
    )


@pytest.mark.parametrize(
    "select",
    ["unionSet(createSet(a)) as u", "sizeOfSet(unionSet(o)) as n", "sizeOfSet(createSet(a)) as n"],
)
def test_other_sets_stay_sets(select: str) -> None:
    aggregates, projections = rewritten(select)
    assert not any(each.startswith("distinctCount") for each in aggregates)
    assert aggregates or projections == ["sizeOfSet(createSet($0.a):object):int"]


def test_counted_unions_are_as_large_as_the_sets() -> None:
    text = (
        "define stream S (a {type}); from S#window.length(3) "
        "select sizeOfSet(unionSet(createSet(a))) as n, unionSet(createSet(a)) as u insert all events into Out;"
    )
    for type_, values in (("string", ["x", None, "x", "y", "z", None, None]), ("double", [0.5, 0.5, None, 1.0, 2.0])):
        app = text.format(type=type_)
        assert [each.name for each in compile_plan(app).queries[0].selector.aggregates] == ["distinctCount", "unionSet"]
        plan = Plan(app, playback=True)
        out = plan.send("S", [(value,) for value in values], timestamps=[1_000 + row for row in range(len(values))])
        rows = [row for each in out.values() for row in each]
        assert len(rows) == 2 * len(values) - 3
        assert all(count == len(union) for count, union in rows), rows
