"""Which faults strike, in which order, on which stage: a function of the numbers asked for and the seed.

A campaign is cut into acts. Each act is a fresh pair on one stage and some tens of faults, so that a history stays
small enough to be read and an act can be done again by itself.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tests.chaos.catalogue import FAULTS, STAGES
from tests.chaos.fault import Fault, Kind
from tests.chaos.stage import Loopback

FAULTS_AN_ACT: Final = 40
"""Some minutes of load: about 100,000 events."""


@dataclass(frozen=True, slots=True)
class Act:
    """One pair on one stage and the faults that strike it, by name, in order."""

    number: int
    stage: str
    mariadb: bool
    durability: str
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unavailable:
    """A fault or stage that this machine cannot have, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Schedule:
    """All acts, and what is left out."""

    acts: tuple[Act, ...]
    unavailable: tuple[Unavailable, ...]


def needs_mariadb(fault: Fault) -> bool:
    """Whether the fault cannot be had with SQLite files: it is one of the database, or of nodes on several hosts."""
    asked = getattr(fault, "needs_mariadb", None)
    return asked is not None and bool(asked())


def make_schedule(
    wanted: Mapping[Kind, int], seed: int, *, mariadb: bool, only: frozenset[str] = frozenset()
) -> Schedule:
    """Draw the faults and put them on stages.

    Args:
        wanted: how many of each kind.
        seed: of every choice.
        mariadb: whether there is a database to take away; else every act has SQLite files.
        only: names of the faults to draw from; empty: all.
    """
    rng = random.Random(f"schedule {seed}")
    stages, missing = _stages()
    drawn: list[Fault] = []
    for kind, count in wanted.items():
        if not count:
            continue
        weighted: list[tuple[Fault, float]] = []
        for entry in FAULTS:
            fault = entry.make()
            if fault.kind is not kind or (only and fault.name not in only):
                continue
            reason = _why_not(fault, stages, mariadb=mariadb)
            if reason is None:
                weighted.append((fault, entry.weight))
            else:
                missing[fault.name] = reason
        if weighted:
            drawn += rng.choices([fault for fault, _ in weighted], [weight for _, weight in weighted], k=count)
    rng.shuffle(drawn)
    unavailable = tuple(Unavailable(name, reason) for name, reason in sorted(missing.items()))
    return Schedule(tuple(_acts(drawn, rng, mariadb=mariadb)), unavailable)


def _stages() -> tuple[frozenset[str], dict[str, str]]:
    """Stages that there are on this machine, and why others are not."""
    missing = {f"stage {name}": reason for name, make in STAGES.items() if (reason := make().unavailable()) is not None}
    return frozenset(name for name in STAGES if f"stage {name}" not in missing), missing


def _why_not(fault: Fault, stages: frozenset[str], *, mariadb: bool) -> str | None:
    if needs_mariadb(fault) and not mariadb:
        return "the campaign runs on SQLite files, which cannot be taken away"
    if fault.stages and not fault.stages & stages:
        return f"needs a stage {' or '.join(sorted(fault.stages))}, which is not available"
    return fault.unavailable()


def _acts(drawn: list[Fault], rng: random.Random, *, mariadb: bool) -> list[Act]:
    """Faults that need a stage go there; the others fill up the acts, so that kinds meet, and then the loopback's."""
    bound: dict[str, list[str]] = {}
    free = [fault.name for fault in drawn if not fault.stages]
    for fault in drawn:
        if fault.stages:
            bound.setdefault(min(fault.stages), []).append(fault.name)
    share = len(free) / max(1, len(drawn))
    parts: list[tuple[str, list[str]]] = []
    for stage, names in sorted(bound.items()):
        count = max(1, math.ceil(len(names) / (FAULTS_AN_ACT * max(0.25, 1 - share))))
        for number in range(count):
            own = names[number::count]
            room = min(len(free), max(0, FAULTS_AN_ACT - len(own)))
            own += [free.pop() for _ in range(room)]
            rng.shuffle(own)
            parts.append((stage, own))
    count = math.ceil(len(free) / FAULTS_AN_ACT)
    parts += [(Loopback.name, free[number::count]) for number in range(count)]
    return [
        Act(number, stage, mariadb, "disk" if rng.random() < 0.2 else "replicated", tuple(names))
        for number, (stage, names) in enumerate(parts)
    ]
