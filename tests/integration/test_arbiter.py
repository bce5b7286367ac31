"""The arbiter as a real process: killed, stopped, with a torn or damaged file, twice on one directory."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from benchmarks.local_arbiter import LocalArbiter
from benchmarks.local_pair import free_ports
from eiha.ha.witness_row import Mine, Read, Unknown, WitnessRow
from eiha.kernel.ids import Epoch, Incarnation, NodeId
from eiha.net.arbiter_witness import ArbiterAddress, ArbiterWitness
from eiha.protocol.peer_messages import PeerIdentity

pytestmark = [pytest.mark.processes]

SECRET = "a secret for tests"
A = PeerIdentity(NodeId("node1"), Incarnation("disk"))
TIMEOUT_S = 20.0


def row(version: int, cluster: str = "c") -> WitnessRow:
    return WitnessRow(cluster, Epoch(version), A.node, A.incarnation, (A,), version, f"v{version}")


def witness(port: int, secret: str = SECRET, cluster: str = "c", timeout_s: float = TIMEOUT_S) -> ArbiterWitness:
    address = ArbiterAddress("127.0.0.1", port, cluster, A.node, A.incarnation, secret.encode())
    return ArbiterWitness(address, timeout_s=timeout_s)


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[LocalArbiter]:
    """An arbiter that was not started yet."""
    with LocalArbiter(tmp_path / "arbiter", {"c": SECRET, "d": "the secret of d"}, free_ports(1)[0]) as made:
        yield made


@pytest.fixture
def arbiter(stopped: LocalArbiter) -> LocalArbiter:
    stopped.start()
    return stopped


async def swap_through(asked: ArbiterWitness, last: int, first: int = 1) -> None:
    for version in range(first, last + 1):
        assert await asked.compare_and_set(version - 1 or None, row(version)) == Mine(row(version))


def run(arbiter: LocalArbiter, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arbiter.command(*options), capture_output=True, text=True, timeout=60)


async def test_what_was_answered_is_there_after_a_kill(arbiter: LocalArbiter) -> None:
    asked = witness(arbiter.port)
    version = 0
    for _ in range(3):
        await swap_through(asked, version + 4, version + 1)
        version += 4
        arbiter.kill()
        assert isinstance(await asked.read(), Unknown)
        arbiter.start()
        assert await asked.read() == Read(row(version))
    await asked.close()


async def test_a_kill_in_the_middle_of_swaps_loses_none_that_was_answered(arbiter: LocalArbiter) -> None:
    asked = witness(arbiter.port)
    mine = 0
    for delay_s in (0.01, 0.03, 0.05, 0.07):
        killing = asyncio.get_running_loop().call_later(delay_s, arbiter.signal, signal.SIGKILL)
        while isinstance(await asked.compare_and_set(mine or None, row(mine + 1)), Mine):
            mine += 1
        killing.cancel()
        arbiter.kill()
        arbiter.start()
        held = await asked.read()
        assert isinstance(held, Read)
        version = 0 if held.row is None else held.row.version
        assert version in (mine, mine + 1), "every answered swap is there, and at most the one in doubt"
        mine = version
    await asked.close()


@asynccontextmanager
async def proxy(port: int, answered: Callable[[], None]) -> AsyncIterator[int]:
    """Forwards; but the first answer to a request ends in ``answered``, and its connection with it."""
    ends: list[asyncio.StreamWriter] = []
    requests = 0

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pieces_max: int) -> None:
        """Forward so many pieces; the last one is lost. 0: all."""
        pieces = 0
        while data := await reader.read(65_536):
            pieces += 1
            if pieces == pieces_max:
                answered()
                return
            writer.write(data)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        requests += 1
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.transport.abort()
            return
        ends.extend((writer, far_writer))
        # Reply and Accepted come first, each waited for, so the third piece is the answer to the first request
        lost_piece = 3 if requests == 1 else 0
        tasks = [
            asyncio.create_task(forward(far_reader, writer, lost_piece)),
            asyncio.create_task(forward(reader, far_writer, 0)),
        ]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        for end in (writer, far_writer):
            end.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    for end in ends:
        end.transport.abort()


async def test_a_swap_whose_arbiter_is_killed_before_the_reply_arrives_is_unknown_then_read(
    arbiter: LocalArbiter,
) -> None:
    async with proxy(arbiter.port, arbiter.kill) as port:
        asked = witness(port)
        outcome = await asked.compare_and_set(None, row(1))
        assert isinstance(outcome, Unknown), "the arbiter is gone, and with it the reply"
        await asked.close()
    arbiter.start()
    asked = witness(arbiter.port)
    assert await asked.read() == Read(row(1)), "it was on disk before it was answered"
    await asked.close()


async def test_a_swap_whose_reply_is_lost_while_the_arbiter_lives_is_found_to_be_mine(arbiter: LocalArbiter) -> None:
    lost: list[int] = []
    async with proxy(arbiter.port, lambda: lost.append(1)) as port:
        asked = witness(port)
        assert await asked.compare_and_set(None, row(1)) == Mine(row(1))
        assert lost == [1]
        await asked.close()


async def test_a_stopped_arbiter_is_unknown_in_time_and_answers_when_it_goes_on(arbiter: LocalArbiter) -> None:
    hasty = witness(arbiter.port, timeout_s=0.3)
    await swap_through(hasty, 1)
    arbiter.signal(signal.SIGSTOP)
    assert isinstance(await hasty.read(), Unknown)
    assert isinstance(await hasty.compare_and_set(1, row(2)), Unknown)
    arbiter.signal(signal.SIGCONT)
    patient = witness(arbiter.port)
    held = await patient.read()
    assert held in (Read(row(1)), Read(row(2))), "the request that nobody waited for may be carried out, or not"
    await hasty.close()
    await patient.close()


async def test_a_torn_end_of_the_file_is_dropped_with_a_warning(arbiter: LocalArbiter) -> None:
    asked = witness(arbiter.port)
    await swap_through(asked, 3)
    arbiter.kill()
    file = arbiter.data / "witness.rows"
    file.write_bytes(file.read_bytes()[:-7])
    arbiter.start()
    assert await asked.read() == Read(row(2))
    assert "torn_end_dropped" in [line["event"] for line in arbiter.lines()]
    await swap_through(asked, 4, 3)
    await asked.close()


async def test_a_damaged_file_ends_with_1_and_says_what_to_do(arbiter: LocalArbiter) -> None:
    asked = witness(arbiter.port)
    await swap_through(asked, 3)
    await asked.close()
    assert arbiter.stop() == 0
    file = arbiter.data / "witness.rows"
    data = bytearray(file.read_bytes())
    data[60] ^= 1
    file.write_bytes(data)
    done = run(arbiter)
    assert done.returncode == 1
    assert "is damaged at byte" in done.stderr
    assert "nothing is guessed" in done.stderr
    assert file.read_bytes() == data, "the file is left as it is"


def test_two_arbiters_on_one_directory_are_refused(arbiter: LocalArbiter) -> None:
    done = run(arbiter)
    assert done.returncode == 69
    assert arbiter.process is not None
    assert f"is in use by process {arbiter.process.pid}" in done.stderr


def test_a_taken_port_ends_with_69_and_names_the_key(arbiter: LocalArbiter, tmp_path: Path) -> None:
    other = LocalArbiter(tmp_path / "other", {"c": SECRET}, arbiter.port)
    done = run(other)
    assert done.returncode == 69
    assert "arbiter.port" in done.stderr


def test_a_wrong_file_ends_with_78(stopped: LocalArbiter) -> None:
    stopped.config.write_text("[arbiter]\nprot = 1\n")
    done = run(stopped, "--check")
    assert done.returncode == 78
    assert "did you mean 'port'?" in done.stderr


async def test_a_wrong_secret_is_refused_on_both_sides(arbiter: LocalArbiter) -> None:
    stranger = witness(arbiter.port, secret="not the secret of c")
    outcome = await stranger.compare_and_set(None, row(1))
    assert isinstance(outcome, Unknown)
    assert "is not the same" in outcome.cause
    asked = witness(arbiter.port)
    assert await asked.read() == Read(None)
    assert "node_refused" in [line["event"] for line in arbiter.lines()]
    await stranger.close()
    await asked.close()


async def test_the_secret_of_one_cluster_opens_no_other(arbiter: LocalArbiter) -> None:
    other = witness(arbiter.port, cluster="d")
    assert isinstance(await other.compare_and_set(None, row(1, "d")), Unknown)
    own = witness(arbiter.port, cluster="d", secret="the secret of d")
    assert await own.compare_and_set(None, row(1, "d")) == Mine(row(1, "d"))
    asked = witness(arbiter.port)
    assert await asked.read() == Read(None)
    for each in (other, own, asked):
        await each.close()


async def test_the_history_is_shown_beside_an_arbiter_that_runs(arbiter: LocalArbiter) -> None:
    asked = witness(arbiter.port)
    await swap_through(asked, 3)
    await asked.close()
    done = run(arbiter, "--history")
    assert done.returncode == 0
    shown = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["cluster"], line["version"], line["epoch"], line["reason"]) for line in shown] == [
        ("c", version, version, f"v{version}") for version in (1, 2, 3)
    ]
    assert shown[0]["synced"] == [["node1", "disk"]]


async def test_the_file_of_many_changes_is_shortened(tmp_path: Path) -> None:
    with LocalArbiter(tmp_path / "arbiter", {"c": SECRET}, free_ports(1)[0], history_changes=5) as arbiter:
        arbiter.start()
        asked = witness(arbiter.port)
        await swap_through(asked, 1_010)
        arbiter.kill()
        arbiter.start()
        assert await asked.read() == Read(row(1_010))
        await asked.close()
        assert "file_shortened" in [line["event"] for line in arbiter.lines()]
        assert (arbiter.data / "witness.rows").stat().st_size < 5_000


async def test_a_row_is_removed_while_the_arbiter_is_stopped(arbiter: LocalArbiter) -> None:
    asked = witness(arbiter.port)
    await swap_through(asked, 2)
    assert run(arbiter, "--remove", "c").returncode == 69, "not while it runs"
    assert arbiter.stop() == 0
    assert run(arbiter, "--remove", "e").returncode == 1
    assert run(arbiter, "--remove", "c").returncode == 0
    assert '"removed_version": 2' in run(arbiter, "--history").stdout
    arbiter.start()
    assert await asked.read() == Read(None)
    await swap_through(asked, 1)
    await asked.close()


async def test_a_row_is_put_by_hand_only_above_the_one_there_is(stopped: LocalArbiter) -> None:
    parts = {"cluster": "c", "epoch": 7, "active": "node1", "active_incarnation": "disk", "reason": "from a database"}
    text = json.dumps(parts | {"synced": [["node1", "disk"]], "version": 7})
    assert run(stopped, "--put", text).returncode == 0
    done = run(stopped, "--put", text)
    assert done.returncode == 78
    assert "has version 7; the new one must have a higher one" in done.stderr
    for wrong in ("7", "{}", text[:-1], text.replace('"epoch": 7', '"epoch": -7')):
        assert run(stopped, "--put", wrong).returncode == 78
    stopped.start()
    asked = witness(stopped.port)
    held = await asked.read()
    assert isinstance(held, Read)
    assert held.row is not None
    assert (held.row.version, held.row.active, held.row.reason) == (7, "node1", "from a database")
    assert await asked.compare_and_set(7, row(8)) == Mine(row(8))
    assert run(stopped, "--put", text).returncode == 69, "not while it runs"
    await asked.close()
