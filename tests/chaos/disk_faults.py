"""Faults of a node's disk: full, failing, slow; and other bits on it than were written, found at the next start."""

from __future__ import annotations

import errno
import random
import shutil
import time
from typing import ClassVar, Final

from benchmarks.local_pair import NodeProcess
from tests.chaos import damaged_files
from tests.chaos.fault import Injected, Kind
from tests.chaos.fault_shim import Call, FaultShim
from tests.chaos.faulty_stages import Shimmed
from tests.chaos.scene import Scene, log_uniform

HOLD_S: Final = (0.3, 10.0)
ACK_WITHIN_S: Final = 12.0
END_TIMEOUT_S: Final = 20.0
"""For a node that must end by itself."""


def _shim(scene: Scene, node: NodeProcess) -> FaultShim:
    assert isinstance(scene.stage, Shimmed)
    return scene.stage.shims[node.name]


class _DiskFault:
    kind: ClassVar[Kind] = Kind.DISK
    stages: ClassVar[frozenset[str]] = frozenset({Shimmed.name})

    def __init__(self) -> None:
        self._shims: list[FaultShim] = []

    def unavailable(self) -> str | None:
        """As the stage."""
        return Shimmed().unavailable()

    def heal(self, scene: Scene) -> None:
        """The disk works again. Who ended because of it is started by the campaign."""
        for shim in self._shims:
            shim.mend()
        self._shims.clear()

    def _victim(self, scene: Scene, rng: random.Random) -> tuple[NodeProcess, str, FaultShim]:
        active = scene.active()
        node = active if rng.random() < 0.5 else scene.other(active)
        shim = _shim(scene, node)
        self._shims.append(shim)
        return node, "active" if node is active else "passive", shim


class FullDisk(_DiskFault):
    """Nothing can be written any more; the node goes on, and writes when there is room."""

    name = "full-disk"

    def inject(self, scene: Scene, rng: random.Random) -> Injected:
        """ENOSPC for every write and new file below its directory."""
        node, role, shim = self._victim(scene, rng)
        hold_s, moment_s = log_uniform(rng, *HOLD_S), time.monotonic()
        shim.fail(Call.WRITE | Call.OPEN, node.location, errno.ENOSPC)
        return Injected(node.name, f"disk of the {role} full for {hold_s:.2f} s", hold_s, moment_s, ACK_WITHIN_S)


class FailingFlush(_DiskFault):
    """One flush fails: what the disk holds is in doubt, so the node ends."""

    name = "failing-flush"
    calls = Call.FSYNC

    def inject(self, scene: Scene, rng: random.Random) -> Injected:
        """EIO once, anywhere below its directory."""
        node, role, shim = self._victim(scene, rng)
        moment_s = time.monotonic()
        shim.fail(self.calls, node.location, errno.EIO, times=1)
        return Injected(
            node.name,
            f"{self.name} on the disk of the {role}",
            3.0,
            moment_s,
            ACK_WITHIN_S,
            takes_over=role == "active",
            may_stop=frozenset({node.name}),
        )


class FailingWrite(FailingFlush):
    """One write fails with EIO."""

    name = "failing-write"
    calls = Call.WRITE


class FailingRename(FailingFlush):
    """The rename that makes a snapshot or a witness version durable fails."""

    name = "failing-rename"
    calls = Call.RENAME


class SlowDisk(_DiskFault):
    """Flushes take long, as on a disk that others use, too."""

    name = "slow-disk"

    def inject(self, scene: Scene, rng: random.Random) -> Injected:
        """Each flush takes up to a second more."""
        node, role, shim = self._victim(scene, rng)
        delay_s = log_uniform(rng, 0.01, 1.0)
        hold_s, moment_s = log_uniform(rng, *HOLD_S), time.monotonic()
        shim.slow(Call.FSYNC, node.location, delay_s)
        what = f"flushes of the {role} take {delay_s * 1000:.0f} ms more for {hold_s:.2f} s"
        return Injected(node.name, what, hold_s, moment_s, ACK_WITHIN_S)


class DamagedFiles:
    """A node dies and finds other bits on its disk than it wrote. It must notice; then it joins as a new disk."""

    name = "damaged-files"
    kind: ClassVar[Kind] = Kind.DISK
    stages: ClassVar[frozenset[str]] = frozenset()

    def __init__(self) -> None:
        self._node: NodeProcess | None = None
        self._refuses = False

    def unavailable(self) -> str | None:
        """Files can be damaged everywhere."""
        return None

    def inject(self, scene: Scene, rng: random.Random) -> Injected:
        """Kill the passive (its peer has everything) and damage one file."""
        node = self._node = scene.passive()
        moment_s = time.monotonic()
        scene.kill(node)
        what = rng.choice(("log", "torn end", "snapshot", "identity", "witness version"))
        location = node.location
        segments, snapshots = damaged_files.log_segments(location), damaged_files.snapshots(location)
        match what:
            case "log":
                damaged_files.flip_bit(segments[0], rng, 0.1, 0.8)
                self._refuses = True
            case "torn end":
                damaged_files.tear_end(segments[-1], rng)
            case "snapshot":
                for snapshot in snapshots:
                    damaged_files.flip_bit(snapshot, rng)
            case _:
                name = damaged_files.IDENTITY if what == "identity" else damaged_files.SEEN
                path = location / damaged_files.LOG / name
                path.write_bytes(b"\xff" + path.read_bytes()[1:])
                self._refuses = True
        return Injected(node.name, f"passive killed, {what} damaged", 0.5, moment_s, ACK_WITHIN_S)

    def heal(self, scene: Scene) -> None:
        """Start it; where it must refuse, do what its message says: move the log away, and start again."""
        node = self._node
        assert node is not None
        scene.start(node)
        if not self._refuses:
            return
        deadline = time.monotonic() + END_TIMEOUT_S
        while node.alive() and time.monotonic() < deadline:
            time.sleep(0.02)
        if node.alive():
            raise AssertionError(f"{node.name} started on damaged files")
        scene.kill(node)
        shutil.move(node.location / damaged_files.LOG, node.location / f"damaged-{time.monotonic_ns()}")
        scene.start(node)
