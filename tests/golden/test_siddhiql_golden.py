from pathlib import Path

import pytest

from eiha.errors import PlanSyntaxError
from eiha.plan.explain import tree_text
from eiha.siddhiql.parser import parse
from eiha.siddhiql.unparse import unparse
from tests.golden.golden_file import check, read_sections

FILES = sorted((Path(__file__).parent / "siddhiql").glob("*.txt"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_text_gives_the_tree_and_canonical_text_on_record(path: Path, request: pytest.FixtureRequest) -> None:
    text = read_sections(path)["text"]
    try:
        tree = parse(text)
        actual = {"text": text, "canonical": unparse(tree), "tree": tree_text(tree)}
    except PlanSyntaxError as error:
        actual = {"text": text, "error": str(error)}
    check(path, actual, rewrite=request.config.getoption("--rewrite"))
