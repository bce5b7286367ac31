import pytest

from eiha.errors import PlanSemanticError
from eiha.plan.bind import bind
from eiha.plan.expressions import LAST_EVENT, OWN_EVENT, WHOLE_LIST, AttributeRef, Compare, EventIsNull, Logic
from eiha.plan.nodes import AbsentNode, EveryNode, LogicalNode, NextNode, PatternInput, Plan, StepNode
from eiha.siddhiql.parser import parse

STREAMS = "define stream A (k string, n int); define stream B (k string, n int); define stream P (p int);\n"


def bound(pattern: str, select: str = "e1.n as x", rest: str = "") -> Plan:
    text = f"{STREAMS}from {pattern} select {select} {rest} insert into Out"
    return bind(parse(text), text)


def pattern_of(plan: Plan) -> PatternInput:
    source = plan.queries[0].input
    assert isinstance(source, PatternInput)
    return source


def selected(plan: Plan) -> AttributeRef:
    expression = plan.queries[0].selector.projections[0].expression
    assert isinstance(expression, AttributeRef)
    return expression


def test_steps_stand_in_textual_order_and_the_tree_points_to_them() -> None:
    pattern = pattern_of(bound("every (e1=A -> B<2:5>) -> not B for 5 sec -> e2=A or P within 1 min"))
    assert [(step.reference, step.stream, step.min_count, step.max_count) for step in pattern.steps] == [
        ("e1", "A", 1, 1),
        ("B", "B", 2, 5),
        ("B", "B", 1, 1),
        ("e2", "A", 1, 1),
        ("P", "P", 1, 1),
    ]
    assert pattern.root == NextNode(
        (
            EveryNode(NextNode((StepNode(0), StepNode(1)))),
            AbsentNode(2, 5000),
            LogicalNode(False, StepNode(3), StepNode(4)),
        )
    )
    assert pattern.within_ms == 60_000
    assert not pattern.is_sequence


def test_a_sequence_is_marked_as_one() -> None:
    pattern = pattern_of(bound("every e1=A, e2=B+"))
    assert pattern.is_sequence
    assert pattern.steps[1].max_count is None


@pytest.mark.parametrize(
    ("reference", "event", "type_"),
    [
        ("e1.n", WHOLE_LIST, "object"),
        ("e1[0].n", 0, "int"),
        ("e1[2].n", 2, "int"),
        ("e1[last].n", LAST_EVENT, "int"),
        ("e1[last - 2].n", LAST_EVENT - 2, "int"),
    ],
)
def test_events_of_a_counted_step_are_read_by_index_or_as_a_list(reference: str, event: int, type_: str) -> None:
    attribute = selected(bound("e1=A<2:3> -> e2=B", f"{reference} as x"))
    assert (attribute.event_index, attribute.type.value) == (event, type_)


def test_on_a_single_step_index_0_and_last_are_the_event() -> None:
    for reference in ("e1.n", "e1[0].n", "e1[last].n"):
        assert selected(bound("e1=A -> e2=B", f"{reference} as x")).event_index == 0


def test_a_plain_name_in_a_condition_is_the_arriving_event() -> None:
    pattern = pattern_of(bound("e1=A -> e2=B[n > e1.n][e2.k == 'x']"))
    text = str(pattern.steps[1].condition)
    assert "source=1, attribute=1" in text
    assert "source=0, attribute=1" in text


def test_whether_an_event_is_missing_can_be_asked() -> None:
    plan = bound("every (e1=A or e2=B)", "e1 is null as x, e2[0] is null as y")
    assert [type(item.expression) for item in plan.queries[0].selector.projections] == [EventIsNull, EventIsNull]


def test_having_reads_captured_events_too() -> None:
    bound("e1=A -> e2=B", "e1.n as x", "having e2.n > 3 and x > 1")


def test_unqualified_names_must_be_unambiguous() -> None:
    assert selected(bound("e1=A -> P", "p as x")).source == 1
    with pytest.raises(PlanSemanticError, match="e1 and e2"):
        bound("e1=A -> e2=B", "n as x")


def test_select_star_needs_distinct_names() -> None:
    text = STREAMS + "from e1=A -> P select * insert into Out"
    assert bind(parse(text), text).stream("Out").schema.names == ("k", "n", "p")
    with pytest.raises(PlanSemanticError, match="twice"):
        text = STREAMS + "from e1=A -> e2=B insert into Out"
        bind(parse(text), text)


@pytest.mark.parametrize(
    "pattern",
    [
        "e1=A -> e2=Nope",
        "e1=A -> e2=B[n > e7.n]",
        "e1=A[n > e2.n] -> e2=B",
        "e1=A and e2=B[k != e1.k]",
        "e1=A -> e2=B[k > e1.k]",
        "e1=A -> e2=B[nope > 1]",
        "e1=A -> e2=B[n]",
    ],
)
def test_what_siddhi_refuses_is_refused(pattern: str) -> None:
    with pytest.raises(PlanSemanticError):
        bound(pattern)


def test_of_two_steps_with_one_name_the_first_is_meant() -> None:
    assert selected(bound("e1=A -> e1=B")).source == 0


def test_a_counted_step_reads_its_own_events_by_index() -> None:
    condition = pattern_of(bound("e1=A -> e2=B[e2[0].n > 1 and e2[last].n < n]<2>")).steps[1].condition
    assert isinstance(condition, Logic)
    assert isinstance(condition.left, Compare)
    assert isinstance(condition.right, Compare)
    first, last, arriving = condition.left.left, condition.right.left, condition.right.right
    indices = [each.event_index for each in (first, last, arriving) if isinstance(each, AttributeRef)]
    assert indices == [OWN_EVENT, LAST_EVENT, 0]


@pytest.mark.parametrize(
    ("pattern", "warns"),
    [
        ("every e1=A -> e2=B", True),
        ("e1=A -> every e2=B -> e3=A", True),
        ("every e1=A -> e2=B within 1 sec", False),
        ("every (e1=A -> e2=B)", False),
        ("e1=A -> e2=B", False),
        ("every e1=A, e2=B", False),
    ],
)
def test_matches_that_pile_up_without_within_are_warned_of(pattern: str, warns: bool) -> None:
    assert any("no within" in warning for warning in bound(pattern).warnings) == warns
