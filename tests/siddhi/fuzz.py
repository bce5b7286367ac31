"""``python -m tests.siddhi.fuzz --seeds 0..1000``: random plans on eiha and on real Siddhi 5.1.7, compared.

What differs is made small and printed with its case as a line of a case file. ``--variants FILE...`` takes no random
plans, but recorded cases with a few things changed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

from eiha.engine import jit
from tests.siddhi.against import Outcome, draw_case, outcome, shrunk, shrunk_steps
from tests.siddhi.draw_plans import FAMILIES
from tests.siddhi.recorder import Siddhi
from tests.siddhi.variants import known, read, variant


def _random_plans(seeds: range, options: argparse.Namespace, siddhi: Siddhi) -> Iterator[tuple[int, str, Outcome]]:
    for seed in seeds:
        case = draw_case(seed, options.family)
        found = outcome(case.line(), siddhi, options.level)
        if found.status == "differs" and not options.no_shrink:
            found = outcome(shrunk(case, siddhi, options.level).line(), siddhi, options.level)
        yield seed, case.family, found


def _variants(seeds: range, options: argparse.Namespace, siddhi: Siddhi) -> Iterator[tuple[int, str, Outcome]]:
    cases = read(options.variants)
    for seed in seeds:
        drawn = Random(seed).choice(cases)
        found = outcome(variant(drawn, seed), siddhi, options.level)
        if found.status == "differs" and known(found.case):
            found = replace(found, status="known")
        if found.status == "differs" and not options.no_shrink:
            found = outcome(shrunk_steps(found.case, siddhi, options.level), siddhi, options.level)
        yield seed, drawn["name"].rpartition("/")[0] or drawn["name"].rpartition(".")[0], found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.siddhi.fuzz")
    parser.add_argument("--seeds", default="0..200", help="first..stop")
    parser.add_argument("--family", choices=FAMILIES, help="plans of this family only")
    parser.add_argument("--variants", type=Path, nargs="+", help="case files whose cases are varied")
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
        tried = _variants if options.variants else _random_plans
        for seed, family, found in tried(range(int(first), int(stop)), options, siddhi):
            counts[found.status] += 1
            if found.status == "differs":
                by_family[family] += 1
            if found.status in options.tell.split(","):
                print(f"=== {found.status}: seed {seed}, {family}\n{found.case['app']}\n{found.detail}", flush=True)
                print(json.dumps(found.case, separators=(",", ":")), flush=True)
    print(f"{dict(counts)}; differ: {dict(by_family)}; {time.monotonic() - started:.0f} s")
    return 1 if counts["differs"] else 0


if __name__ == "__main__":
    sys.exit(main())
