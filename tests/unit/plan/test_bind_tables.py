"""Tables: what their definitions mean, and which output clauses are refused, with a place and a remedy."""

from __future__ import annotations

import pytest

from eiha.errors import PlanSemanticError
from eiha.plan.compilation import compile_plan
from eiha.plan.expressions import Call
from eiha.plan.nodes import UpdateTable

HEAD = "define stream S (k string, n int, d double);\n"
TABLE = HEAD + "define table T (k string, n int, d double);\n"


def test_keys_and_indexes_are_columns() -> None:
    plan = compile_plan(
        HEAD + "@PrimaryKey('k', 'n') @Index('d') @index('n') define table T (k string, n int, d double);"
    )
    assert plan.tables[0].primary_key == (0, 1)
    assert plan.tables[0].indexes == (2, 1)


def test_a_store_is_kept_in_memory_and_the_plan_warns_of_its_options() -> None:
    plan = compile_plan(HEAD + "@store(type='rdbms', jdbc.url='x') define table T (k string);")
    assert plan.warnings == ("@store on table 'T': the table is kept in memory; type, jdbc.url have no effect",)


def test_the_same_table_may_be_defined_twice() -> None:
    assert len(compile_plan(TABLE + "define table T (k string, n int, d double);").tables) == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("@PrimaryKey('x') define table T (k string);", "no attribute 'x'"),
        ("@PrimaryKey('k') @PrimaryKey('k') define table T (k string);", "two @PrimaryKey"),
        ("@PrimaryKey('k', 'k') define table T (k string);", "twice"),
        ("@PrimaryKey define table T (k string);", "names attributes"),
        ("@Index('k', 'n') define table T (k string, n int);", "one attribute"),
        ("@Index('k') @Index('k') define table T (k string);", "two @Index"),
    ],
)
def test_definitions_that_are_refused(text: str, reason: str) -> None:
    with pytest.raises(PlanSemanticError, match=reason) as refusal:
        compile_plan(HEAD + text)
    assert refusal.value.line == 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("from T insert into X;", "is a table"),
        ("from S select k, n insert into T;", "names, order and types must be equal"),
        ("from S select k, n update or insert into T on T.k == k;", "names, order and types must be equal"),
        ("from S delete T;", "on true"),
        ("from S delete T on T.n;", "on takes a bool"),
        ("from S delete U on T.k == k;", "no table 'U'"),
        ("from S select k update T on T.k == S.k;", "'S' is not in scope"),
        ("from S select k update T set T.n = n on T.k == k;", "written T.n"),
        ("from S update T set T.x = n on T.k == k;", "no attribute 'x'"),
        ("from S update T set U.n = n on T.k == k;", "columns of 'T' only"),
        ("from S update T set T.n = 1, n = 2 on T.k == k;", "set twice"),
        ("from S update T set T.n = k on T.k == k;", "is int, the value is string"),
        ("from S select k as x update T on T.k == x;", "must be a column"),
        ("from S[(U.k == k) in U] insert into X;", "no table 'U'"),
        ("from every e1=S[(T.k == k) in T] -> e2=S select e1.k insert into X;", "in cannot stand here"),
    ],
)
def test_queries_that_are_refused(text: str, reason: str) -> None:
    with pytest.raises(PlanSemanticError, match=reason) as refusal:
        compile_plan(TABLE + text)
    assert refusal.value.line == 3


def test_a_number_of_another_type_is_converted_to_that_of_the_column() -> None:
    output = compile_plan(TABLE + "from S select k, d update T set n = d on T.k == k;").queries[0].output
    assert isinstance(output, UpdateTable)
    value = output.sets[0].value
    assert isinstance(value, Call)
    assert value.function == "convert"
