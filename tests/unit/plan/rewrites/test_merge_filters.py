from eiha.plan.bind import bind
from eiha.plan.nodes import Filter, StreamInput, Window
from eiha.plan.plan_text import expression_text
from eiha.plan.rewrites.merge_filters import merge_filters
from eiha.siddhiql.parser import parse


def handlers(stream: str) -> list[str]:
    text = f"define stream S (a int, b bool); from {stream} select a insert into Out"
    source = merge_filters(bind(parse(text), text)).queries[0].input
    assert isinstance(source, StreamInput)
    return [
        expression_text(handler.condition) if isinstance(handler, Filter) else handler.name
        for handler in source.handlers
        if isinstance(handler, Filter | Window)
    ]


def test_neighbours_become_one_in_the_same_order() -> None:
    assert handlers("S[a > 1][b][a < 9]") == ["((($0.a > 1) and $0.b) and ($0.a < 9))"]


def test_filters_on_two_sides_of_a_window_stay_apart() -> None:
    assert handlers("S[a > 1]#window.length(2)[b]") == ["($0.a > 1)", "length", "$0.b"]


def test_a_filter_that_is_always_true_goes_and_one_that_is_never_true_stays() -> None:
    assert handlers("S[true][a > 1][true]") == ["($0.a > 1)"]
    assert handlers("S[false]") == ["false"]
