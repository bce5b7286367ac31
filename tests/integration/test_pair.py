"""The pair as real processes: start, publish, kill, take over, rejoin, hand over."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.local_pair import SECRET, LocalPair, NodeProcess, free_ports
from benchmarks.process_log import logged
from eiha.cli.node_client import NodeRefused, Target, act
from eiha.client import ClientOptions, SyncClient

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]

PLAN = """
@app:name('rooms')
@store(type='events')
define stream Readings (room string, celsius double, number long);
from Readings[celsius > 10.0] select room, celsius, number insert into Warm;
from Readings#window.length(100) select room, avg(celsius) as average, count() as readings group by room
insert into Averages;
"""
TIMEOUT_S = 30.0


@pytest.fixture
def plans(tmp_path: Path) -> Path:
    directory = tmp_path / "plans"
    directory.mkdir()
    (directory / "rooms.siddhi").write_text(PLAN)
    return directory


@pytest.fixture
def pair(tmp_path: Path, plans: Path) -> Iterator[LocalPair]:
    with LocalPair(tmp_path / "pair", plans) as made:
        yield made


def lines(node: NodeProcess) -> list[dict[str, Any]]:
    return logged(node.log)


def events(node: NodeProcess) -> list[str]:
    return [line["event"] for line in lines(node)]


def wait_until(condition: Callable[[], object], what: str, timeout_s: float = TIMEOUT_S) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout_s:g} s for {what}"
        time.sleep(0.02)


def publish(client: SyncClient, first: int, count: int) -> None:
    numbers = list(range(first, first + count))
    client.publish_columns(
        "Readings",
        {"room": [f"r{number % 7}" for number in numbers], "celsius": [20.0] * count, "number": numbers},
    )


def stored_numbers(url: str, table: str) -> list[int]:
    database = url.removeprefix("sqlite+aiosqlite:///")
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        try:
            return [row[0] for row in connection.execute(f"SELECT number FROM {table} ORDER BY number")]
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []
            raise


def assert_stored_once(pair: LocalPair, total: int) -> None:
    """Every event and its output is in the stores, once."""
    for url, table in ((pair.event_store_url, "event_Readings"), (pair.processed_store_url, "Warm")):
        wait_until(lambda url=url, table=table: len(stored_numbers(url, table)) >= total, f"{total} rows in {table}")
        assert stored_numbers(url, table) == list(range(total))


@pytest.fixture
def patient_pair(tmp_path: Path, plans: Path) -> Iterator[LocalPair]:
    """A pair that a machine which stands still for some seconds does not alarm."""
    overrides = {"cluster": "failure_timeout_ms = 3_000\nslow_peer_timeout_ms = 30_000"}
    with LocalPair(tmp_path / "pair", plans, overrides=overrides) as made:
        yield made


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["lower id first", "higher id first"])
def test_a_clean_start_in_any_order_logs_no_errors(patient_pair: LocalPair, order: tuple[int, int]) -> None:
    pair = patient_pair
    first, second = (pair.nodes[index] for index in order)
    first.start()
    wait_until(lambda: first.role()[0] == "active", "the first node to become active", 120)
    second.start()
    pair.wait_until_covered(120)
    expected = {
        "member_added",
        "member_joined",
        "coordinator_elected",
        "snapshot_server_started",
        "became_active",
        "sync_publisher_initiated",
    }
    # the last of them may be on their way to the file while the status tells of them already
    wait_until(lambda: expected <= set(events(first)), "the lines of the first node")
    wait_until(lambda: "became_passive" in events(second), "the line of the second node")
    for node in pair.nodes:
        # a loop that was late speaks of the machine, not of the start
        complaints = [line for line in lines(node) if line["level"] in ("ERROR", "WARNING")]
        assert [line for line in complaints if line["event"] != "loop_late"] == []


def test_an_idle_node_stays_small(pair: LocalPair) -> None:
    pair.start()
    for node in pair.nodes:
        _, status = node.get("/status")
        assert status["resident_bytes"] < 250 << 20, status["resident_bytes"]


def test_both_nodes_take_events_and_every_output_is_stored_once(pair: LocalPair) -> None:
    pair.start()
    for index, node in enumerate(pair.nodes):
        with SyncClient([node.ingest], options=ClientOptions(follow_active=False)) as client:
            publish(client, index * 1_000, 1_000)
            client.flush(TIMEOUT_S)
    assert_stored_once(pair, 2_000)


def test_a_killed_active_is_replaced_without_loss_and_comes_back(pair: LocalPair) -> None:
    pair.start()
    active, passive = pair.active(), pair.passive()
    assert active is not None
    assert passive is not None
    with SyncClient(pair.ingest, options=ClientOptions(give_up_s=TIMEOUT_S)) as client:
        for batch in range(50):
            publish(client, batch * 100, 100)
        active.kill()
        for batch in range(50, 100):
            publish(client, batch * 100, 100)
        client.flush(TIMEOUT_S)
        wait_until(lambda: passive.role()[0] == "active", "the takeover")
        active.start()
        pair.wait_until_covered(TIMEOUT_S)
        publish(client, 10_000, 100)
        client.flush(TIMEOUT_S)
    assert_stored_once(pair, 10_100)
    assert "digest_mismatch" not in events(active) + events(passive)


def test_a_switchover_by_hand_loses_nothing(pair: LocalPair) -> None:
    pair.start()
    before = pair.active()
    assert before is not None
    urls = tuple(f"http://127.0.0.1:{node.ports.http}" for node in pair.nodes)
    with SyncClient(pair.ingest, options=ClientOptions(give_up_s=TIMEOUT_S)) as client:
        publish(client, 0, 1_000)
        answer = act(Target(urls, SECRET), "POST", "/v1/admin/switchover")
        publish(client, 1_000, 1_000)
        client.flush(TIMEOUT_S)
    assert answer["active"] != before.name
    pair.wait_until_covered(TIMEOUT_S)
    assert_stored_once(pair, 2_000)


def test_a_node_that_is_asked_to_stop_hands_over_and_ends_with_0(pair: LocalPair) -> None:
    pair.start()
    active, passive = pair.active(), pair.passive()
    assert active is not None
    assert passive is not None
    assert active.stop() == 0
    assert "switchover_begins" in events(active)
    wait_until(lambda: passive.role()[0] == "active", "the other node to be active")


def test_plans_are_deployed_and_removed_on_both_nodes(pair: LocalPair) -> None:
    pair.start()
    target = Target(tuple(f"http://127.0.0.1:{node.ports.http}" for node in pair.nodes), SECRET)
    text = b"@app:name('more') define stream Extra (x int); from Extra[x > 1] select x insert into Out;"
    act(target, "PUT", "/v1/admin/plans/more", text)
    for node in pair.nodes:
        wait_until(lambda node=node: "Extra" in node.get("/status")[1]["streams"], f"the plan on {node.name}")
    act(target, "DELETE", "/v1/admin/plans/more")
    for node in pair.nodes:
        wait_until(lambda node=node: "Extra" not in node.get("/status")[1]["streams"], f"no plan on {node.name}")


def test_a_snapshot_by_hand_is_what_the_next_start_begins_with(pair: LocalPair) -> None:
    pair.start()
    target = Target(tuple(f"http://127.0.0.1:{node.ports.http}" for node in pair.nodes), SECRET)
    with SyncClient(pair.ingest) as client:
        publish(client, 0, 500)
        client.flush(TIMEOUT_S)
        sequence = act(target, "POST", "/v1/admin/snapshot")["sequence"]
        active = pair.active()
        assert active is not None
        active.kill()
        active.start()
        pair.wait_until_covered(TIMEOUT_S)
        opened = [line for line in lines(active) if line["event"] == "log_opened"][-1]
        assert opened["snapshot"] == sequence
        publish(client, 500, 500)
        client.flush(TIMEOUT_S)
    assert_stored_once(pair, 1_000)


def test_nodes_that_are_not_told_of_each_other_find_each_other_by_multicast(tmp_path: Path, plans: Path) -> None:
    (port,) = free_ports(1)
    scheme = f'membership_scheme = "multicast"\nmulticast_port = {port}\nmulticast_interface = "127.0.0.1"'
    with LocalPair(tmp_path / "pair", plans, overrides={"cluster": scheme}) as pair:
        pair.start()
        for node in pair.nodes:
            assert [line for line in lines(node) if line["level"] in ("ERROR", "WARNING")] == []


def test_status_shows_both_nodes_and_actions_need_the_secret(pair: LocalPair) -> None:
    pair.start()
    urls = tuple(f"http://127.0.0.1:{node.ports.http}" for node in pair.nodes)
    arguments = [part for url in urls for part in ("--url", url)]
    command = [sys.executable, "-m", "eiha.cli.main", "status", *arguments]
    table = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=True).stdout
    assert "● active" in table
    assert "○ passive" in table
    assert "cover: the peer can take over" in table
    document = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    assert [node["node"] for node in json.loads(document.stdout)["nodes"]] == ["node1", "node2"]
    with pytest.raises(NodeRefused, match="not of this cluster's secret"):
        act(Target(urls, "another secret"), "POST", "/v1/admin/switchover")
    with pytest.raises(NodeRefused, match="line 1"):
        act(Target(urls, SECRET), "PUT", "/v1/admin/plans/wrong", b"define strem S (x int);")
    answers = {node.name: node.get("/active")[0] for node in pair.nodes}
    assert sorted(answers.values()) == [200, 503]
    status, text = pair.nodes[0].get("/metrics")
    assert status == 200
    assert "eiha_failover_cover 1" in text


def test_a_paused_active_is_replaced_and_joins_again_when_it_wakes(pair: LocalPair) -> None:
    pair.start()
    active, passive = pair.active(), pair.passive()
    assert active is not None
    assert passive is not None
    with SyncClient(pair.ingest, options=ClientOptions(give_up_s=TIMEOUT_S)) as client:
        publish(client, 0, 1_000)
        client.flush(TIMEOUT_S)
        active.signal(signal.SIGSTOP)
        publish(client, 1_000, 1_000)
        wait_until(lambda: passive.role()[0] == "active", "the takeover")
        client.flush(TIMEOUT_S)
        active.signal(signal.SIGCONT)
        pair.wait_until_covered(TIMEOUT_S)
        publish(client, 2_000, 1_000)
        client.flush(TIMEOUT_S)
    assert passive.role()[0] == "active"
    assert_stored_once(pair, 3_000)


def test_both_nodes_killed_at_once_come_back_with_everything(pair: LocalPair) -> None:
    pair.start()
    with SyncClient(pair.ingest, options=ClientOptions(give_up_s=TIMEOUT_S)) as client:
        publish(client, 0, 5_000)
        client.flush(TIMEOUT_S)
        for node in pair.nodes:
            node.kill()
        for node in pair.nodes:
            node.start()
        pair.wait_until_covered(TIMEOUT_S)
        publish(client, 5_000, 1_000)
        client.flush(TIMEOUT_S)
    assert_stored_once(pair, 6_000)
