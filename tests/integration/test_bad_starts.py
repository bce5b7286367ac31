"""What a node says, and with which status it ends, when it cannot start or loses what it needs."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.local_pair import SECRET, LocalPair, NodeProcess, free_ports
from benchmarks.process_log import logged
from eiha.client import SyncClient

pytestmark = [pytest.mark.processes, pytest.mark.timeout(180)]

ROOT = Path(__file__).parents[2]
PLAN = "define stream S (x long); from S[x > 0] select x insert into Out;"
TIMEOUT_S = 60.0


@pytest.fixture
def plans(tmp_path: Path) -> Path:
    directory = tmp_path / "plans"
    directory.mkdir()
    (directory / "plan.siddhi").write_text(PLAN)
    return directory


@pytest.fixture
def single(tmp_path: Path, plans: Path) -> Iterator[NodeProcess]:
    with LocalPair(tmp_path / "single", plans, nodes=1) as pair:
        yield pair.nodes[0]


def run(*arguments: str, optimised: bool = False) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *(["-O"] if optimised else []), "-m", "eiha.node", *arguments]
    environment = {**os.environ, "EIHA_CLUSTER_SECRET": SECRET}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )


def wait_until(condition: Callable[[], object], what: str, node: NodeProcess) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, f"waited {TIMEOUT_S:g} s for {what}\n{node.tail()}"
        time.sleep(0.02)


def ended(node: NodeProcess) -> int:
    assert node.process is not None
    return node.process.wait(timeout=TIMEOUT_S)


def messages(node: NodeProcess, event: str) -> list[str]:
    return [line["message"] for line in logged(node.log) if line["event"] == event]


def test_a_wrong_configuration_ends_with_78_and_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_text('[cluster]\nnode = "node1"\nsecret = "123456789012"\n[htpp]\nport = 1\n')
    for arguments in (["--config", str(path)], ["--config", str(path), "--check"]):
        found = run(*arguments)
        assert found.returncode == 78
        assert f"{path}:4: unknown section [htpp]; did you mean 'http'?" in found.stderr
        assert "Traceback" not in found.stderr


def test_a_wrong_plan_ends_with_78_and_names_its_place(single: NodeProcess, plans: Path) -> None:
    (plans / "plan.siddhi").write_text("define stream S (x long);\nfrom S select y insert into Out;")
    single.start()
    assert ended(single) == 78
    (message,) = messages(single, "start_failed")
    assert "plan.siddhi: line 2" in message
    assert "y" in message


def test_a_wrong_database_url_ends_with_78_without_its_password(tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_text(
        '[cluster]\nnode = "node1"\nsecret = "123456789012"\n[datasources.db]\n'
        'url = "postgresql://u:hunter2@h/d"\n[witness]\ndatasource = "db"\n'
    )
    found = run("--config", str(path), "--check")
    assert found.returncode == 78
    assert "datasources.db.url" in found.stderr
    assert "hunter2" not in found.stderr


def test_a_valid_configuration_is_said_to_be_valid() -> None:
    found = run("--config", "examples/node1.toml", "--check")
    assert (found.returncode, found.stdout) == (0, "examples/node1.toml: valid; node node1 of example, 1 plans\n")


def test_it_does_not_run_without_assertions() -> None:
    found = run("--config", "examples/node1.toml", optimised=True)
    assert found.returncode == 78
    assert "python -O" in found.stderr


@pytest.mark.parametrize("key", ["management", "event_sync", "http", "ingest"])
def test_a_taken_port_ends_with_69_and_names_the_key(single: NodeProcess, key: str) -> None:
    port = getattr(single.ports, key)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        single.start()
        assert ended(single) == 69
    (message,) = messages(single, "node_failed")
    assert f"127.0.0.1:{port} ({key}.port)" in message
    assert "another process listens there already" in message


def test_two_nodes_in_one_directory_are_refused(single: NodeProcess) -> None:
    single.start()
    wait_until(lambda: single.role()[0] == "active", "the first to be active", single)
    found = run("--config", str(single.config))
    assert found.returncode == 69
    assert "is in use by process" in found.stderr
    assert "persistence.location" in found.stderr
    assert single.role()[0] == "active"


def publish_and_kill(single: NodeProcess, publications: int) -> None:
    single.start()
    wait_until(lambda: single.role()[0] == "active", "the node to be active", single)
    with SyncClient([single.ingest]) as client:
        for number in range(publications):
            client.publish_columns("S", {"x": [number + 1]})
            client.flush(TIMEOUT_S)
    single.kill()


def test_a_damaged_log_ends_with_1_and_says_what_to_do(single: NodeProcess) -> None:
    publish_and_kill(single, 20)
    (segment,) = [path for path in (single.directory / "node1" / "log").iterdir() if path.stat().st_size > 500]
    content = bytearray(segment.read_bytes())
    content[len(content) // 3] ^= 0xFF
    segment.write_bytes(content)
    single.start()
    assert ended(single) == 1
    (message,) = messages(single, "start_failed")
    assert str(segment) in message
    assert "Traceback" not in single.tail()


def test_a_torn_end_of_the_log_is_dropped_with_a_warning(single: NodeProcess) -> None:
    publish_and_kill(single, 5)
    (segment,) = [path for path in (single.directory / "node1" / "log").iterdir() if path.stat().st_size > 200]
    content = segment.read_bytes()
    segment.write_bytes(content[:-5])
    single.start()
    wait_until(lambda: single.role()[0] == "active", "the node to be active", single)
    assert "dropped" in single.log.read_text()


def test_a_damaged_snapshot_is_passed_over(single: NodeProcess) -> None:
    publish_and_kill(single, 5)
    directory = single.directory / "node1" / "-1234" / "node"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "9999999999999_node").write_bytes(b"EIHASNAP" + b"\x00" * 100)
    single.start()
    wait_until(lambda: single.role()[0] == "active", "the node to be active", single)
    assert "is damaged and not used" in single.log.read_text()


def test_an_unreachable_witness_is_waited_for_and_said(tmp_path: Path, plans: Path) -> None:
    (port,) = free_ports(1)
    url = f"mysql+aiomysql://eiha:hunter2@127.0.0.1:{port}/eiha"
    with LocalPair(tmp_path / "away", plans, nodes=1, database_url=url) as pair:
        node = pair.nodes[0]
        node.start()
        wait_until(lambda: node.log.exists() and messages(node, "witness_unreachable"), "the warning", node)
        assert "check [witness], and its datasource or arbiter" in messages(node, "witness_unreachable")[0]
        wait_until(lambda: node.get("/live")[0] == 200, "the node to answer", node)
        status, answer = node.get("/ready")
        assert status == 503
        assert answer["reason"]
        assert node.stop() == 0
        assert "hunter2" not in node.log.read_text()
