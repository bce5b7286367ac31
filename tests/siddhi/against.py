"""Random plans on eiha and on real Siddhi: what differs, made small, as a line of a case file."""

from __future__ import annotations

import json
import re
import signal
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from eiha.engine.conformance.case import read_cases
from eiha.engine.conformance.judge import Status, judge
from eiha.plan.compilation import compile_plan
from tests.fuzz.plan_text import PlanText
from tests.siddhi.draw_events import START_MS, steps
from tests.siddhi.draw_plans import FAMILIES
from tests.siddhi.draw_state import draw_plan
from tests.siddhi.recorder import HANGS, Siddhi
from tests.siddhi.variants import smaller as with_fewer_steps

_TRIES_MAX = 150
"""Smaller cases tried before the smallest one found is good enough."""

_SECONDS_MAX = 20
"""A run takes a tenth of a second; one that takes so long does not end."""

_EXCEPTIONS = (
    "NullPointer",
    "ClassCast",
    "IndexOutOfBounds",
    "ConcurrentModification",
    "ArithmeticException",
    "NotSerializable",
)
_EXCEPTIONS_TEXT = "Exception"


@dataclass(frozen=True, slots=True)
class DrawnCase:
    """A plan and its steps."""

    seed: int
    family: str
    plan: PlanText
    steps: tuple[list[Any], ...]
    any_order: bool

    def line(self) -> dict[str, Any]:
        """The case as an object of a case file, without what is expected."""
        asked = [[number, each] for each in self.plan.questions for number in self._moments()]
        asked.sort(key=lambda each: each[0])
        head = "@app:playback\n" if self.plan.playback else ""
        case: dict[str, Any] = {
            "name": f"differential.{self.family}.{self.seed}",
            "area": "differential",
            "feature": self.family,
            "app": self.plan.text().removeprefix(head),
            "mode": "playback" if self.plan.playback else "live",
            "start": START_MS,
            "input": list(self.steps),
        }
        if self.family == "fault":  # what is in _error is a text here and an exception there
            case["streams"] = sorted(set(re.findall(r"into (Out\d+)", case["app"])))
        if asked:
            case["ondemand"] = asked
        if self.any_order:
            case["row_order"] = "any"
        return case

    def _moments(self) -> list[int]:
        last = len(self.steps) - 1
        return sorted({last // 2, last}) if last >= 0 else []


def draw_case(seed: int, family: str | None = None) -> DrawnCase:
    """The case of a seed, the same in every process."""
    chosen = family or FAMILIES[seed % len(FAMILIES)]
    random = Random(f"{seed} {chosen}")
    plan, drawing = draw_plan(random, chosen)
    drawn = steps(random, drawing.base, playback=plan.playback, calls=drawing.calls, has_nulls=drawing.nulls)
    return DrawnCase(seed, chosen, plan, tuple(drawn), drawing.any_order)


@dataclass(frozen=True, slots=True)
class Outcome:
    """``status``: equal, differs, refused (by both), unsupported, exception (Siddhi failed inside), hangs."""

    status: str
    detail: str
    case: dict[str, Any]


def _too_long(_signal: int, _frame: object) -> None:
    raise TimeoutError(f"not done after {_SECONDS_MAX} s")


def outcome(case: dict[str, Any], siddhi: Siddhi, level: int) -> Outcome:
    """What comes of a case without ``expected``."""
    expected = siddhi.record(case)
    whole = {**case, "expected": expected}
    if expected == HANGS:
        return Outcome("hangs", "", whole)
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(_SECONDS_MAX)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            [read] = read_cases(json.dumps(whole), case["name"])
            verdict = judge(read, compile_plan, level)
    finally:
        signal.alarm(0)
    if verdict.status is Status.UNSUPPORTED:
        return Outcome("unsupported", verdict.detail, whole)
    if "which the app does not have" in verdict.detail:
        return Outcome("malformed", verdict.detail, whole)
    if verdict.status is Status.PASSED:
        return Outcome("equal" if expected["ok"] else "refused", str(expected.get("error", "")), whole)
    failed = [text for text in expected.get("log", ()) if any(name in text for name in _EXCEPTIONS)]
    if failed:
        return Outcome("exception", failed[0], whole)
    return Outcome("differs", verdict.detail, whole)


def shrunk(case: DrawnCase, siddhi: Siddhi, level: int) -> DrawnCase:
    """A smaller case that still differs."""
    left = _TRIES_MAX
    wanted = _kind(outcome(case.line(), siddhi, level).detail)

    def differs(smaller: DrawnCase) -> bool:
        nonlocal left
        left -= 1
        found = outcome(smaller.line(), siddhi, level)
        return found.status == "differs" and _kind(found.detail) == wanted

    progress = True
    while progress and left > 0:
        progress = False
        for smaller in _smaller(case):
            if left > 0 and differs(smaller):
                case, progress = smaller, True
                break
    return case


def shrunk_steps(case: dict[str, Any], siddhi: Siddhi, level: int) -> dict[str, Any]:
    """The same plan with fewer steps that still differs."""
    left = _TRIES_MAX
    wanted = _kind(outcome(case, siddhi, level).detail)
    progress = True
    while progress and left > 0:
        progress = False
        for fewer in with_fewer_steps(case):
            left -= 1
            found = outcome(fewer, siddhi, level) if left > 0 else None
            if found and found.status == "differs" and _kind(found.detail) == wanted:
                case, progress = fewer, True
                break
    return case


def _kind(detail: str) -> str:
    return "refused" if "refused" in detail else "internal" if detail.startswith("internal") else "rows"


def _smaller(case: DrawnCase) -> Iterator[DrawnCase]:
    size = len(case.steps) // 2
    while size >= 1:
        for start in range(0, len(case.steps), size):
            yield replace(case, steps=case.steps[:start] + case.steps[start + size :])
        size //= 2
    for plan in case.plan.smaller():
        yield replace(case, plan=plan)
    for place, step in enumerate(case.steps):
        if step[1].startswith("@batch:") and len(step[2]) > 1:
            for left_out in range(len(step[2])):
                fewer = [*step[:2], step[2][:left_out] + step[2][left_out + 1 :]]
                yield replace(case, steps=(*case.steps[:place], fewer, *case.steps[place + 1 :]))
