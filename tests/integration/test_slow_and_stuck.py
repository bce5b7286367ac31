"""Real processes of which a part stands still: the other goes on, nothing is lost, and the status says what it is."""

from __future__ import annotations

import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.local_pair import LocalPair, NodeProcess, Ports, Seat
from eiha.client import ClientOptions, SyncClient
from eiha.node.exit_status import STUCK
from tests.integration.test_pair import TIMEOUT_S, assert_stored_once, events, lines, plans, publish, wait_until

__all__ = ["plans"]

pytestmark = [pytest.mark.processes, pytest.mark.timeout(90)]

LIMITS = "stuck_engine_ms = 1_000\nstuck_loop_ms = 500\nstuck_loop_exit_ms = 2_000\n"
MakePair = Callable[[str, str], LocalPair]


@pytest.fixture
def make_pair(tmp_path: Path, plans: Path) -> Iterator[MakePair]:
    """A started pair whose nodes can be made to stick; given lines for ``[cluster]`` and for ``[analytics]``."""
    path = tmp_path / "path"
    path.mkdir()
    shutil.copy(Path(__file__).with_name("stuck_on_signal.py"), path / "sitecustomize.py")
    made: list[LocalPair] = []

    def seats(ports: dict[str, Ports]) -> dict[str, Seat]:
        return {name: Seat(environment={"PYTHONPATH": str(path)}) for name in ports}

    def make(cluster: str, analytics: str) -> LocalPair:
        overrides = {"cluster": cluster, "analytics": analytics}
        pair = LocalPair(tmp_path / "pair", plans, overrides=overrides, seating=seats)
        made.append(pair)
        pair.start()
        return pair

    yield make
    for pair in made:
        pair.__exit__(None, None, None)


def both(pair: LocalPair) -> tuple[NodeProcess, NodeProcess]:
    active, passive = pair.active(), pair.passive()
    assert active is not None
    assert passive is not None
    return active, passive


def ended_stuck(node: NodeProcess) -> bool:
    assert node.process is not None
    status = node.process.poll()
    assert status in (None, STUCK), node.tail()
    return status is not None


def is_full_because_of(node: NodeProcess, sink: str) -> bool:
    """Whether the intake is closed while only ``sink`` has outputs that wait."""
    status = node.get("/status")[1]
    waiting = {lane["sink"] for lane in status["sinks"] if lane["waiting_rows"]}
    return not status["intake_open"] and waiting == {sink}


def test_a_stuck_engine_ends_its_node_and_the_other_goes_on_with_the_outputs(make_pair: MakePair) -> None:
    pair = make_pair(LIMITS, "")
    active, passive = both(pair)
    with SyncClient(pair.ingest, options=ClientOptions(give_up_s=TIMEOUT_S)) as client:
        publish(client, 0, 100)
        client.flush(TIMEOUT_S)
        active.signal(signal.SIGUSR2)
        for batch in range(1, 10):
            publish(client, batch * 100, 100)
        client.flush(TIMEOUT_S)
        wait_until(lambda: ended_stuck(active), "the stuck active to end")
        wait_until(lambda: passive.role()[0] == "active", "the takeover")
        assert "the engine has been at entry" in str(lines(active)[-8:])
        active.start()
        pair.wait_until_covered(TIMEOUT_S)
        publish(client, 1_000, 100)
        client.flush(TIMEOUT_S)
        # and a follower whose engine is stuck
        active.signal(signal.SIGUSR2)
        publish(client, 1_100, 100)
        wait_until(lambda: ended_stuck(active), "the stuck passive to end")
        wait_until(lambda: passive.role()[1] == "solo", "the other to go on alone")
        publish(client, 1_200, 100)
        client.flush(TIMEOUT_S)
        active.start()
        pair.wait_until_covered(TIMEOUT_S)
    assert_stored_once(pair, 1_300)


def test_a_stuck_event_loop_is_taken_over_from_and_ends_with_the_line_it_stood_at(make_pair: MakePair) -> None:
    pair = make_pair(LIMITS, "")
    active, passive = both(pair)
    with SyncClient(pair.ingest, options=ClientOptions(give_up_s=TIMEOUT_S)) as client:
        publish(client, 0, 500)
        active.signal(signal.SIGUSR1)
        wait_until(lambda: passive.role()[0] == "active", "the takeover")
        wait_until(lambda: ended_stuck(active), "the stuck node to end")
        stuck = [line for line in lines(active) if line["event"] == "loop_stuck"]
        assert "stand_still" in str(stuck[0])
        active.start()
        pair.wait_until_covered(TIMEOUT_S)
        publish(client, 500, 500)
        client.flush(TIMEOUT_S)
    assert_stored_once(pair, 1_000)


@pytest.mark.slow
def test_a_slow_peer_is_waited_for_and_an_absent_store_closes_the_intake(make_pair: MakePair) -> None:
    pair = make_pair('slow_peer = "block"\nslow_peer_timeout_ms = 1_000', "outbox_bytes_max = 1_048_576")
    active, passive = both(pair)
    with SyncClient(pair.ingest, options=ClientOptions(give_up_s=TIMEOUT_S)) as client:
        publish(client, 0, 100)
        client.flush(TIMEOUT_S)
        passive.signal(signal.SIGRTMIN)
        publish(client, 100, 100)
        wait_until(lambda: "peer_slow" in events(active), "the slow peer to be noticed")
        wait_until(lambda: "the log has not been written" in str(passive.get("/status")), "the passive to say so")
        status = active.get("/status")[1]
        assert (status["state"], status["peer_put_out_count"]) == ("synced", 0)
        assert status["peer_silence_ms"] >= 1_000
        assert "the log has not been written" in str(status["peer_symptoms"])
        passive.signal(signal.SIGRTMIN + 1)
        client.flush(TIMEOUT_S)

        store = sqlite3.connect(pair.processed_store_url.removeprefix("sqlite+aiosqlite:///"), timeout=TIMEOUT_S)
        store.execute("BEGIN EXCLUSIVE")
        sent = 200
        while not is_full_because_of(active, "processed"):
            if active.get("/status")[1]["intake_open"]:
                publish(client, sent, 1_000)
                sent += 1_000
            assert sent < 1_000_000
        status = active.get("/status")[1]
        assert status["intake_reason"] == "outputs or the engine are behind"
        # as much as one entry may go beyond the bound
        assert status["outbox_bytes"] < 3 * 1_048_576
        wait_until(lambda: "took nothing for" in str(active.get("/status")[1]["symptoms"]), "the stalled store")
        assert "eiha_intake_open 0" in active.get("/metrics")[1]
        store.rollback()
        store.close()
        client.flush(TIMEOUT_S)
    assert_stored_once(pair, sent)
