"""``python -m tests.siddhi.fuzz --seeds 0..1000``: random plans on eiha and on real Siddhi 5.1.7, compared.

What differs is made small and printed with its case as a line of a case file.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter

from eiha.engine import jit
from tests.siddhi.against import draw_case, outcome, shrunk
from tests.siddhi.draw_plans import FAMILIES
from tests.siddhi.recorder import Siddhi


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.siddhi.fuzz")
    parser.add_argument("--seeds", default="0..200", help="first..stop")
    parser.add_argument("--family", choices=FAMILIES, help="plans of this family only")
    parser.add_argument("--level", type=int, default=2, choices=(1, 2, 3))
    parser.add_argument("--tell", default="differs", help="which outcomes to print, with commas")
    parser.add_argument("--no-shrink", action="store_true")
    options = parser.parse_args()
    first, _, stop = options.seeds.partition("..")
    counts: Counter[str] = Counter()
    by_family: Counter[str] = Counter()
    started = time.monotonic()
    jit.warm()
    with Siddhi() as siddhi:
        for seed in range(int(first), int(stop)):
            case = draw_case(seed, options.family)
            found = outcome(case.line(), siddhi, options.level)
            counts[found.status] += 1
            if found.status == "differs":
                by_family[case.family] += 1
            if found.status not in options.tell.split(","):
                continue
            if found.status == "differs" and not options.no_shrink:
                case = shrunk(case, siddhi, options.level)
                found = outcome(case.line(), siddhi, options.level)
            print(f"=== {found.status}: seed {seed}, {case.family}\n{found.case['app']}{found.detail}", flush=True)
            print(json.dumps(found.case, separators=(",", ":")), flush=True)
    print(f"{dict(counts)}; differ: {dict(by_family)}; {time.monotonic() - started:.0f} s")
    return 1 if counts["differs"] else 0


if __name__ == "__main__":
    sys.exit(main())
