"""What a forked child costs a process by its memory: the pause of who forks, and the processor time of both.

    python -m benchmarks.forks [--megabytes 50 250 1000] [--rounds 20]

The child does nothing, so this is what a snapshot or a trial of suspects costs before it does anything. Least of the
rounds: everything else that runs on the machine only adds to it. Large arrays lie in pages of 2 MiB where the system
gives them (``madvise``), small ones in pages of 4 KiB, of which a fork copies the tables.
"""

from __future__ import annotations

import argparse
import resource
import time
from dataclasses import dataclass
from typing import Final

import numpy as np

from eiha.node.forked_child import Returned, fork
from eiha.node.process_memory import resident_bytes

ROUNDS: Final = 20
CHILD_LIMIT_S: Final = 60.0
MEGABYTES: Final = (50, 250, 1_000)


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one fork, in milliseconds."""

    pause_ms: float
    cpu_ms: float


def measure(rounds: int) -> Cost:
    """The least of ``rounds`` forks of this process as it is."""
    pauses, times = [], []
    for _ in range(rounds):
        cpu_s, began_s = _cpu_s(), time.perf_counter()
        child = fork(lambda: b"")
        pauses.append(time.perf_counter() - began_s)
        assert isinstance(child.wait(CHILD_LIMIT_S), Returned)
        times.append(_cpu_s() - cpu_s)
    return Cost(1e3 * min(pauses), 1e3 * min(times))


def _cpu_s() -> float:
    """Processor time of this process and of the children that have ended."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def main() -> None:
    """Print a line for each size."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.forks", description=__doc__)
    parser.add_argument("--megabytes", type=int, nargs="+", default=list(MEGABYTES), help="resident memory, about")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    print(f"{'resident MB':>12} {'held in':>16} {'pause ms':>10} {'processor ms, both':>20}")
    for megabytes in options.megabytes:
        for kind, doubles in (("one array", 1 << 62), ("pieces of 16 KiB", 2_048)):
            left = max(0, megabytes * 1_000_000 - resident_bytes()) // 8
            held = [np.ones(min(doubles, left - at)) for at in range(0, left, min(doubles, left))] if left else []
            cost = measure(options.rounds)
            print(f"{resident_bytes() / 1e6:>12,.0f} {kind:>16} {cost.pause_ms:>10.2f} {cost.cpu_ms:>20.2f}")
            held.clear()


if __name__ == "__main__":
    main()
