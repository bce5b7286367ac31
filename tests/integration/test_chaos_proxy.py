"""A real pair whose nodes reach each other through a proxy that damages, tears, stalls and delays what passes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pytest

from benchmarks.local_pair import LocalPair, NodeProcess
from benchmarks.process_log import logged
from tests.chaos.faulty_stages import Proxied
from tests.chaos.proxy_process import ProxyProcess
from tests.integration.steady_client import SteadyClient, assert_stored_once, write_plan

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]

TIMEOUT_S: Final = 90.0
CLIENTS: Final = "clients of the first active"
SETTINGS: Final = {"cluster": "failure_timeout_ms = 800\nslow_peer_timeout_ms = 800"}


class Scene:
    """A pair with a proxy between the nodes, one for clients, and a client that goes through it."""

    def __init__(self, stack: ExitStack, directory: Path) -> None:
        stage = Proxied()
        stage.open(directory)
        stack.callback(stage.close)
        self.pair = stack.enter_context(
            LocalPair(
                directory / "pair",
                write_plan(directory / "plans"),
                overrides=SETTINGS,
                seating=lambda ports: stage.seats(ports, None),
            )
        )
        self.pair.start()
        self.proxy: ProxyProcess = stage.proxy
        active = self.pair.active()
        assert active is not None
        port = self.proxy.listen(CLIENTS, ("127.0.0.1", active.ports.ingest))
        # it stays where it is: nodes tell clients where the active really listens, which goes past the proxy
        self.client = stack.enter_context(SteadyClient([f"127.0.0.1:{port}"], follow_active=False))
        self.client.ack_after(time.monotonic(), TIMEOUT_S)

    def is_whole_again(self) -> None:
        self.pair.wait_until_covered(TIMEOUT_S)
        self.client.ack_after(time.monotonic(), TIMEOUT_S)

    def strike(self, route: str, damage: str, direction: str) -> None:
        """Damage what passes next, and wait until something was."""
        before = self.proxy.count(route, (direction,))["damaged"]
        self.proxy.damage(route, damage, (direction,))
        self.pair.wait_for(
            lambda: self.proxy.count(route, (direction,))["damaged"] > before, f"{damage} on {route}", TIMEOUT_S
        )

    def lines(self, node: NodeProcess) -> list[dict[str, Any]]:
        return logged(node.log)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One pair for all tests; each leaves it whole. At the end everything is in the stores, once, and states agree."""
    with ExitStack() as stack:
        made = Scene(stack, tmp_path_factory.mktemp("proxy"))
        yield made
        for route in (Proxied.EVENT_SYNC, Proxied.MANAGEMENT):
            made.proxy.mend(route)
        made.pair.wait_until_covered(TIMEOUT_S)
        assert_stored_once(made.pair, made.client.finish())
        for node in made.pair.nodes:
            events = [line["event"] for line in made.lines(node)]
            assert "digest_mismatch" not in events
            assert "node_failed" not in events


@pytest.mark.parametrize("route", [Proxied.EVENT_SYNC, Proxied.MANAGEMENT])
@pytest.mark.parametrize("direction", ["up", "down"])
def test_damaged_bytes_between_the_nodes_close_the_link_which_resumes(scene: Scene, route: str, direction: str) -> None:
    for damage in ("flip", "duplicate", "drop", "truncate", "reset", "half_close"):
        scene.strike(route, damage, direction)
        scene.is_whole_again()
    assert scene.proxy.count(route)["accepted"] > 3


@pytest.mark.parametrize("direction", ["up", "down"])
def test_damaged_bytes_of_a_client_are_refused_and_it_sends_again(scene: Scene, direction: str) -> None:
    for damage in ("flip", "drop", "truncate", "reset"):
        scene.strike(CLIENTS, damage, direction)
        scene.client.ack_after(time.monotonic() + 0.1, TIMEOUT_S)


def test_a_control_channel_that_stands_still_holds_nobody_up_for_long(scene: Scene) -> None:
    scene.proxy.stall(Proxied.MANAGEMENT)
    scene.client.ack_after(time.monotonic() + 1.0, TIMEOUT_S)
    scene.proxy.mend(Proxied.MANAGEMENT)
    scene.is_whole_again()


def test_a_slow_and_uneven_line_between_the_nodes_delays_and_nothing_more(scene: Scene) -> None:
    active = scene.pair.active()
    for route in (Proxied.EVENT_SYNC, Proxied.MANAGEMENT):
        scene.proxy.delay(route, 0.03, 0.03)
    for _ in range(3):
        scene.client.ack_after(time.monotonic() + 0.2, TIMEOUT_S)
    assert scene.pair.covered()
    assert scene.pair.active() is active
    for route in (Proxied.EVENT_SYNC, Proxied.MANAGEMENT):
        scene.proxy.mend(route)
    scene.is_whole_again()
