"""The plans in a directory, as they are deployed when a cluster starts for the first time."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from eiha.errors import ConfigurationError, PlanError
from eiha.plan.compilation import compile_plan
from eiha.protocol.log_entry import DeployPlan

SUFFIX: Final = ".siddhi"


def read_plans(directory: Path) -> tuple[DeployPlan, ...]:
    """The ``*.siddhi`` files of ``directory``, by file name; each was compiled to see that it is valid.

    Raises:
        ConfigurationError: naming the file and place of every plan that is refused.
    """
    if not directory.is_dir():
        raise ConfigurationError(f"{directory} is not a directory: analytics.plans must name one that holds *{SUFFIX}")
    plans = []
    problems = []
    for path in sorted(directory.glob(f"*{SUFFIX}")):
        try:
            text = path.read_text(encoding="utf-8")
            compile_plan(text, name=path.stem)
            plans.append(DeployPlan(path.stem, text))
        except PlanError as error:
            problems.append(f"{path}: {error}")
        except (OSError, UnicodeDecodeError) as error:
            problems.append(f"{path}: cannot be read: {error}")
    if problems:
        raise ConfigurationError("\n".join(problems))
    return tuple(plans)
