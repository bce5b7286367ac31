"""The plans in a directory, as they are deployed when a cluster starts for the first time."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from eiha.errors import ConfigurationError, PlanError
from eiha.plan.bind import UNNAMED_PLAN
from eiha.plan.compilation import compile_plan
from eiha.protocol.log_entry import DeployPlan

SUFFIX: Final = ".siddhi"


def plan_name(text: str, path: Path) -> str:
    """The name under which a plan is deployed: that which its text gives (``@app:name``), else its file's.

    Raises:
        PlanError: the text is not a valid plan.
    """
    named = compile_plan(text).name
    return path.stem if named == UNNAMED_PLAN else named


def read_plans(directory: Path) -> tuple[DeployPlan, ...]:
    """The ``*.siddhi`` files of ``directory``, by file name; each was compiled to see that it is valid.

    Raises:
        ConfigurationError: naming the file and place of every plan that is refused.
    """
    if not directory.is_dir():
        raise ConfigurationError(f"{directory} is not a directory: analytics.plans must name one that holds *{SUFFIX}")
    plans = []
    files: dict[str, Path] = {}
    problems = []
    for path in sorted(directory.glob(f"*{SUFFIX}")):
        try:
            text = path.read_text(encoding="utf-8")
            name = plan_name(text, path)
            if name in files:
                problems.append(f"{path}: its plan is called {name!r}, like that of {files[name]}: rename one")
                continue
            files[name] = path
            plans.append(DeployPlan(name, text))
        except PlanError as error:
            problems.append(f"{path}: {error}")
        except (OSError, UnicodeDecodeError) as error:
            problems.append(f"{path}: cannot be read: {error}")
    if problems:
        raise ConfigurationError("\n".join(problems))
    return tuple(plans)
