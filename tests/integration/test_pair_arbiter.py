"""The pair with an arbiter in place of a database: failover with it, without it, and when it comes back."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.local_arbiter import LocalArbiter
from benchmarks.local_pair import SECRET, LocalPair, NodeProcess, free_ports
from benchmarks.process_log import logged
from eiha.client import SyncClient

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]

PLAN = """
@app:name('rooms')
@store(type='events')
define stream Readings (room string, celsius double, number long);
from Readings[celsius > 10.0] select room, celsius, number insert into Warm;
"""
TIMEOUT_S = 40.0


@pytest.fixture
def arbiter(tmp_path: Path) -> Iterator[LocalArbiter]:
    with LocalArbiter(tmp_path / "arbiter", {"local.pair": SECRET}, free_ports(1)[0]) as made:
        made.start()
        yield made


@pytest.fixture
def pair(tmp_path: Path, arbiter: LocalArbiter) -> Iterator[LocalPair]:
    plans = tmp_path / "plans"
    plans.mkdir()
    (plans / "rooms.siddhi").write_text(PLAN)
    # short waits for the witness, so that what is away is noticed soon
    overrides = {"witness": "timeout_ms = 500"}
    with LocalPair(tmp_path / "pair", plans, arbiter=arbiter.address, overrides=overrides) as made:
        yield made


def wait_until(condition: Callable[[], object], what: str, timeout_s: float = TIMEOUT_S) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout_s:g} s for {what}"
        time.sleep(0.02)


def publish(pair: LocalPair, first: int, count: int) -> None:
    """Publish and wait until everything is acknowledged."""
    numbers = list(range(first, first + count))
    with SyncClient(pair.ingest) as client:
        client.publish_columns("Readings", {"room": ["r"] * count, "celsius": [20.0] * count, "number": numbers})
        client.flush(TIMEOUT_S)


def stored(pair: LocalPair) -> list[int]:
    database = pair.processed_store_url.removeprefix("sqlite+aiosqlite:///")
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        there = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'Warm'").fetchone()
        return [row[0] for row in connection.execute("SELECT number FROM Warm ORDER BY number")] if there else []


def assert_stored_once(pair: LocalPair, total: int) -> None:
    wait_until(lambda: len(stored(pair)) >= total, f"{total} rows")
    assert stored(pair) == list(range(total))


def events(node: NodeProcess) -> list[str]:
    return [line["event"] for line in logged(node.log)]


def history(arbiter: LocalArbiter) -> list[dict[str, Any]]:
    shown = subprocess.run(arbiter.command("--history"), check=True, timeout=60, capture_output=True, text=True)
    return [json.loads(line) for line in shown.stdout.splitlines()]


def active_and_passive(pair: LocalPair) -> tuple[NodeProcess, NodeProcess]:
    active, passive = pair.active(), pair.passive()
    assert active is not None
    assert passive is not None
    return active, passive


def test_a_killed_active_is_replaced_without_loss_and_comes_back(pair: LocalPair, arbiter: LocalArbiter) -> None:
    pair.start()
    publish(pair, 0, 500)
    active, passive = active_and_passive(pair)
    active.kill()
    publish(pair, 500, 500)
    assert passive.role() == ("active", "solo")
    active.start()
    pair.wait_until_covered(120)
    publish(pair, 1_000, 100)
    assert_stored_once(pair, 1_100)
    rows = [line["row"] for line in arbiter.lines() if line["event"] == "row_changed"]
    assert [row["version"] for row in rows] == list(range(1, len(rows) + 1))
    assert rows == [{name: line[name] for name in line if name != "changed_at"} for line in history(arbiter)]
    assert (rows[-1]["epoch"], rows[-1]["active"]) == (2, passive.name)
    assert [node for node, _ in rows[-1]["synced"]] == [passive.name, active.name]


def test_an_arbiter_that_is_away_does_no_harm_while_the_pair_is_whole(pair: LocalPair, arbiter: LocalArbiter) -> None:
    pair.start()
    active, passive = active_and_passive(pair)
    arbiter.kill()
    wait_until(lambda: "witness_unreachable" in events(active), "the active to notice")
    publish(pair, 0, 500)
    assert active.role() == ("active", "synced")
    assert passive.role()[0] == "passive"
    arbiter.start()
    wait_until(lambda: "witness_reachable" in events(active), "the active to find it again")
    active.kill()
    publish(pair, 500, 500)
    assert_stored_once(pair, 1_000)


@pytest.mark.parametrize("away", ["killed", "stopped"])
def test_a_failover_while_the_arbiter_is_away_waits_for_it_and_then_goes_on(
    pair: LocalPair, arbiter: LocalArbiter, away: str
) -> None:
    pair.start()
    publish(pair, 0, 500)
    active, passive = active_and_passive(pair)
    if away == "killed":
        arbiter.kill()
    else:
        arbiter.signal(signal.SIGSTOP)
    active.kill()
    wait_until(lambda: "witness_unreachable" in events(passive), "the passive to ask in vain")
    assert passive.role()[0] == "promoting"
    assert passive.get("/ready")[0] == 503
    if away == "killed":
        arbiter.start()
    else:
        arbiter.signal(signal.SIGCONT)
    wait_until(lambda: passive.role() == ("active", "solo"), "the passive to take over")
    publish(pair, 500, 500)
    assert_stored_once(pair, 1_000)


@pytest.mark.slow
def test_an_arbiter_that_forgot_stops_the_nodes_and_a_row_put_back_lets_them_start(
    pair: LocalPair, arbiter: LocalArbiter
) -> None:
    pair.start()
    publish(pair, 0, 100)
    active, passive = active_and_passive(pair)
    arbiter.kill()
    last = history(arbiter)[-1]
    (arbiter.data / "witness.rows").unlink()
    arbiter.start()
    for node in (active, passive):
        wait_until(lambda node=node: not node.alive(), f"{node.name} to stop")
        assert "it lost what it had promised" in node.tail()
    arbiter.stop()
    subprocess.run(arbiter.command("--put", json.dumps(last)), check=True, timeout=60)
    arbiter.start()
    pair.start()
    publish(pair, 100, 100)
    assert_stored_once(pair, 200)
