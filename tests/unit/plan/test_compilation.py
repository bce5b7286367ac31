import random
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from eiha.errors import PlanError
from eiha.plan.compilation import compile_plan
from eiha.plan.digest import digest
from eiha.siddhiql.lexer import tokenize
from eiha.siddhiql.parser import parse
from eiha.siddhiql.unparse import unparse

PLANS = [
    path.read_text().split("==== bound")[0].removeprefix("==== text\n")
    for path in sorted((Path(__file__).parents[2] / "golden" / "plan").glob("[!e]*.txt"))
]


def test_a_plan_is_parsed_bound_and_rewritten_under_its_name() -> None:
    plan = compile_plan("define stream S (a int); from S[true][a > 1 + 1][a < 9] insert into Out;", name="mine")
    assert plan.name == "mine"
    assert len(plan.queries[0].input.handlers) == 1  # type: ignore[union-attr]


@settings(max_examples=300)
@given(st.sampled_from(PLANS), st.randoms(use_true_random=False))
def test_a_mutated_plan_is_compiled_or_refused_with_a_plan_error(text: str, choose: random.Random) -> None:
    words = [token.text for token in tokenize(text)]
    for _ in range(choose.randint(1, 4)):
        where, other = choose.randrange(len(words)), choose.randrange(len(words))
        if choose.randrange(2):
            words[where] = words[other]
        else:
            del words[where]
    mutated = " ".join(words)
    try:
        plan = compile_plan(mutated)
    except PlanError as error:
        assert error.message
        return
    assert digest(compile_plan(unparse(parse(mutated)))) == digest(plan)
