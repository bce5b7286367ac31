import pytest

from eiha.errors import PlanSyntaxError
from eiha.siddhiql.parser import parse


@pytest.mark.parametrize(
    ("query", "advice"),
    [
        ("from S select a where a > 1 insert into O", "from S[condition]"),
        ("from S[a = 1] select a insert into O", "equality is written =="),
        ("from S[a > 1 && a < 3] select a insert into O", "write and"),
        ("from S[a > 1 || a < 3] select a insert into O", "write or"),
        ("from S[!(a > 1)] select a insert into O", "write not"),
        ("from S select -a as x insert into O", "write 0 - ..."),
        ("from S select 1 - -(a) as x insert into O", "write 0 - ..."),
        ("from S[(a + 1) is null] select a insert into O", "without parentheses"),
        ("from S select 'it\\'s' as x insert into O", "no escapes"),
        ("from S select 'a \"b\"' as x insert into O", "no double quote"),
        ("from S // all\nselect a insert into O", "comments are written --"),
        ("from S[a > ${LIMIT}] select a insert into O", "write the value"),
        ("define partition p by S.a;", "partition with (attribute of Stream)"),
        ("define table T (a int) from ('datasource.name'='D', 'table.name'='T');", "kept in memory"),
        ("from `S select a insert into O", "ends with a backtick"),
    ],
)
def test_habits_from_elsewhere_are_answered_with_what_to_write(query: str, advice: str) -> None:
    with pytest.raises(PlanSyntaxError) as caught:
        parse(f"define stream S (a int);\n{query}")
    assert advice in caught.value.message


def test_a_valid_keyword_in_the_wrong_place_is_not_taken_for_a_misspelling() -> None:
    with pytest.raises(PlanSyntaxError) as caught:
        parse("define stream S (a int);\nfrom S as s select s.a insert into O")
    assert "did you mean" not in caught.value.message
