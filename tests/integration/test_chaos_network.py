"""A real pair whose packets get lost: each node in a network namespace of its own, the arbiter in a third."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final

import pytest
from sqlalchemy import make_url

from benchmarks.local_arbiter import LocalArbiter
from benchmarks.local_pair import SECRET, LocalPair, NodeProcess, Ports, Seat, free_ports
from benchmarks.process_log import logged
from tests.chaos import network_namespaces
from tests.chaos.database import query
from tests.chaos.network_namespaces import Network
from tests.chaos.proxy_process import ProxyProcess
from tests.integration.steady_client import SteadyClient, assert_stored_once, write_plan

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]

TIMEOUT_S: Final = 90.0
SETTINGS: Final = {"cluster": "failure_timeout_ms = 500\nheartbeat_interval_ms = 100"}


@dataclass
class Scene:
    network: Network
    pair: LocalPair
    client: SteadyClient
    arbiter: LocalArbiter

    def active(self) -> NodeProcess:
        found = self.pair.active()
        assert found is not None
        return found

    def passive(self) -> NodeProcess:
        found = self.pair.passive()
        assert found is not None
        return found

    def heal(self) -> None:
        self.network.heal()
        self.pair.wait_until_covered(TIMEOUT_S)
        self.client.ack_after(time.monotonic(), TIMEOUT_S)

    def lines(self, node: NodeProcess) -> list[dict[str, Any]]:
        return logged(node.log)


@contextmanager
def own_database(server_url: str) -> Iterator[str]:
    """The URL of an empty database."""
    name = f"eiha_test_{uuid.uuid4().hex[:16]}"
    query(server_url, f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
    yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    query(server_url, f"DROP DATABASE {name}")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, mysql_server_url: str) -> Iterator[Scene]:
    """One pair for all tests; each leaves it whole. At the end everything is in the stores, once."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    reason = network_namespaces.unavailable()
    if reason is not None:
        pytest.fail(f"this is root and there are no network namespaces: {reason}", pytrace=False)
    directory = tmp_path_factory.mktemp("network")
    with ExitStack() as stack:
        network = stack.enter_context(Network(("node1", "node2", "witness"), residents=("database",)))
        own_url = stack.enter_context(own_database(mysql_server_url))
        proxy = stack.enter_context(ProxyProcess())
        server = make_url(own_url)
        listening = proxy.listen("database", ("127.0.0.1", server.port or 3306), host=network.address("database"))
        url = server.set(host=network.address("database"), port=listening).render_as_string(hide_password=False)
        (port,) = free_ports(1)
        arbiter = LocalArbiter(
            directory / "arbiter",
            {"local.pair": SECRET},
            port,
            host=network.address("witness"),
            prefix=network.prefix("witness"),
        )
        stack.enter_context(arbiter)
        arbiter.start()

        def seating(ports: dict[str, Ports]) -> dict[str, Seat]:
            return {name: Seat(host=network.address(name), prefix=network.prefix(name)) for name in ports}

        plans = write_plan(directory / "plans")
        pair = LocalPair(
            directory / "pair",
            plans,
            database_url=url,
            arbiter=arbiter.address,
            overrides=SETTINGS,
            seating=seating,
        )
        stack.enter_context(pair)
        pair.start()
        client = stack.enter_context(SteadyClient(pair.ingest))
        client.ack_after(time.monotonic(), TIMEOUT_S)
        yield Scene(network, pair, client, arbiter)
        network.heal()
        pair.wait_until_covered(TIMEOUT_S)
        assert_stored_once(pair, client.finish(), url=own_url)


def test_an_isolated_active_is_replaced_within_a_second_and_joins_when_it_is_back(scene: Scene) -> None:
    before, other = scene.active(), scene.passive()
    moment = time.monotonic()
    scene.network.isolate(before.name, (before.ports.http,))
    taken_s = scene.client.ack_after(moment + 0.1, TIMEOUT_S)
    print(f"takeover {taken_s:.3f}")
    scene.pair.wait_for(lambda: other.role()[0] == "active", "the takeover", TIMEOUT_S)
    assert before.role()[1] == "no-quorum"
    scene.heal()
    assert other.role() == ("active", "synced")


def test_a_deaf_active_does_not_keep_the_row_from_the_other(scene: Scene) -> None:
    before, other = scene.active(), scene.passive()
    moment = time.monotonic()
    scene.network.deafen(before.name, (before.ports.http,))
    scene.client.ack_after(moment + 0.1, TIMEOUT_S)
    scene.pair.wait_for(lambda: other.role()[0] == "active", "the takeover", TIMEOUT_S)
    scene.heal()


def test_with_the_nodes_cut_apart_one_goes_on_and_the_other_follows_again_later(scene: Scene) -> None:
    scene.network.cut("node1", "node2")
    moment = time.monotonic()
    scene.client.ack_after(moment + 1.5, TIMEOUT_S)
    roles = [node.role() for node in scene.pair.nodes]
    assert min(roles) == ("active", "solo"), roles
    assert [role for role, _ in roles].count("active") == 1
    scene.heal()


@pytest.mark.parametrize("direction", ["from the active", "to the active"])
def test_a_link_that_is_deaf_one_way_is_as_good_as_cut(scene: Scene, direction: str) -> None:
    active, passive = scene.active(), scene.passive()
    source, target = (active, passive) if direction == "from the active" else (passive, active)
    scene.network.cut_one_way(source.name, target.name)
    scene.client.ack_after(time.monotonic() + 1.5, TIMEOUT_S)
    scene.heal()


def test_without_the_witness_the_pair_goes_on_and_says_that_no_failover_is_covered(scene: Scene) -> None:
    for node in scene.pair.nodes:
        scene.network.cut(node.name, "witness")
    scene.client.ack_after(time.monotonic() + 2.0, 10.0)
    scene.pair.wait_for(
        lambda: scene.active().get("/status")[1]["failover_cover"].startswith("none"), "the status", TIMEOUT_S
    )
    scene.heal()


def test_a_node_cut_off_from_peer_and_witness_acknowledges_nothing_and_nobody_goes_on_without_a_second_vote(
    scene: Scene,
) -> None:
    for node in scene.pair.nodes:
        scene.network.cut(node.name, "witness")
    scene.network.cut("node1", "node2")
    scene.pair.wait_for(lambda: scene.active().role()[1] == "no-quorum", "no-quorum", TIMEOUT_S)
    moment = time.monotonic()
    with pytest.raises(AssertionError, match="nothing was acknowledged"):
        scene.client.ack_after(moment, 1.0)
    scene.heal()
