import pytest

from eiha.errors import PlanSyntaxError
from eiha.plan.explain import Stage, explain

TEXT = "define stream S (a int); from S[a > 1 + 1] select a insert into Out;"


def test_each_stage_has_its_own_text() -> None:
    texts = {stage: explain(TEXT, stage) for stage in Stage}
    assert texts[Stage.TEXT].startswith("define stream S (a int);\n")
    assert texts[Stage.AST].startswith("Application\n")
    assert "filter ($0.a > (1 + 1):int)" in texts[Stage.BOUND]
    assert "filter ($0.a > 2)" in texts[Stage.REWRITTEN]
    assert texts[Stage.REWRITTEN].splitlines()[-1].startswith("digest ")


def test_stages_are_chosen_by_name() -> None:
    assert explain(TEXT, "bound") == explain(TEXT, Stage.BOUND)
    with pytest.raises(ValueError, match="lowered"):
        explain(TEXT, "lowered")


def test_a_refused_plan_is_refused() -> None:
    with pytest.raises(PlanSyntaxError):
        explain("define", "ast")
