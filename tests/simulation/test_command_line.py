"""Bad usage of the simulator's command line gets a sentence and exit status 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulation.runs import simulate


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--seeds", "9..3"), "'9..3' is not a range such as 0..2000"),
        (("--seeds", "0..3", "--faults", "floods"), "invalid choice: 'floods'"),
        (("--seed", "1", "--safety-ms", "0"), "must be positive"),
        (("--seed", "1", "--plan", "x.siddhi"), "--plan needs --real-engine"),
        (("--seed", "1", "--real-engine", "--plan", "/nowhere/x.siddhi"), "No such file"),
    ],
)
def test_bad_usage_is_explained(arguments: tuple[str, ...], said: str) -> None:
    done = simulate(*arguments)
    assert done.returncode == 2
    assert said in done.stderr


def test_a_plan_that_does_not_compile_is_refused_with_its_place(tmp_path: Path) -> None:
    plan = tmp_path / "bad.siddhi"
    plan.write_text("define stream S (a int);\nfrom S select b insert into O;\n", encoding="utf-8")
    done = simulate("--seed", "1", "--real-engine", "--plan", str(plan))
    assert done.returncode == 2
    assert "line 2" in done.stderr
    assert "Traceback" not in done.stderr
