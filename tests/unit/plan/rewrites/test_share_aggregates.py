from eiha.plan.bind import bind
from eiha.plan.plan_text import aggregate_text, expression_text
from eiha.plan.rewrites.share_aggregates import share_aggregates
from eiha.siddhiql.parser import parse


def test_equal_aggregates_are_kept_once_and_every_use_finds_its_own() -> None:
    text = (
        "define stream S (a int, c int); "
        "from S select max(a) as m, sum(c) as s, sum(a) as t, sum(S.a) + max(a) as u, sum(c + 0) as v insert into Out"
    )
    selector = share_aggregates(bind(parse(text), text)).queries[0].selector
    assert [aggregate_text(each) for each in selector.aggregates] == [
        "max($0.a): int",
        "sum($0.c): long",
        "sum($0.a): long",
        "sum(($0.c + 0):int): long",
    ]
    uses = [expression_text(item.expression) for item in selector.projections]
    assert uses == ["#0", "#1", "#2", "(#2 + #0):long", "#3"]
