"""Stories of the pair, read and checked as text: ``EIHA_REWRITE=1`` writes what happens now; review the difference."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.golden.ha.pair import Pair

HERE = Path(__file__).parent
SCENARIOS = sorted(HERE.glob("*.txt"))


def play(text: str) -> str:
    """The scenario with what the nodes say now in place of what they said."""
    pair = Pair()
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith(("#", "> ")) or not line.strip():
            lines.append(line)
        if line.startswith("> "):
            lines.extend(f"  {said}" for said in pair.run(line[2:]))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_the_pair_behaves_as_the_scenario_tells(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    played = play(text)
    if os.environ.get("EIHA_REWRITE"):
        path.write_text(played, encoding="utf-8")
    assert played == text


def test_there_are_scenarios() -> None:
    assert len(SCENARIOS) >= 8
