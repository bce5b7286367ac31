"""Plans in files: one that is named, and those of the directory that is deployed when a cluster starts first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from eiha.errors import ConfigurationError, PlanError
from eiha.node.unreadable_file import why_unreadable
from eiha.plan.bind import UNNAMED_PLAN
from eiha.plan.compilation import compile_plan
from eiha.protocol.log_entry import DeployPlan

SUFFIX: Final = ".siddhi"


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """A plan that was read from ``path`` and compiled to see that it is valid."""

    path: Path
    name: str
    """As which it is deployed: what its text says (``@app:name``), else its file's."""
    text: str
    warnings: tuple[str, ...]
    """What in it has no effect, a sentence each."""

    @property
    def deployment(self) -> DeployPlan:
        """The log entry's content."""
        return DeployPlan(self.name, self.text)


def read_plan_text(path: Path) -> str:
    """The text of ``path``; a byte order mark, as some editors write it, is no part of it.

    Raises:
        ConfigurationError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {why_unreadable(error)}") from error


def read_plan(path: Path) -> ReadPlan:
    """The plan in ``path``.

    Raises:
        ConfigurationError: it cannot be read, or is no valid plan; with file and place.
    """
    text = read_plan_text(path)
    try:
        plan = compile_plan(text)
    except PlanError as error:
        raise ConfigurationError(f"{path}: {error}") from error
    return ReadPlan(path, path.stem if plan.name == UNNAMED_PLAN else plan.name, text, plan.warnings)


def read_plans(directory: Path) -> tuple[ReadPlan, ...]:
    """The ``*.siddhi`` files of ``directory``, by file name.

    Raises:
        ConfigurationError: naming the file and place of every plan that is refused.
    """
    if not directory.is_dir():
        raise ConfigurationError(f"{directory} is not a directory: analytics.plans must name one that holds *{SUFFIX}")
    plans: dict[str, ReadPlan] = {}
    problems = []
    for path in sorted(directory.glob(f"*{SUFFIX}")):
        try:
            plan = read_plan(path)
        except ConfigurationError as error:
            problems.append(str(error))
            continue
        other = plans.setdefault(plan.name, plan)
        if other is not plan:
            problems.append(f"{path}: its plan is called {plan.name!r}, like that of {other.path}: rename one")
    if problems:
        raise ConfigurationError("\n".join(problems))
    return tuple(plans.values())
