"""Whether all forms of feeding a plan give the same; a failing case made small, as text to be pasted into a test."""

from __future__ import annotations

import signal
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from eiha.errors import PlanError
from eiha.plan.compilation import compile_plan
from eiha.plan.nodes import Plan
from tests.fuzz.draw_events import Entry, entries
from tests.fuzz.draw_plans import BASE, draw_plan
from tests.fuzz.forms import FORMS, REFERENCE, Explodes, Form, Run
from tests.fuzz.plan_text import PlanText

_TRIES_MAX = 400
"""Smaller cases tried before the smallest one found is good enough."""


_SECONDS_MAX = 20
"""A run takes a tenth of a second; one that takes so long does not end."""


@dataclass(frozen=True, slots=True)
class FuzzCase:
    """A plan and its events."""

    seed: int
    plan: PlanText
    feed: tuple[Entry, ...]

    def compiled(self) -> Plan:
        """The bound plan. Raises ``PlanError``."""
        return compile_plan(self.plan.text())


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a form gave something else than the reference."""

    form: Form
    what: str


def _too_long(_signal: int, _frame: object) -> None:
    raise TimeoutError(f"not done after {_SECONDS_MAX} s")


signal.signal(signal.SIGALRM, _too_long)


def draw_case(seed: int) -> FuzzCase:
    """The case of a seed, the same in every process."""
    random = Random(seed)
    plan = draw_plan(random)
    defined = {
        name: each for name, each in BASE.items() if any(f"define stream {name} " in text for text in plan.definitions)
    }
    return FuzzCase(seed, plan, entries(random, defined, playback=plan.playback))


def difference(case: FuzzCase, forms: tuple[Form, ...] = FORMS) -> Difference | None:
    """The first form that does not give what single events give, or None.

    Raises:
        PlanError: the plan is refused.
    """
    plan = case.compiled()
    try:
        expected, state = _run(case, plan, REFERENCE)
    except Explodes:
        return None
    if isinstance(expected, str):
        return Difference(REFERENCE, expected)
    states = {REFERENCE.cut: state}
    for form in forms:
        got, state = _run(case, plan, form)
        what = got if isinstance(got, str) else _first_difference(expected, got)
        if what is None and form.cut != "random":
            known = states.setdefault(form.cut, state)
            what = None if known == state else "the state at the end differs from that of an undisturbed run"
        if what is not None:
            return Difference(form, what)
    return None


def difference_of(text: str, *feed: Entry, questions: tuple[str, ...] = ()) -> str | None:
    """How the forms of feeding a plan differ, None for not at all: what a pasted case is tested with."""
    found = difference(FuzzCase(1, PlanText(False, (text,), (), questions), feed))
    return None if found is None else f"{found.form.name}: {found.what}"


def _run(case: FuzzCase, plan: Plan, form: Form) -> tuple[Any, bytes]:
    signal.alarm(_SECONDS_MAX)
    try:
        return Run(plan, form, case.plan.questions, case.seed).feed(case.feed)
    except Explodes:
        raise
    except Exception as error:  # noqa: BLE001 whatever goes wrong is what is looked for
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        place = "" if trace is None else f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        return f"{type(error).__name__}: {error}{place}", b""
    finally:
        signal.alarm(0)


def _first_difference(expected: list[dict[str, Any]], got: list[dict[str, Any]]) -> str | None:
    for number, (one, other) in enumerate(zip(expected, got, strict=True)):
        if repr(one) == repr(other):  # to the bit: NaN and -0.0 have texts of their own
            continue
        for name in sorted({*one, *other}):
            theirs, ours = one.get(name), other.get(name)
            if theirs != ours:
                return f"entry {number}, {name}:\n  single events: {theirs}\n  this form:     {ours}"
        if {name: repr(each) for name, each in one.items()} != {name: repr(each) for name, each in other.items()}:
            return f"entry {number}: {one} instead of {other}"
    return None


def shrunk(case: FuzzCase, form: Form) -> FuzzCase:
    """A smaller case in which ``form`` still differs."""
    left = _TRIES_MAX
    forms = (form,) if form.cut != "whole" else (FORMS[0], form)

    def fails(smaller: FuzzCase) -> bool:
        nonlocal left
        left -= 1
        try:
            found = difference(smaller, forms)
            return found is not None and found.form == form
        except PlanError:
            return False

    progress = True
    while progress and left > 0:
        progress = False
        for plan in case.plan.smaller():
            if left > 0 and fails(smaller := replace(case, plan=plan)):
                case, progress = smaller, True
                break
        if not progress:
            for feed in _fewer(case.feed):
                if left > 0 and fails(smaller := replace(case, feed=feed)):
                    case, progress = smaller, True
                    break
    return case


def _fewer(feed: tuple[Entry, ...]) -> list[tuple[Entry, ...]]:
    """Feeds with less: halves first, then single entries, then rows."""
    found: list[tuple[Entry, ...]] = []
    size = len(feed) // 2
    while size >= 1:
        found += [feed[:start] + feed[start + size :] for start in range(0, len(feed), size)]
        size //= 2
    for place, entry in enumerate(feed):
        size = len(entry.rows) // 2
        while size >= 1:
            for start in range(0, len(entry.rows), size):
                rows = entry.rows[:start] + entry.rows[start + size :]
                if rows:
                    found.append((*feed[:place], replace(entry, rows=rows), *feed[place + 1 :]))
            size //= 2
    return found


def report(case: FuzzCase, found: Difference) -> str:
    """A failing case in words, with plan and events to be pasted into a test."""
    feed = "\n".join(f"    {entry!r}," for entry in case.feed)
    asked = "".join(f"-- asked: {question}\n" for question in case.plan.questions)
    return (
        f"seed {case.seed}, {found.form.name}: {found.what}\n\n{case.plan.text()}{asked}\n"
        f"(\n{feed}\n)\nreplay: python -m tests.fuzz --seed {case.seed}\n"
    )
