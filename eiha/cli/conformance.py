"""``eiha test FILE.jsonl...``: run recorded cases against the engine and say what differs."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from eiha.engine import jit
from eiha.engine.conformance.case import Case, read_cases
from eiha.engine.conformance.compare import QUERIES, STREAMS, TIMING
from eiha.engine.conformance.judge import Status, Verdict, judge
from eiha.engine.warm import warm_kernels
from eiha.errors import EihaError
from eiha.node.unreadable_file import why_unreadable
from eiha.plan.compilation import compile_plan

PASSED_ALL = 0
NOT_ALL_PASSED = 1
UNUSABLE = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``eiha test``."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.jsonl", help="case files, one case a line")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write a report as JSON")
    parser.add_argument(
        "--jit",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="run kernels compiled or interpreted (default: as EIHA_JIT says, else compiled)",
    )
    parser.add_argument(
        "--level",
        type=int,
        choices=(STREAMS, QUERIES, TIMING),
        default=QUERIES,
        help="1: events of streams; 2: also calls of queries; 3: also step and order of each call (default: 2)",
    )
    parser.add_argument("--only", metavar="TEXT", help="run only cases whose name contains TEXT")


def run(arguments: argparse.Namespace) -> int:
    """Run the files; 0 only if every case passed."""
    try:
        jit.choose(os.environ.get("EIHA_JIT") if arguments.jit is None else str(int(arguments.jit)))
        cases = [case for path in arguments.files for case in _read(path)]
    except EihaError as fault:
        print(fault, file=sys.stderr)
        return UNUSABLE
    if arguments.only:
        cases = [case for case in cases if arguments.only in case.name]
    warm_kernels()
    verdicts = []
    for case in cases:
        verdict = judge(case, compile_plan, arguments.level)
        verdicts.append(verdict)
        if verdict.status is not Status.PASSED:
            print(f"{verdict.status.value} {verdict.name}\n  {verdict.detail}")
    report = report_of(verdicts)
    print(f"{report['passed']} passed, {report['failed']} failed, {report['unsupported']} unsupported")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return PASSED_ALL if report["passed"] == report["total"] else NOT_ALL_PASSED


def report_of(verdicts: list[Verdict]) -> dict[str, object]:
    """The JSON report."""
    counts = {status: sum(verdict.status is status for verdict in verdicts) for status in Status}
    return {
        "total": len(verdicts),
        "passed": counts[Status.PASSED],
        "failed": counts[Status.FAILED],
        "unsupported": counts[Status.UNSUPPORTED],
        "cases": [{"name": each.name, "status": each.status.value, "detail": each.detail} for each in verdicts],
    }


def _read(path: Path) -> list[Case]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as cause:
        raise EihaError(f"{path}: cannot be read: {why_unreadable(cause)}") from cause
    return read_cases(text, str(path))


if __name__ == "__main__":
    _parser = argparse.ArgumentParser(prog="eiha test", description=__doc__)
    add_arguments(_parser)
    sys.exit(run(_parser.parse_args()))
