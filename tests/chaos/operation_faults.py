"""What operators do, under load and at the worst moment: switchover, rolling restart, deployment during a failover."""

from __future__ import annotations

import random
import threading
import time
from typing import Any, ClassVar, Final

from benchmarks.local_pair import NodeProcess
from eiha.errors import EihaError
from tests.chaos.fault import Injected, Kind
from tests.chaos.scene import Scene, SceneError
from tests.chaos.workload import TAGGED_NAME, tagged_plan

ACT_TIMEOUT_S: Final = 60.0
KILL_AFTER_S: Final = 0.15
"""A deployment takes some hundredths of a second: about half of the kills hit before it, half during or after it."""


class _Operation:
    kind: ClassVar[Kind] = Kind.OPERATION
    stages: ClassVar[frozenset[str]] = frozenset()

    def unavailable(self) -> str | None:
        """Operators are everywhere."""
        return None

    def heal(self, scene: Scene) -> None:
        """Nothing is left to take back."""


class Switchover(_Operation):
    """A planned switchover: the time without acknowledgements is what counts."""

    name = "switchover"

    def inject(self, scene: Scene, rng: random.Random) -> Injected:
        """Ask the active."""
        active = scene.active()
        moment_s = time.monotonic()
        answer, refusals = _ask_until_done(scene, "/v1/admin/switchover")
        if answer["active"] == active.name:
            raise SceneError(f"the switchover left {active.name} active")
        told = f", refused {refusals} times" if refusals else ""
        return Injected("both", f"switchover from {active.name}{told}", moment_s=moment_s, ack_within_s=10.0)


class RollingRestart(_Operation):
    """SIGTERM of one node, wait until the pair is whole, SIGTERM of the other."""

    name = "rolling-restart"

    def inject(self, scene: Scene, rng: random.Random) -> Injected:
        """Restart both, the passive first, as an upgrade does."""
        moment_s = time.monotonic()
        passive = scene.passive()
        for node in (passive, scene.other(passive)):
            status = scene.terminate(node)
            if status:
                raise SceneError(f"{node.name} ended with {status} when asked to stop\n{node.tail()}")
            scene.start(node)
            scene.wait_until_whole()
        return Injected("both", "SIGTERM of both in turn", moment_s=moment_s, ack_within_s=10.0)


class Deploy(_Operation):
    """A plan is deployed or replaced under load."""

    name = "deploy"

    def inject(self, scene: Scene, rng: random.Random) -> Injected:
        """Deploy the next version."""
        moment_s = time.monotonic()
        scene.plan_version += 1
        _deploy(scene)
        return Injected("both", f"plan replaced by version {scene.plan_version}", moment_s=moment_s, ack_within_s=10.0)


class DeployDuringFailover(_Operation):
    """The active dies while it deploys a plan; the operator repeats the request until it is answered."""

    name = "deploy-kill-active"

    def __init__(self) -> None:
        self._killed: NodeProcess | None = None

    def inject(self, scene: Scene, rng: random.Random) -> Injected:
        """Ask for the deployment in the moment of the kill."""
        scene.plan_version += 1
        self._killed = victim = scene.active()
        after_s = rng.uniform(0.0, KILL_AFTER_S)
        asking = threading.Thread(target=_try_to_deploy, args=(scene,))
        asking.start()
        time.sleep(after_s)
        moment_s = time.monotonic()
        scene.kill(victim)
        asking.join()
        _deploy(scene)
        return Injected(
            victim.name,
            f"kill -9 of the active {after_s * 1000:.0f} ms after it was asked to deploy version {scene.plan_version}",
            moment_s=moment_s,
            ack_within_s=10.0,
            takes_over=True,
        )

    def heal(self, scene: Scene) -> None:
        """Start the node."""
        assert self._killed is not None
        scene.start(self._killed)


class SnapshotAsked(_Operation):
    """A snapshot by hand under load."""

    name = "snapshot"

    def inject(self, scene: Scene, rng: random.Random) -> Injected:
        """Ask the active."""
        moment_s = time.monotonic()
        sequence = _ask_until_done(scene, "/v1/admin/snapshot")[0]["sequence"]
        return Injected("both", f"snapshot at {sequence}", moment_s=moment_s, ack_within_s=10.0)


def _ask_until_done(scene: Scene, path: str) -> tuple[dict[str, Any], int]:
    """Ask until it is done; how often it was refused before: on a slow machine what takes too long is called off."""
    deadline = time.monotonic() + ACT_TIMEOUT_S
    refusals = 0
    while True:
        try:
            return scene.act("POST", path), refusals
        except EihaError as refusal:
            refusals += 1
            scene.note(f"{path}: {refusal}")
            if time.monotonic() > deadline:
                raise SceneError(f"{path} was refused {refusals} times, at last: {refusal}") from refusal
            scene.wait_until_whole()


def _try_to_deploy(scene: Scene) -> EihaError | None:
    """One request; why it was not answered, if it was not."""
    try:
        scene.act("PUT", f"/v1/admin/plans/{TAGGED_NAME}", tagged_plan(scene.plan_version).encode())
    except EihaError as refusal:
        return refusal
    return None


def _deploy(scene: Scene) -> None:
    """Repeat the request until it is answered: the same text again changes nothing."""
    deadline = time.monotonic() + ACT_TIMEOUT_S
    while (refusal := _try_to_deploy(scene)) is not None:
        if time.monotonic() > deadline:
            raise SceneError(f"version {scene.plan_version} was not deployed: {refusal}")
        time.sleep(0.1)
