"""Decoders against nearly valid input, for as long as one likes: ``python -m tests.decoders --seconds 600``.

A failure prints the command that makes the same input again: ``--target NAME --seed N``.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import time
import traceback
from collections import Counter

from tests.decoders.judge import Misbehaved, Target, judge
from tests.decoders.targets import TARGETS


def main() -> int:
    """Run; 1 if a decoder misbehaved."""
    parser = argparse.ArgumentParser(prog="python -m tests.decoders", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (default: %(default)s)")
    parser.add_argument("--target", choices=[target.name for target in TARGETS], help="only this decoder")
    parser.add_argument("--seed", type=int, help="only this input")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="seed to begin with (default: %(default)s)")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    chosen = [target for target in TARGETS if options.target in (None, target.name)]
    if options.seed is not None:
        return _replay(chosen, options.seed)
    inputs: Counter[str] = Counter()
    decoded: Counter[str] = Counter()
    failed: dict[str, str] = {}
    begun_s = time.monotonic()
    seed = options.first
    while time.monotonic() - begun_s < options.seconds and len(failed) < len(chosen):
        for target in chosen:
            if target.name in failed:
                continue
            inputs[target.name] += 1
            try:
                decoded[target.name] += _one(target, seed)
            except Misbehaved as error:
                failed[target.name] = f'{error}\n  python -m tests.decoders --target "{target.name}" --seed {seed}'
        seed += 1
    for target in chosen:
        print(f"{target.name:18} {inputs[target.name]:9,} inputs, {decoded[target.name]:9,} decoded")
    for text in failed.values():
        print(f"MISBEHAVED: {text}", file=sys.stderr)
    return 1 if failed else 0


def _one(target: Target, seed: int) -> bool:
    return judge(target, target.make(random.Random(f"{target.name} {seed}")))


def _replay(chosen: list[Target], seed: int) -> int:
    for target in chosen:
        given = target.make(random.Random(f"{target.name} {seed}"))
        print(f"{target.name}: {given[:2_000]!r}")
        try:
            print("decoded" if judge(target, given) else "refused")
        except Misbehaved:
            traceback.print_exc()
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
