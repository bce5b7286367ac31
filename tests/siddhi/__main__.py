"""Record cases on real Siddhi: ``python -m tests.siddhi record cases.jsonl > recorded.jsonl``.

``python -m tests.siddhi check tests/conformance/cases/*.jsonl`` records cases anew that have a record already and tells
how many come out equal, at all three levels: what shows that the recorder is right.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from tests.siddhi.compare import differing_parts
from tests.siddhi.recorder import Siddhi, recorded


def _cases(paths: list[Path]) -> list[dict[str, Any]]:
    return [json.loads(line) for path in paths for line in path.read_text(encoding="utf-8").splitlines() if line]


def _check(cases: list[dict[str, Any]]) -> int:
    counts: Counter[str] = Counter()
    with Siddhi() as siddhi:
        for case in cases:
            parts = differing_parts(case, siddhi.record(case))
            counts["differ" if parts else "equal"] += 1
            if parts:
                print(f"{case['name']}: {', '.join(parts)}")
    print(f"{dict(counts)} of {len(cases)}")
    return 1 if counts["differ"] else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.siddhi")
    parser.add_argument("what", choices=("record", "check"))
    parser.add_argument("cases", type=Path, nargs="+")
    options = parser.parse_args()
    cases = _cases(options.cases)
    if options.what == "check":
        return _check(cases)
    done = 0
    for case in recorded(cases):
        print(json.dumps(case, ensure_ascii=False, separators=(",", ":")))
        done += 1
    print(f"{done} of {len(cases)} cases recorded; the others did not end", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
