"""Real nodes whose states are made to differ: the alarm names the operator, both states are kept, the pair mends."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.local_pair import LocalPair, NodeProcess
from benchmarks.process_log import logged
from eiha.client import ClientOptions, SyncClient
from tests import astray_functions
from tests.astray_functions import VARIABLE, WRONG_AT

pytestmark = [pytest.mark.processes, pytest.mark.timeout(180)]

PLAN = """
@app:name('weights')
define stream Readings (room string, number long);
@info(name='heaviest') from Readings select room, sum(astray:weigh(number)) as total group by room insert into Totals;
"""
OPERATOR = "plan 'weights', query 'heaviest', select"
ROOMS = ("hall", "attic", "cellar")
TIMEOUT_S = 60.0


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[LocalPair]:
    plans = tmp_path / "plans"
    plans.mkdir()
    (plans / "weights.siddhi").write_text(PLAN)
    site = tmp_path / "site"
    information = site / "astray-1.dist-info"
    information.mkdir(parents=True)
    shutil.copy(astray_functions.__file__, site / "astray_functions.py")
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: astray\nVersion: 1\n")
    (information / "entry_points.txt").write_text("[eiha.extensions]\nastray = astray_functions\n")
    overrides = {"analytics": "digest_interval_entries = 5"}
    with LocalPair(tmp_path / "pair", plans, overrides=overrides) as made:
        for node in made.nodes:
            node.environment["PYTHONPATH"] = f"{site}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
            node.environment[VARIABLE] = str(astray(node))
        made.start()
        yield made


def astray(node: NodeProcess) -> Path:
    return node.directory / f"{node.name}-goes-astray"


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, f"waited {TIMEOUT_S:g} s for {what}"
        time.sleep(0.02)


def messages(node: NodeProcess, event: str) -> list[str]:
    return [line["message"] for line in logged(node.log) if line["event"] == event]


def dumps(node: NodeProcess) -> dict[str, list[str]]:
    """The dumps of a node, by entry."""
    directory = node.location / "divergence"
    return {each.name: sorted(file.name for file in each.iterdir()) for each in directory.glob("*")}


def totals(pair: LocalPair) -> list[Any]:
    path = pair.processed_store_url.removeprefix("sqlite+aiosqlite:///")
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        return connection.execute("SELECT room, total FROM Totals ORDER BY eiha_sequence, eiha_ordinal").fetchall()


def diff(node: NodeProcess, *arguments: object) -> tuple[int, str]:
    """What the command says where the extensions of the node are installed."""
    command = [sys.executable, "-m", "eiha.cli.main", "diff", *map(str, arguments)]
    environment = {**os.environ, **node.environment}
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False, env=environment)
    return done.returncode, done.stdout + done.stderr


def test_states_that_differ_are_told_kept_compared_and_mended(pair: LocalPair) -> None:
    active, passive = pair.active(), pair.passive()
    assert active is not None
    assert passive is not None
    expected: list[tuple[str, int]] = []
    sums = dict.fromkeys(ROOMS, 0)
    with SyncClient(pair.ingest, options=ClientOptions(give_up_s=TIMEOUT_S)) as client:

        def publish(number: int) -> None:
            room = ROOMS[number % len(ROOMS)]
            client.publish_columns("Readings", {"room": [room], "number": [number]})
            client.flush(TIMEOUT_S)
            sums[room] += number
            expected.append((room, sums[room]))

        for number in range(WRONG_AT):
            publish(number)
        pair.wait_until_covered(TIMEOUT_S)
        astray(passive).touch()
        publish(WRONG_AT)
        for number in range(WRONG_AT + 1, 40):
            publish(number)
        wait_until(lambda: messages(active, "digest_mismatch"), "the alarm")
        astray(passive).unlink()
        assert OPERATOR in messages(active, "digest_mismatch")[0]
        assert OPERATOR in messages(passive, "resync")[0]

        wait_until(lambda: ["mine", "peer"] in dumps(passive).values(), "both states on the passive")
        wait_until(lambda: ["mine"] in dumps(active).values(), "its own state on the active")
        pair.wait_until_covered(TIMEOUT_S)
        for number in range(40, 60):
            publish(number)
        assert len(messages(active, "digest_mismatch")) == 1, "mended by one resync"
        status, document = active.get("/status")
        assert status == 200
        assert OPERATOR in document["state_difference"]
        assert "eiha_digest_mismatch_total 1" in metrics(active)
        wait_until(lambda: len(totals(pair)) == len(expected), "all outputs in the store")
    assert totals(pair) == expected, "nothing is lost, nothing twice, and nothing of the wrong state is published"

    [entry] = dumps(active)
    assert dumps(passive) == {entry: ["mine", "peer"]}, "both nodes dump at one position"
    room = ROOMS[WRONG_AT % len(ROOMS)]
    status, printed = diff(passive, passive.location / "divergence" / entry)
    assert status == 1
    assert f"state after entry {entry} " in printed
    assert "The positions differ" not in printed
    assert "plan weights: query 'heaviest', select" in printed
    [line] = [each for each in printed.splitlines() if f"group '{room}'" in each]
    mine, peer = (int(word.strip(",")) for word in line.split() if word.strip(",").isdigit())
    assert mine == peer + 1_000
    files = (active.location / "divergence" / entry / "mine", passive.location / "divergence" / entry / "peer")
    assert diff(passive, *files)[0] == 0, "what the active kept is what it sent"


def metrics(node: NodeProcess) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{node.ports.http}/metrics", timeout=TIMEOUT_S) as answer:
        text: str = answer.read().decode()
        return text
