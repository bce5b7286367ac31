"""On-demand queries to a real pair: both nodes answer alike, statements change both, and an acknowledged one stays."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.local_pair import SECRET, START_TIMEOUT_S, LocalPair, NodeProcess
from eiha.cli.node_client import NodeRefused, Target, query
from eiha.client import SyncClient

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]

PLAN = """
@app:name('stock')
define stream Arrivals (item string, amount int);
@PrimaryKey('item') define table Stock (item string, amount int);
from Arrivals select item, amount update or insert into Stock on Stock.item == item;
"""
ALL = "from Stock select item, amount order by item"
TIMEOUT_S = 30.0


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[LocalPair]:
    plans = tmp_path / "plans"
    plans.mkdir()
    (plans / "stock.siddhi").write_text(PLAN)
    # a digest at each tenth entry, so that the nodes compare their states often
    with LocalPair(tmp_path / "pair", plans, overrides={"analytics": "digest_interval_entries = 10"}) as made:
        made.start()
        yield made


def url(node: NodeProcess) -> str:
    return f"http://127.0.0.1:{node.ports.http}"


def target(*nodes: NodeProcess) -> Target:
    return Target(tuple(map(url, nodes)), SECRET)


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, f"waited {TIMEOUT_S:g} s for {what}"
        time.sleep(0.02)


def rows(node: NodeProcess, text: str = ALL) -> list[list[Any]]:
    found: list[list[Any]] = query(target(node), "stock", text)["rows"]
    return found


def post(node: NodeProcess, text: str, accept: str = "application/json") -> tuple[int, str]:
    body = json.dumps({"plan": "stock", "query": text}).encode()
    request = urllib.request.Request(url(node) + "/query", body, {"Accept": accept})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def both(pair: LocalPair) -> tuple[NodeProcess, NodeProcess]:
    active, passive = pair.active(), pair.passive()
    assert active is not None
    assert passive is not None
    return active, passive


def test_both_nodes_answer_alike_and_take_statements_that_outlive_the_active(pair: LocalPair) -> None:
    active, passive = both(pair)
    with SyncClient(pair.ingest) as client:
        client.publish_columns("Arrivals", {"item": ["nut", "bolt"], "amount": [5, 7]})
        client.flush(TIMEOUT_S)
    expected: list[list[Any]] = [["bolt", 7], ["nut", 5]]
    for node in pair.nodes:
        wait_until(lambda node=node: rows(node) == expected, f"the rows on {node.name}")

    # each node is asked to change something; the passive points to the active
    query(target(active), "stock", "select 'saw' as item, 1 as amount insert into Stock")
    query(target(passive), "stock", "update Stock set Stock.amount = 8 on Stock.item == 'bolt'")
    expected = [["bolt", 8], ["nut", 5], ["saw", 1]]
    assert rows(active) == expected
    wait_until(lambda: rows(passive) == expected, "the changes on the passive")

    with pytest.raises(NodeRefused, match="primary key"):
        query(target(active), "stock", "select 'saw' as item, 2 as amount insert into Stock")
    query(target(*pair.nodes), "stock", "delete Stock on Stock.item == 'nut'")
    active.kill()
    expected = [["bolt", 8], ["saw", 1]]
    wait_until(lambda: passive.role()[0] == "active", "the takeover")
    assert rows(passive) == expected
    query(target(active, passive), "stock", "update Stock set Stock.amount = Stock.amount + 1 on Stock.amount > 0")
    active.start()
    pair.wait_until_covered(START_TIMEOUT_S)
    expected = [["bolt", 9], ["saw", 2]]
    wait_until(lambda: rows(active) == expected, "the rows on the node that came back")
    assert rows(passive) == expected
    assert_digests_are_equal(pair)


def assert_digests_are_equal(pair: LocalPair) -> None:
    """Go on until both nodes have told the digest of one position."""
    active, passive = both(pair)

    def told() -> bool:
        query(target(active), "stock", "update Stock set Stock.amount = 3 on Stock.item == 'bolt'")
        states = [node.get("/status")[1] for node in (active, passive)]
        if states[0]["digest_sequence"] == 0 or states[0]["digest_sequence"] != states[1]["digest_sequence"]:
            return False
        assert states[0]["digest"] == states[1]["digest"]
        return True

    wait_until(told, "a digest of both nodes at one position")


def test_what_http_and_the_command_line_say(pair: LocalPair) -> None:
    active, passive = both(pair)
    status, text = post(active, "delete Stock on Stock.amount > 0")
    assert (status, "this is a statement" in text) == (401, True)
    status, text = post(passive, "from Stock select itm")
    problem = json.loads(text)
    assert (status, problem["line"], "itm" in problem["detail"]) == (400, 1, True)
    command = [sys.executable, "-m", "eiha.cli.main", "query", "--config", str(passive.config), "--plan", "stock"]

    def run(*words: str) -> str:
        return subprocess.run(
            [*command, *words],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=True,
            env={"EIHA_CLUSTER_SECRET": SECRET},
        ).stdout

    assert run("select 'saw' as item, 12 as amount insert into Stock").startswith("carried out at sequence ")
    wait_until(lambda: rows(passive), "the row on the passive")
    assert run(ALL).splitlines() == ["item  amount", "----  ------", "saw       12", "(1 row)"]
    document = json.loads(run("--json", ALL))
    assert document["columns"] == ["item", "amount"]
    assert document["types"] == ["string", "int"]
    assert (document["rows"], document["node"]) == ([["saw", 12]], passive.name)
    assert post(passive, ALL, "application/x-ndjson") == (200, '{"item":"saw","amount":12}\n')
