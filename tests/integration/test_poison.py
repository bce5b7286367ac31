"""Events that do harm to real nodes: one raises, one aborts the process, one never ends. They cost themselves only."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.local_pair import SECRET, LocalPair, NodeProcess
from benchmarks.process_log import logged
from eiha.client import ClientOptions, SyncClient
from tests import poison_functions
from tests.poison_functions import ABORTS, HANGS, RAISES

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]

TOUCHING = """
@app:name('touching')
@store(type='events')
define stream Readings (room string, number long);
from Readings select room, poison:touch(number) as number insert into Touched;
"""
KEEPING = """
@app:name('keeping')
define stream Readings (room string, number long);
from Readings#window.poison:keep() select room, number insert into Kept;
"""
CASTING = """
@app:name('casting')
@OnError(action='STORE')
define stream Readings (room string, number long);
from Readings[number == 4004L] select cast(room, 'int') + 1 as n insert into Cast;
"""
FAILS = 4_004
"""A number on which a query of CASTING fails, as queries may."""
STUCK = 70
TIMEOUT_S = 60.0


def install_extension(directory: Path) -> Path:
    """A directory for PYTHONPATH that holds the functions as an installed package would."""
    information = directory / "poison-1.dist-info"
    information.mkdir(parents=True)
    shutil.copy(poison_functions.__file__, directory / "poison_functions.py")
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: poison\nVersion: 1\n")
    (information / "entry_points.txt").write_text("[eiha.extensions]\npoison = poison_functions\n")
    return directory


@pytest.fixture
def make_pair(tmp_path: Path) -> Iterator[Callable[[int], LocalPair]]:
    plans = tmp_path / "plans"
    plans.mkdir()
    (plans / "touching.siddhi").write_text(TOUCHING)
    (plans / "keeping.siddhi").write_text(KEEPING)
    (plans / "casting.siddhi").write_text(CASTING)
    extension = install_extension(tmp_path / "site")
    made: list[LocalPair] = []

    def make(nodes: int) -> LocalPair:
        limits = "stuck_engine_ms = 1_000\nsuspect_trial_ms = 1_000\n"
        pair = LocalPair(tmp_path / "pair", plans, nodes=nodes, overrides={"cluster": limits})
        for node in pair.nodes:
            node.environment["PYTHONPATH"] = f"{extension}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
        made.append(pair)
        return pair

    yield make
    for pair in made:
        pair.__exit__(None, None, None)


def wait_until(condition: Callable[[], object], what: str, timeout_s: float = TIMEOUT_S) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout_s:g} s for {what}"
        time.sleep(0.02)


def stored(pair: LocalPair, table: str, columns: str = "number") -> list[Any]:
    url = pair.event_store_url if table.startswith("event_") else pair.processed_store_url
    with sqlite3.connect(f"file:{url.removeprefix('sqlite+aiosqlite:///')}?mode=ro", uri=True) as connection:
        try:
            return connection.execute(f"SELECT {columns} FROM {table} ORDER BY eiha_sequence, eiha_ordinal").fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []
            raise


def numbers(pair: LocalPair, table: str) -> list[int]:
    return [row[0] for row in stored(pair, table)]


def error_rows(pair: LocalPair) -> list[Any]:
    return stored(pair, "eiha_errors", "eiha_plan, stream, cause, row_number, event")


def events(node: NodeProcess, event: str) -> list[dict[str, Any]]:
    return [line for line in logged(node.log) if line["event"] == event]


class Publisher:
    """Publishes numbers and knows what the stores must hold."""

    def __init__(self, pair: LocalPair, client: SyncClient) -> None:
        self._pair = pair
        self._client = client
        self.all: list[int] = []

    def publish(self, *given: int) -> None:
        self._client.publish_columns("Readings", {"room": ["r"] * len(given), "number": list(given)})
        self._client.flush(TIMEOUT_S)
        self.all += given

    def check(self, *, touched_without: set[int], kept_without: set[int]) -> None:
        """Everything is stored once and in order, in each table without what was left out there."""
        for table, without in (
            ("event_Readings", touched_without),
            ("Touched", touched_without),
            ("Kept", kept_without),
        ):
            wanted = [number for number in self.all if number not in without]
            wait_until(lambda table=table, wanted=wanted: len(numbers(self._pair, table)) >= len(wanted), table)
            assert numbers(self._pair, table) == wanted, table


def test_one_that_raises_and_one_that_kills_and_one_that_hangs_each_cost_themselves_only(
    make_pair: Callable[[int], LocalPair],
) -> None:
    pair = make_pair(2)
    pair.start()
    with SyncClient(pair.ingest, options=ClientOptions(give_up_s=TIMEOUT_S)) as client:
        publisher = Publisher(pair, client)
        publisher.publish(*range(100), FAILS)

        publisher.publish(1_000, RAISES, 1_001)
        publisher.publish(1_002)
        publisher.check(touched_without=set(), kept_without={RAISES})
        assert all(node.alive() for node in pair.nodes)

        first, second = pair.active(), pair.passive()
        assert first is not None
        assert second is not None
        publisher.publish(2_000, ABORTS, 2_001)
        publisher.publish(2_002)
        publisher.check(touched_without={ABORTS}, kept_without={RAISES})
        assert first.process is not None
        assert first.process.wait(TIMEOUT_S) == -signal.SIGABRT
        assert second.alive()
        [found] = events(second, "event_quarantined")
        assert "SIGABRT" in found["message"]
        first.start()
        pair.wait_until_covered(TIMEOUT_S)

        publisher.publish(3_000, HANGS, 3_001)
        assert second.process is not None
        assert second.process.wait(TIMEOUT_S) == STUCK
        publisher.publish(3_002)
        publisher.check(touched_without={ABORTS, HANGS}, kept_without={RAISES})
        second.start()
        pair.wait_until_covered(TIMEOUT_S)
        publisher.publish(3_003)
        publisher.check(touched_without={ABORTS, HANGS}, kept_without={RAISES})
    wait_until(lambda: len(error_rows(pair)) == 4, "four rows in the error store")
    kept = error_rows(pair)
    told = [line["message"] for node in pair.nodes for line in events(node, "event_quarantined")]
    # by the limit of suspect_trial_ms in processor time, or ten times that where the machine does not give it
    assert any("not done within 1 s" in text or "not done within 10 s" in text for text in told)
    assert [(*row[:4], json.loads(row[4])) for row in kept] == [
        ("casting", "Readings", "failed", -1, {"room": "r", "number": FAILS}),
        ("keeping", "Readings", "raised", 1, {"room": "r", "number": RAISES}),
        ("touching", "Readings", "killed", 1, {"room": "r", "number": ABORTS}),
        ("touching", "Readings", "hung", 1, {"room": "r", "number": HANGS}),
    ]


@pytest.mark.slow
def test_a_node_alone_that_an_event_killed_leaves_it_out_at_its_next_start(
    make_pair: Callable[[int], LocalPair],
) -> None:
    pair = make_pair(1)
    [node] = pair.nodes
    pair.start()
    with SyncClient(pair.ingest, options=ClientOptions(give_up_s=TIMEOUT_S)) as client:
        publisher = Publisher(pair, client)
        publisher.publish(*range(50))
        publisher.publish(1_000, ABORTS, 1_001)
        assert node.process is not None
        assert node.process.wait(TIMEOUT_S) == -signal.SIGABRT
        node.start()
        publisher.publish(1_002)
        publisher.check(touched_without={ABORTS}, kept_without=set())
        node.kill()
        node.start()
        publisher.publish(1_003)
        publisher.check(touched_without={ABORTS}, kept_without=set())
    [(plan, stream, cause, row, _)] = error_rows(pair)
    assert (plan, stream, cause, row) == ("touching", "Readings", "killed", 1)
    replay_what_was_left_out(node, pair)


def replay_what_was_left_out(node: NodeProcess, pair: LocalPair) -> None:
    """Deploy a plan that is mended, publish the event again: it arrives once, in that plan only."""
    mended = node.directory / "mended.siddhi"
    mended.write_text(TOUCHING.replace("poison:touch(number)", "number"))
    assert "killed: ended by SIGABRT" in eiha(node, "errors", "list")
    assert str(ABORTS) in eiha(node, "errors", "show", "touching", str(error_sequence(pair)))
    eiha(node, "deploy", str(mended))
    assert "1 events published again" in eiha(node, "errors", "replay", "touching")
    wait_until(lambda: ABORTS in numbers(pair, "Touched"), "the event that was published again")
    assert "nothing to publish again" in eiha(node, "errors", "replay", "touching")
    assert "1 published again" in eiha(node, "errors", "list", "--plan", "touching")
    assert numbers(pair, "Touched").count(ABORTS) == 1
    assert numbers(pair, "Kept").count(ABORTS) == 1


def error_sequence(pair: LocalPair) -> int:
    [(sequence,)] = stored(pair, "eiha_errors", "eiha_sequence")
    return int(sequence)


def eiha(node: NodeProcess, *arguments: str) -> str:
    """The output of ``eiha COMMAND ... --config``."""
    command, *rest = arguments
    done = subprocess.run(
        [sys.executable, "-m", "eiha.cli.main", command, "--config", str(node.config), *rest],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        env={**os.environ, "EIHA_CLUSTER_SECRET": SECRET},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
