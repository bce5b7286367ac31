from pathlib import Path

import pytest

from eiha.errors import PlanError
from eiha.plan.explain import explain
from tests.golden.golden_file import check, read_sections

FILES = sorted((Path(__file__).parent / "plan").glob("*.txt"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_text_gives_the_plans_on_record(path: Path, request: pytest.FixtureRequest) -> None:
    text = read_sections(path)["text"]
    try:
        actual = {"text": text, "bound": explain(text, "bound"), "rewritten": explain(text, "rewritten")}
    except PlanError as error:
        actual = {"text": text, "error": f"{type(error).__name__}: {error}"}
    check(path, actual, rewrite=request.config.getoption("--rewrite"))
