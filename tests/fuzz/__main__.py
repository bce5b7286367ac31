"""``python -m tests.fuzz --seeds 0..1000 --jobs 2``: random plans; ``--seed 17``: one, with plan and events."""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from eiha.engine import jit
from eiha.errors import PlanError
from tests.checked_values import check_values
from tests.fuzz.forms import FORMS
from tests.fuzz.judge import difference, draw_case, report, shrunk


def judged(seed: int, *, shrink: bool) -> tuple[str, str]:
    """``passed``, ``refused`` or ``failed``, and why."""
    warnings.simplefilter("error")
    check_values()
    jit.warm()
    case = draw_case(seed)
    try:
        found = difference(case)
        if found is None:
            return "passed", ""
        if shrink:
            case = shrunk(case, found.form)
            found = difference(case, (FORMS[0], found.form)) or found
    except PlanError as error:
        return "refused", f"seed {seed}: {error}"
    return "failed", report(case, found)


def _judged_shrunk(seed: int) -> tuple[str, str]:
    return judged(seed, shrink=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--seeds", default="0..200", help="first..stop")
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--refused", action="store_true", help="tell which plans were refused, and why")
    options = parser.parse_args()
    first, _, stop = options.seeds.partition("..")
    seeds = [options.seed] if options.seed is not None else list(range(int(first), int(stop)))
    counts: Counter[str] = Counter()
    started = time.monotonic()
    if options.seed is not None:
        print(draw_case(options.seed).plan.text())
    with ProcessPoolExecutor(options.jobs) as pool:
        for status, text in pool.map(_judged_shrunk, seeds, chunksize=1):
            counts[status] += 1
            if status == "failed" or (options.refused and status == "refused"):
                print(text, flush=True)
    print(f"{dict(counts)} of {len(seeds)} plans in {len(FORMS) + 1} forms, {time.monotonic() - started:.0f} s")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
