import pytest

from eiha.events.schema import AttributeType
from eiha.plan.expressions import CompareOp
from eiha.plan.types import arithmetic_type, comparison_problem

INT, LONG, FLOAT, DOUBLE = AttributeType.INT, AttributeType.LONG, AttributeType.FLOAT, AttributeType.DOUBLE
STRING, BOOL, OBJECT = AttributeType.STRING, AttributeType.BOOL, AttributeType.OBJECT


@pytest.mark.parametrize(
    ("left", "right", "result"),
    [
        (INT, INT, INT),
        (INT, LONG, LONG),
        (LONG, FLOAT, FLOAT),
        (FLOAT, DOUBLE, DOUBLE),
        (INT, STRING, INT),
        (OBJECT, LONG, LONG),
        (STRING, STRING, None),
        (BOOL, BOOL, None),
        (OBJECT, OBJECT, None),
        (STRING, OBJECT, None),
    ],
)
def test_the_wider_number_gives_the_type_and_one_side_must_be_a_number(
    left: AttributeType, right: AttributeType, result: AttributeType | None
) -> None:
    assert arithmetic_type(left, right) is result
    assert arithmetic_type(right, left) is result


@pytest.mark.parametrize("op", list(CompareOp))
def test_numbers_compare_with_numbers_and_objects_with_nothing(op: CompareOp) -> None:
    assert comparison_problem(op, INT, DOUBLE) is None
    assert comparison_problem(op, OBJECT, OBJECT) is not None
    assert comparison_problem(op, INT, OBJECT) is not None
    assert comparison_problem(op, INT, STRING) is not None
    assert comparison_problem(op, BOOL, INT) is not None


@pytest.mark.parametrize("type_", [STRING, BOOL])
def test_strings_and_bools_are_equal_or_not_but_have_no_order(type_: AttributeType) -> None:
    valid = {op for op in CompareOp if comparison_problem(op, type_, type_) is None}
    assert valid == {CompareOp.EQUAL, CompareOp.NOT_EQUAL}
