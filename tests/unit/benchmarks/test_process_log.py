"""Reading a log that its process still writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.process_log import logged

LINES = [{"event": "node_starting", "message": "größer"}, {"event": "active", "epoch": 3}]
WHOLE = b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in LINES)


@pytest.mark.parametrize("cut", range(len(WHOLE) + 1))
def test_a_line_counts_when_its_end_is_written(tmp_path: Path, cut: int) -> None:
    (tmp_path / "node.log").write_bytes(WHOLE[:cut])
    assert logged(tmp_path / "node.log") == LINES[: WHOLE[:cut].count(b"\n")]


def test_what_is_no_json_is_passed_over(tmp_path: Path) -> None:
    whole = b'Traceback (most recent call last):\n  File "x"\n{"event": "cut o\n' + WHOLE
    (tmp_path / "node.log").write_bytes(whole)
    assert logged(tmp_path / "node.log") == LINES


def test_a_process_that_has_not_started_has_logged_nothing(tmp_path: Path) -> None:
    assert logged(tmp_path / "node.log") == []
