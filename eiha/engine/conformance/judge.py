"""The verdict on one case."""

from __future__ import annotations

import enum
import traceback
from dataclasses import dataclass, replace
from pathlib import PurePath

from eiha.engine.conformance.case import Case, MalformedCase
from eiha.engine.conformance.compare import difference
from eiha.engine.conformance.run_case import CaseRun
from eiha.engine.lower import CompileText
from eiha.errors import PlanError, UnsupportedConstruct


class Status(enum.Enum):
    """How a case ended."""

    PASSED = "passed"
    FAILED = "failed"
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True, slots=True)
class Verdict:
    """``detail``: the first difference, or the construct that is not supported."""

    name: str
    status: Status
    detail: str = ""


def judge(case: Case, compile_text: CompileText, level: int) -> Verdict:
    """Run ``case`` and compare at ``level``.

    An error that no case should cause fails the case, with the place where it came from: one defect must not hide what
    all other cases show.
    """
    try:
        return _judged(case, compile_text, level)
    except Exception as defect:  # noqa: BLE001 - whatever it is, it is told
        last = traceback.extract_tb(defect.__traceback__)[-1]
        place = f"{PurePath(last.filename).name}:{last.lineno}"
        return Verdict(case.name, Status.FAILED, f"internal error: {defect!r} at {place}, in {last.name}")


def _judged(case: Case, compile_text: CompileText, level: int) -> Verdict:
    try:
        run = CaseRun(case, compile_text)
    except UnsupportedConstruct as refusal:
        return Verdict(case.name, Status.UNSUPPORTED, refusal.construct)
    except PlanError as refusal:
        if case.refused:
            return Verdict(case.name, Status.PASSED)
        return Verdict(case.name, Status.FAILED, f"the app was refused: {refusal}")
    if case.refused:
        recorded = case.expected.get("error", "")
        return Verdict(case.name, Status.FAILED, f"the app must be refused, but was accepted; recorded: {recorded}")
    try:
        recording = run.run()
    except MalformedCase as fault:
        return Verdict(case.name, Status.FAILED, str(fault))
    plan = replace(compile_text(case.app, name=case.name), playback=case.playback)
    found = difference(case, plan, recording, level)
    if found is None:
        return Verdict(case.name, Status.PASSED)
    faults = "".join(f"\n  fault: {fault}" for fault in recording.faults[:3])
    return Verdict(case.name, Status.FAILED, found + faults)
