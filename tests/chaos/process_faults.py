"""Faults of the node processes: killed at any moment, stopped and let run again."""

from __future__ import annotations

import random
import shutil
import time
from typing import ClassVar, Final

from benchmarks.local_pair import NodeProcess
from tests.chaos.fault import Injected, Kind
from tests.chaos.scene import Scene, choose, log_uniform

ANYWHERE: Final[frozenset[str]] = frozenset()
PAUSE_S: Final = (0.1, 60.0)
KILL_ACK_WITHIN_S: Final = 10.0
"""Far above what is aimed at: a machine under other load is slow, and slowness is measured, not judged, here."""
LONG_PAUSE_S: Final = 5.0
"""A pause of an active from which on the other node must have taken over while it lasts."""
REJOIN_KILL_S: Final = (0.2, 3.0)
"""After a start: from the opening of the log to just after the join."""


class _ProcessFault:
    kind: ClassVar[Kind] = Kind.KILL
    stages: ClassVar[frozenset[str]] = ANYWHERE

    def __init__(self) -> None:
        self._down: list[NodeProcess] = []

    def unavailable(self) -> str | None:
        """Processes can be killed everywhere."""
        return None

    def heal(self, scene: Scene) -> None:
        """Start what was killed."""
        for node in self._down:
            if not node.alive():
                scene.start(node)
        self._down.clear()

    def _kill(self, scene: Scene, *nodes: NodeProcess) -> None:
        for node in nodes:
            scene.kill(node)
            self._down.append(node)


class KillActive(_ProcessFault):
    """The active dies."""

    name = "kill-active"

    def inject(self, scene: Scene, rng: random.Random) -> Injected:
        """Kill it."""
        victim = scene.active()
        moment_s = time.monotonic()
        self._kill(scene, victim)
        return Injected(
            victim.name, "kill -9 of the active", moment_s=moment_s, ack_within_s=KILL_ACK_WITHIN_S, takes_over=True
        )


class KillPassive(_ProcessFault):
    """The passive dies; the active goes solo."""

    name = "kill-passive"

    def inject(self, scene: Scene, rng: random.Random) -> Injected:
        """Kill it."""
        victim = scene.passive()
        moment_s = time.monotonic()
        self._kill(scene, victim)
        return Injected(victim.name, "kill -9 of the passive", moment_s=moment_s, ack_within_s=KILL_ACK_WITHIN_S)


class KillBoth(_ProcessFault):
    """Both die at once, and start again one after the other in any order."""

    name = "kill-both"

    def inject(self, scene: Scene, rng: random.Random) -> Injected:
        """Kill both."""
        first = choose(rng, scene.nodes)
        moment_s = time.monotonic()
        self._kill(scene, first, scene.other(first))
        return Injected("both", f"kill -9 of both, {first.name} first", moment_s=moment_s)


class KillRejoining(_ProcessFault):
    """A node dies, starts, and dies again while it starts or joins."""

    name = "kill-rejoining"

    def inject(self, scene: Scene, rng: random.Random) -> Injected:
        """Kill the passive, start it, kill it again."""
        victim = scene.passive()
        moment_s = time.monotonic()
        scene.kill(victim)
        scene.start(victim)
        after_s = rng.uniform(*REJOIN_KILL_S)
        time.sleep(after_s)
        self._kill(scene, victim)
        return Injected(
            victim.name,
            f"kill -9 of the passive, and again {after_s:.1f} s after its start",
            moment_s=moment_s,
            ack_within_s=KILL_ACK_WITHIN_S,
        )


class KillDuringRejoin(_ProcessFault):
    """A node dies, and while it joins again the other one dies, too: nobody may go on with less than everything."""

    name = "kill-active-during-rejoin"

    def inject(self, scene: Scene, rng: random.Random) -> Injected:
        """Kill the passive, start it, kill the active."""
        victim = scene.passive()
        active = scene.other(victim)
        scene.kill(victim)
        scene.start(victim)
        after_s = rng.uniform(*REJOIN_KILL_S)
        time.sleep(after_s)
        moment_s = time.monotonic()
        self._kill(scene, active)
        return Injected(
            active.name, f"kill -9 of the active {after_s:.1f} s after {victim.name} was started", moment_s=moment_s
        )


class KillWiped(_ProcessFault):
    """A node dies and its disk is replaced by an empty one; the other has everything, so it goes on."""

    name = "kill-and-wipe-disk"

    def inject(self, scene: Scene, rng: random.Random) -> Injected:
        """Kill one of the nodes; its disk goes once the other one serves alone."""
        victim = choose(rng, scene.nodes)
        was_active = victim is scene.active()
        moment_s = time.monotonic()
        self._kill(scene, victim)
        return Injected(
            victim.name,
            "kill -9, and an empty disk at the next start",
            moment_s=moment_s,
            ack_within_s=KILL_ACK_WITHIN_S,
            takes_over=was_active,
        )

    def heal(self, scene: Scene) -> None:
        """Empty the disk, start."""
        (victim,) = self._down
        survivor = scene.other(victim)
        # both copies are never destroyed: that is beyond every promise
        scene.wait_for(lambda: survivor.role() == ("active", "solo"), f"{survivor.name} to go on alone", 30.0)
        for entry in victim.location.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        super().heal(scene)


class _Pause:
    kind: ClassVar[Kind] = Kind.PAUSE
    stages: ClassVar[frozenset[str]] = ANYWHERE

    def __init__(self) -> None:
        self._stopped: list[NodeProcess] = []

    def unavailable(self) -> str | None:
        """Processes can be stopped everywhere."""
        return None

    def heal(self, scene: Scene) -> None:
        """Let them run."""
        for node in self._stopped:
            scene.thaw(node)
        self._stopped.clear()

    def _pause(self, scene: Scene, rng: random.Random, *nodes: NodeProcess) -> tuple[float, float]:
        """Stop them; the moment, and for how long."""
        moment_s = time.monotonic()
        for node in nodes:
            scene.freeze(node)
            self._stopped.append(node)
        return moment_s, log_uniform(rng, *PAUSE_S)


class PauseActive(_Pause):
    """The active stands still, as in a suspended machine; when it wakes it believes that nothing happened."""

    name = "pause-active"

    def inject(self, scene: Scene, rng: random.Random) -> Injected:
        """SIGSTOP."""
        victim = scene.active()
        moment_s, hold_s = self._pause(scene, rng, victim)
        within_s = LONG_PAUSE_S if hold_s > LONG_PAUSE_S else None
        what = f"SIGSTOP of the active for {hold_s:.2f} s"
        return Injected(victim.name, what, hold_s, moment_s, within_s, takes_over=within_s is not None)


class PausePassive(_Pause):
    """The passive stands still; after a limit the active goes on alone."""

    name = "pause-passive"

    def inject(self, scene: Scene, rng: random.Random) -> Injected:
        """SIGSTOP."""
        victim = scene.passive()
        moment_s, hold_s = self._pause(scene, rng, victim)
        within_s = LONG_PAUSE_S if hold_s > LONG_PAUSE_S else None
        return Injected(victim.name, f"SIGSTOP of the passive for {hold_s:.2f} s", hold_s, moment_s, within_s)


class PauseBoth(_Pause):
    """Both stand still, and wake one after the other."""

    name = "pause-both"

    def inject(self, scene: Scene, rng: random.Random) -> Injected:
        """SIGSTOP of both."""
        first = choose(rng, scene.nodes)
        moment_s, hold_s = self._pause(scene, rng, first, scene.other(first))
        return Injected("both", f"SIGSTOP of both for {hold_s:.2f} s", hold_s, moment_s)


class PauseActiveThenKill(_Pause):
    """The active stands still, the other takes over, and dies in the moment the first one wakes."""

    name = "pause-active-kill-other"

    def __init__(self) -> None:
        super().__init__()
        self._killed: NodeProcess | None = None

    def inject(self, scene: Scene, rng: random.Random) -> Injected:
        """SIGSTOP until the other took over and acknowledged, then kill that one."""
        victim = scene.active()
        moment_s, _ = self._pause(scene, rng, victim)
        scene.wait_for_ack(moment_s, KILL_ACK_WITHIN_S)
        self._killed = scene.other(victim)
        scene.kill(self._killed)
        return Injected(victim.name, "SIGSTOP of the active; the next active is killed as it wakes", moment_s=moment_s)

    def heal(self, scene: Scene) -> None:
        """Wake the one, start the other."""
        super().heal(scene)
        if self._killed is not None:
            scene.start(self._killed)
