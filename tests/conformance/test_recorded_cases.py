"""Recorded cases, compiled and interpreted, fed event by event and as batches.

``manifest.json`` names the cases that are not expected to pass: ``unsupported`` with the construct, ``deliberate`` with
the reason. A case that begins to pass must be taken out of it, so progress shows as well as regression.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from eiha.engine import jit
from eiha.engine.conformance.case import Advance, Case, Send, read_cases
from eiha.engine.conformance.compare import STREAMS, TIMING, difference
from eiha.engine.conformance.judge import Status, judge
from eiha.engine.conformance.run_case import Recording
from eiha.plan.compilation import compile_plan
from tests.conformance.batched import bound, run_as_batches

HERE = Path(__file__).parent
FILES = sorted((HERE / "cases").glob("*.jsonl"))
MANIFEST: dict[str, dict[str, str]] = json.loads((HERE / "manifest.json").read_text())


def cases_of(path: Path) -> list[Case]:
    return read_cases(path.read_text(encoding="utf-8"), path.name)


def verdicts(path: Path) -> dict[str, str]:
    """What differs from the manifest, by case."""
    surprises: dict[str, str] = {}
    for case in cases_of(path):
        verdict = judge(case, compile_plan, TIMING)
        construct, reason = MANIFEST["unsupported"].get(case.name), MANIFEST["deliberate"].get(case.name)
        if construct is not None:
            expected = verdict.status is Status.UNSUPPORTED and verdict.detail == construct
        elif reason is not None:
            expected = verdict.status is Status.FAILED
        else:
            expected = verdict.status is Status.PASSED
        if not expected:
            surprises[case.name] = f"{verdict.status.value}: {verdict.detail}"
    return surprises


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_cases_end_as_the_manifest_says_with_compiled_kernels(path: Path) -> None:
    assert verdicts(path) == {}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_cases_end_as_the_manifest_says_with_interpreted_kernels(path: Path) -> None:
    with jit.interpreted():
        assert verdicts(path) == {}


@pytest.mark.parametrize("restore_between", [False, True], ids=["", "restored_after_each_batch"])
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_streams_do_not_depend_on_how_events_are_cut_into_batches(path: Path, restore_between: bool) -> None:
    surprises: dict[str, str] = {}
    for case in cases_of(path):
        if not _can_be_batched(case):
            continue
        streams = run_as_batches(case, restore_between=restore_between)
        only_streams = replace(case, expected={"streams": case.expected.get("streams", {})})
        found = difference(only_streams, bound(case), Recording(streams=streams), STREAMS)
        if found is not None:
            surprises[case.name] = found
    assert surprises == {}


def _can_be_batched(case: Case) -> bool:
    left_out = case.name in MANIFEST["unsupported"] or case.name in MANIFEST["deliberate"]
    plain = all(isinstance(step, Send | Advance) for step in case.steps)
    return case.playback and plain and not (case.refused or case.asked or left_out)


def test_the_manifest_names_no_case_that_is_not_here() -> None:
    names = {case.name for path in FILES for case in cases_of(path)}
    assert {*MANIFEST["unsupported"], *MANIFEST["deliberate"]} <= names
