"""Every fault and every stage there is, by name. A new file of faults adds its list here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.chaos.clock_faults import DriftClock, StepClock
from tests.chaos.database_faults import (
    FreezeDatabase,
    FreezeDatabaseKillActive,
    KillDatabase,
    KillDatabaseAndActive,
    StopDatabase,
)
from tests.chaos.disk_faults import DamagedFiles, FailingFlush, FailingRename, FailingWrite, FullDisk, SlowDisk
from tests.chaos.fault import Fault
from tests.chaos.faulty_stages import Namespaces, Proxied, Shimmed
from tests.chaos.network_faults import (
    BreakDatabaseConnections,
    CutDatabase,
    CutEverythingFromEachOther,
    CutPeer,
    CutPeerOneWay,
    DamagePeer,
    DeafenActive,
    DelayPeer,
    IsolateActive,
    IsolatePassive,
    StallPeer,
)
from tests.chaos.operation_faults import Deploy, DeployDuringFailover, RollingRestart, SnapshotAsked, Switchover
from tests.chaos.process_faults import (
    KillActive,
    KillBoth,
    KillDuringRejoin,
    KillPassive,
    KillRejoining,
    KillWiped,
    PauseActive,
    PauseActiveThenKill,
    PauseBoth,
    PausePassive,
)
from tests.chaos.stage import Loopback, Stage


@dataclass(frozen=True, slots=True)
class Entry:
    """A fault, made anew for each time it strikes, and how often it is drawn among those of its kind."""

    make: Callable[[], Fault]
    weight: float = 1.0


FAULTS: Final[tuple[Entry, ...]] = (
    Entry(KillActive, 5),
    Entry(KillPassive, 2),
    Entry(KillBoth, 1),
    Entry(KillRejoining, 1),
    Entry(KillDuringRejoin, 1),
    Entry(KillWiped, 1),
    Entry(PauseActive, 5),
    Entry(PausePassive, 3),
    Entry(PauseBoth, 1),
    Entry(PauseActiveThenKill, 1),
    Entry(StopDatabase, 1),
    Entry(KillDatabase, 2),
    Entry(FreezeDatabase, 2),
    Entry(FreezeDatabaseKillActive, 1),
    Entry(KillDatabaseAndActive, 1),
    Entry(Switchover, 3),
    Entry(RollingRestart, 1),
    Entry(Deploy, 2),
    Entry(DeployDuringFailover, 2),
    Entry(SnapshotAsked, 1),
    Entry(CutPeer, 3),
    Entry(CutPeerOneWay, 3),
    Entry(IsolateActive, 4),
    Entry(DeafenActive, 2),
    Entry(IsolatePassive, 2),
    Entry(CutDatabase, 2),
    Entry(CutEverythingFromEachOther, 1),
    Entry(DelayPeer, 1),
    Entry(StallPeer, 2),
    Entry(DamagePeer, 4),
    Entry(BreakDatabaseConnections, 3),
    Entry(FullDisk, 3),
    Entry(FailingFlush, 2),
    Entry(FailingWrite, 1),
    Entry(FailingRename, 1),
    Entry(SlowDisk, 2),
    Entry(DamagedFiles, 3),
    Entry(StepClock, 3),
    Entry(DriftClock, 1),
)

STAGES: Final[dict[str, Callable[[], Stage]]] = {
    Loopback.name: Loopback,
    Namespaces.name: Namespaces,
    Proxied.name: Proxied,
    Shimmed.name: Shimmed,
}


def fault_named(name: str) -> Fault:
    """A fault by its name. Raises ``KeyError`` with those there are."""
    found = {fault.name: fault for entry in FAULTS if (fault := entry.make())}
    if name not in found:
        raise KeyError(f"no fault {name!r}; there are: {', '.join(sorted(found))}")
    return found[name]
