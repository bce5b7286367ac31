"""A real pair on disks that are full, fail, are slow, or come back with other bits than were written."""

from __future__ import annotations

import errno
import os
import random
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from benchmarks.local_pair import LocalPair, NodeProcess, Ports, Seat
from benchmarks.process_log import logged
from tests.chaos import damaged_files
from tests.chaos.fault_shim import Call, FaultShim
from tests.chaos.small_disk import SmallDisk, SmallDiskMissing
from tests.integration.steady_client import SteadyClient, assert_stored_once, write_plan

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]

TIMEOUT_S: Final = 90.0
SETTINGS: Final = {
    "cluster": "failure_timeout_ms = 800\nslow_peer_timeout_ms = 800",
    "persistence": "fsync_interval_ms = 100",
}
FAILED: Final = 1
"""The exit status of a node whose disk failed (docs/operations.md)."""


@dataclass
class Scene:
    pair: LocalPair
    client: SteadyClient
    shims: dict[str, FaultShim]

    def active(self) -> NodeProcess:
        found = self.pair.active()
        assert found is not None
        return found

    def passive(self) -> NodeProcess:
        found = self.pair.passive()
        assert found is not None
        return found

    def other(self, node: NodeProcess) -> NodeProcess:
        return next(each for each in self.pair.nodes if each is not node)

    def is_whole_again(self) -> None:
        self.pair.wait_until_covered(TIMEOUT_S)
        self.client.ack_after(time.monotonic(), TIMEOUT_S)

    def goes_on(self) -> None:
        """What is published from now on is acknowledged."""
        self.client.ack_after(time.monotonic() + 0.2, TIMEOUT_S)

    def ends_by_itself(self, node: NodeProcess) -> int:
        assert node.process is not None
        try:
            return node.process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            pytest.fail(f"{node.name} goes on\n{node.tail()}")

    def said(self, node: NodeProcess, event: str) -> list[dict[str, Any]]:
        return [line for line in logged(node.log) if line["event"] == event]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One pair for all tests; each leaves it whole. At the end everything is in the stores, once."""
    directory = tmp_path_factory.mktemp("disk")
    shims = {name: FaultShim(directory / f"{name}.control") for name in ("node1", "node2")}

    def seating(ports: dict[str, Ports]) -> dict[str, Seat]:
        return {name: Seat(environment=shims[name].environment) for name in ports}

    plans = write_plan(directory / "plans")
    with LocalPair(directory / "pair", plans, overrides=SETTINGS, seating=seating) as pair:
        pair.start()
        with SteadyClient(pair.ingest) as client:
            client.ack_after(time.monotonic(), TIMEOUT_S)
            yield Scene(pair, client, shims)
            for shim in shims.values():
                shim.mend()
            pair.wait_until_covered(TIMEOUT_S)
            assert_stored_once(pair, client.finish())
    for shim in shims.values():
        shim.close()


def test_an_active_whose_disk_is_full_steps_aside_and_is_passive_when_there_is_room(scene: Scene) -> None:
    node = scene.active()
    shim = scene.shims[node.name]
    shim.fail(Call.WRITE | Call.OPEN, node.location, errno.ENOSPC)
    scene.pair.wait_for(lambda: scene.other(node).role()[0] == "active", "the other to be active", TIMEOUT_S)
    scene.goes_on()
    assert node.alive()
    assert node.role()[0] == "joining"
    assert "make room" in scene.said(node, "log_waits")[-1]["message"]
    shim.mend()
    scene.is_whole_again()
    assert node.role()[0] == "passive"
    assert scene.said(node, "log_goes_on")


def test_a_node_whose_flush_fails_ends_and_the_other_goes_on(scene: Scene) -> None:
    node = scene.active()
    rule = scene.shims[node.name].fail(Call.FSYNC, node.location / "log", errno.EIO, times=1)
    assert scene.ends_by_itself(node) == FAILED
    assert scene.shims[node.name].hits(rule) == 1
    assert "What is on disk is unknown" in scene.said(node, "node_failed")[-1]["message"]
    scene.goes_on()
    scene.shims[node.name].mend()
    node.start()
    scene.is_whole_again()


def test_a_node_whose_write_fails_ends_and_the_other_goes_on(scene: Scene) -> None:
    node = scene.active()
    scene.shims[node.name].fail(Call.WRITE, node.location / "log", errno.EIO, times=1)
    assert scene.ends_by_itself(node) == FAILED
    scene.goes_on()
    scene.shims[node.name].mend()
    node.start()
    scene.is_whole_again()


def test_slow_flushes_of_one_disk_hold_nothing_up(scene: Scene) -> None:
    node = scene.active()
    rule = scene.shims[node.name].slow(Call.FSYNC, node.location, 0.4)
    scene.pair.wait_for(lambda: scene.shims[node.name].hits(rule) >= 2, "two slow flushes", TIMEOUT_S)
    scene.goes_on()
    assert scene.active() is node
    scene.shims[node.name].mend()
    scene.is_whole_again()


@pytest.mark.slow
def test_no_damaged_file_is_taken_for_a_whole_one(scene: Scene) -> None:
    """Log, identity, witness version: each start is refused with the file's name; the peer goes on meanwhile."""
    node = scene.passive()
    node.kill()
    log = node.location / damaged_files.LOG
    names = (damaged_files.log_segments(node.location)[0].name, damaged_files.IDENTITY, damaged_files.SEEN)
    for name in names:
        path = log / name
        good = path.read_bytes()
        if path.suffix == ".log":
            damaged_files.flip_bit(path, random.Random(1), 0.3, 0.6)
        else:
            path.write_bytes(b"\xff" + good[1:])
        node.start()
        assert scene.ends_by_itself(node) == FAILED
        assert name in node.tail(3)
        path.write_bytes(good)
    scene.goes_on()
    node.start()
    scene.is_whole_again()


def test_a_torn_end_and_a_damaged_snapshot_cost_nothing(scene: Scene) -> None:
    node = scene.passive()
    node.kill()
    chance = random.Random(2)
    damaged_files.tear_end(damaged_files.log_segments(node.location)[-1], chance)
    for snapshot in damaged_files.snapshots(node.location):
        damaged_files.flip_bit(snapshot, chance)
    node.start()
    scene.is_whole_again()


def test_a_disk_that_is_really_full_is_survived(tmp_path: Path) -> None:
    """A file system of its own, filled to the last byte by something else; the node also starts on it, later."""
    disk = SmallDisk(tmp_path / "small", size_mib=8)
    try:
        disk.mount()
    except SmallDiskMissing as reason:
        if os.geteuid() == 0:
            pytest.fail(f"this is root and there is no small disk: {reason}", pytrace=False)
        pytest.skip(str(reason))
    try:
        plans = write_plan(tmp_path / "plans")

        def seating(ports: dict[str, Ports]) -> dict[str, Seat]:
            return {name: Seat(location=disk.path / name if name == "node1" else None) for name in ports}

        with LocalPair(tmp_path / "pair", plans, overrides=SETTINGS, seating=seating) as pair:
            pair.start()
            with SteadyClient(pair.ingest) as client:
                node2 = pair.nodes[1]
                disk.fill()
                pair.wait_for(lambda: node2.role() == ("active", "solo"), "the other disk to serve alone", TIMEOUT_S)
                client.ack_after(time.monotonic(), TIMEOUT_S)
                disk.make_room()
                pair.wait_until_covered(TIMEOUT_S)
                total = client.finish()
            assert_stored_once(pair, total)
    finally:
        disk.unmount()
