from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from eiha.cli import conformance

APP = "define stream S (a int);\n@info(name='q') from S[a > 1] select a * 2 as b insert into Out;"


def case(name: str, app: str, values: list[Any], **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "app": app,
        "mode": "playback",
        "start": 0,
        "input": [[1, "S", [1]], [2, "S", [2]]],
        "streams": ["Out"],
        "expected": {"ok": True, "streams": {"Out": values}},
        "queries": [],
        **more,
    }


def run(tmp_path: Path, *cases: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    path, out = tmp_path / "cases.jsonl", tmp_path / "report.json"
    path.write_text("".join(json.dumps(each) + "\n" for each in cases))
    parser = argparse.ArgumentParser()
    conformance.add_arguments(parser)
    status = conformance.run(parser.parse_args([str(path), "--json", str(out)]))
    return status, json.loads(out.read_text()) if out.exists() else {}


def test_all_passed_is_exit_status_0(tmp_path: Path) -> None:
    status, report = run(tmp_path, case("good", APP, [[2, [4]]]))
    assert status == 0
    assert report == {
        "total": 1,
        "passed": 1,
        "failed": 0,
        "unsupported": 0,
        "cases": [{"name": "good", "status": "passed", "detail": ""}],
    }


def test_a_difference_is_told_readably(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, report = run(tmp_path, case("bad", APP, [[2, [5]]]))
    assert status == 1
    assert report["failed"] == 1
    assert "stream Out, event 1 is\n  [2, [4]], recorded was\n  [2, [5]]" in capsys.readouterr().out


def test_an_unsupported_construct_is_named_and_is_not_a_pass(tmp_path: Path) -> None:
    app = "define stream S (a int, t long);\nfrom S#reorder:akslack(t) select a insert into Out;"
    status, report = run(tmp_path, case("new", app, []))
    assert status == 1
    assert report["cases"] == [{"name": "new", "status": "unsupported", "detail": "streamProcessor.reorder:akslack"}]


def test_an_app_that_must_be_refused(tmp_path: Path) -> None:
    refused = case("refused", "define stream S (a int); from S select x as y insert into Out;", [], expect="error")
    accepted = case("accepted", APP, [], expect="error")
    _, report = run(tmp_path, refused, accepted)
    assert [each["status"] for each in report["cases"]] == ["passed", "failed"]


def test_a_file_that_is_not_cases_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "cases.jsonl"
    path.write_text('{"name": "x"}\n')
    parser = argparse.ArgumentParser()
    conformance.add_arguments(parser)
    assert conformance.run(parser.parse_args([str(path)])) == 2
    assert "cases.jsonl, line 1: the case has no field" in capsys.readouterr().err


def test_a_wrong_mode_of_kernels_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EIHA_JIT", "maybe")
    status, _ = run(tmp_path, case("good", APP, [[2, [4]]]))
    assert status == 2
    assert "EIHA_JIT must be 0" in capsys.readouterr().err
