"""The function reference is current and leaves nothing out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from eiha.plan.aggregates import AGGREGATES
from eiha.plan.functions import FUNCTIONS
from eiha.plan.namespaces import tables

ROOT = Path(__file__).parents[3]


def test_the_page_is_current() -> None:
    command = [sys.executable, "tools/function_docs.py", "--check"]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0, "python tools/function_docs.py writes it"


def test_everything_has_a_sentence_and_a_row() -> None:
    page = (ROOT / "docs" / "functions.md").read_text()
    for each in [*FUNCTIONS.values(), *tables.AGGREGATORS.values(), *(each for each, _ in tables.PROCESSORS.values())]:
        assert each.summary.endswith("."), each.name
        assert f"`{each.name}(" in page, each.name
    for name, aggregate in AGGREGATES.items():
        assert aggregate.summary.endswith("."), name
        assert f"`{name}(" in page, name
