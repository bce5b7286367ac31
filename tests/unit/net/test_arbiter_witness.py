"""A node's end and the arbiter's end of their connection: lost replies, refusals, bounds."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace

import pytest

from eiha.errors import ProtocolError, StoreUnavailable
from eiha.ha.arbiter import Arbiter
from eiha.ha.witness_row import Mine, Others, Read, Unknown
from eiha.kernel.ids import Epoch, Incarnation, NodeId
from eiha.net import arbiter_server
from eiha.net.arbiter_server import ArbiterServer, ArbiterSettings, Asker
from eiha.net.arbiter_witness import ArbiterAddress, ArbiterWitness
from eiha.observability.logs import EventLog
from eiha.protocol.framing import Frame, FrameDecoder, encode_frame
from eiha.protocol.handshake import HANDSHAKE_TABLE, Handshake, HandshakeIdentity, Proof, Refused, Side
from eiha.protocol.limits import NONCE_BYTES, WITNESS_REQUESTS_MAX
from eiha.protocol.peer_messages import PeerIdentity
from eiha.protocol.witness_codec import WITNESS_CHANNEL, WITNESS_TABLE
from eiha.protocol.witness_messages import (
    NotDone,
    ReadRow,
    RowHeld,
    Swapped,
    SwapRow,
    WitnessAnswer,
    WitnessRequest,
    WitnessRow,
)
from eiha.transport import admission_limits
from eiha.transport.admission_limits import FAILURES_FREE

SECRET = b"a secret for tests"
A = PeerIdentity(NodeId("node1"), Incarnation("disk"))


def row(version: int, cluster: str = "c") -> WitnessRow:
    return WitnessRow(cluster, Epoch(1), A.node, A.incarnation, (A,), version, f"v{version}")


@dataclass
class Running:
    """An arbiter in this process, and how it treats answers."""

    arbiter: Arbiter
    server: ArbiterServer
    port: int
    lines: list[logging.LogRecord]
    deliver: Callable[[Asker, WitnessRequest, WitnessAnswer], None]

    def on_request(self, asker: Asker, request: WitnessRequest) -> None:
        considered = self.arbiter.consider(asker.cluster, request, 1_000)
        if considered.change is not None:
            self.arbiter.apply(considered.change)
        self.deliver(asker, request, considered.answer)

    def witness(self, *, cluster: str = "c", secret: bytes = SECRET, timeout_s: float = 5.0) -> ArbiterWitness:
        address = ArbiterAddress("127.0.0.1", self.port, cluster, A.node, A.incarnation, secret)
        return ArbiterWitness(address, timeout_s=timeout_s)

    def said(self, event: str) -> list[str]:
        return [line.getMessage() for line in self.lines if getattr(line, "eiha_event", "") == event]


def deliver(asker: Asker, request: WitnessRequest, answer: WitnessAnswer) -> None:
    asker.answer(answer)


class Lines(logging.Handler):
    """Keeps what was logged."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    logger, lines = logging.getLogger("test.arbiter"), Lines()
    logger.setLevel(logging.DEBUG)
    logger.handlers[:] = [lines]
    settings = ArbiterSettings("127.0.0.1", 0, {"c": SECRET, "d": b"another secret of d"}, "the arbiter", 60.0)
    made: list[Running] = []

    def on_request(asker: Asker, request: WitnessRequest) -> None:
        made[0].on_request(asker, request)

    server = ArbiterServer(settings, on_request, EventLog(logger))
    made.append(Running(Arbiter(100), server, await server.start(), lines.records, deliver))
    yield made[0]
    await server.stop()


async def test_a_swap_whose_reply_was_lost_is_found_in_the_row(running: Running) -> None:
    witness = running.witness()

    def lose_replies_to_swaps(asker: Asker, request: WitnessRequest, answer: WitnessAnswer) -> None:
        if isinstance(request, SwapRow):
            asker.connection.abort("the cable was pulled")
        else:
            asker.answer(answer)

    running.deliver = lose_replies_to_swaps
    assert await witness.compare_and_set(None, row(1)) == Mine(row(1))
    assert await witness.read() == Read(row(1))
    await witness.close()


async def test_a_swap_that_was_lost_before_it_arrived_stays_unknown(running: Running) -> None:
    witness = running.witness()
    server_takes = running.on_request

    def lose_swaps(asker: Asker, request: WitnessRequest) -> None:
        if isinstance(request, SwapRow):
            asker.connection.abort("the cable was pulled")
        else:
            server_takes(asker, request)

    running.on_request = lose_swaps  # type: ignore[method-assign]
    outcome = await witness.compare_and_set(None, row(1))
    assert isinstance(outcome, Unknown)
    assert "does not show it yet" in outcome.cause
    await witness.close()


async def test_a_row_that_another_made_alike_is_not_taken_for_mine(running: Running) -> None:
    """Both swaps would put the very same row: only the name tells whose it was."""
    first, second = running.witness(), running.witness()
    assert await first.compare_and_set(None, row(1)) == Mine(row(1))

    def lose_replies_to_swaps(asker: Asker, request: WitnessRequest, answer: WitnessAnswer) -> None:
        if isinstance(request, SwapRow):
            asker.connection.abort("the cable was pulled")
        else:
            asker.answer(answer)

    running.deliver = lose_replies_to_swaps
    assert isinstance(await second.compare_and_set(None, row(1)), Unknown)
    await first.close()
    await second.close()


async def test_silence_is_unknown_in_time_and_the_next_request_is_answered(running: Running) -> None:
    witness = running.witness(timeout_s=0.2)
    running.deliver = lambda asker, request, answer: None
    for outcome in (await witness.read(), await witness.compare_and_set(None, row(1))):
        assert isinstance(outcome, Unknown)
        assert "no answer within 0.2 s" in outcome.cause
    running.deliver = deliver
    patient = running.witness()
    assert await patient.read() == Read(row(1)), "it was carried out all the same"
    assert await patient.compare_and_set(None, row(1)) == Others(row(1))
    await witness.close()
    await patient.close()


async def test_an_arbiter_that_could_not_is_unknown(running: Running) -> None:
    witness = running.witness()
    running.deliver = lambda asker, request, answer: asker.answer(
        NotDone(request.request, "the disk is full")
        if isinstance(request, SwapRow)
        else RowHeld(request.request, None, b"")
    )
    outcome = await witness.compare_and_set(None, row(1))
    assert isinstance(outcome, Unknown)
    assert "the disk is full" in outcome.cause
    await witness.close()


async def test_nobody_there_is_unknown_with_the_address() -> None:
    address = ArbiterAddress("127.0.0.1", 1, "c", A.node, A.incarnation, SECRET)
    witness = ArbiterWitness(address, timeout_s=2.0)
    outcome = await witness.read()
    assert isinstance(outcome, Unknown)
    assert "arbiter 127.0.0.1:1" in outcome.cause
    with pytest.raises(StoreUnavailable, match=r"arbiter 127\.0\.0\.1:1"):
        await witness.history()
    await witness.close()


async def test_a_node_with_another_secret_is_refused_and_told_why(running: Running) -> None:
    witness = running.witness(secret=b"not the secret of c")
    outcome = await witness.compare_and_set(None, row(1))
    assert isinstance(outcome, Unknown)
    assert "the secret of cluster 'c' is not the same" in outcome.cause
    assert running.arbiter.row("c") is None
    await witness.close()


async def test_a_cluster_that_is_not_served_is_refused_and_told_why(running: Running) -> None:
    witness = running.witness(cluster="e")
    outcome = await witness.read()
    assert isinstance(outcome, Unknown)
    assert "which this arbiter does not serve" in outcome.cause
    assert "add it to arbiter.clusters" in running.said("node_refused")[0]
    await witness.close()


async def test_a_cluster_sees_its_own_row_only(running: Running) -> None:
    witness, other = running.witness(), running.witness(cluster="d", secret=b"another secret of d")
    await witness.compare_and_set(None, row(1))
    assert await other.read() == Read(None)
    await witness.close()
    await other.close()


async def test_history_is_told_in_the_order_of_the_changes(running: Running) -> None:
    witness = running.witness()
    for version in (1, 2, 3):
        await witness.compare_and_set(version - 1 or None, row(version))
    changes = await witness.history()
    assert [change.row for change in changes] == [row(1), row(2), row(3)]
    assert [change.row for change in await witness.history(3)] == [row(1), row(2)]
    await witness.close()


async def test_a_connection_that_died_unnoticed_costs_a_read_nothing(running: Running) -> None:
    witness = running.witness()
    assert await witness.read() == Read(None)
    dropped = False

    def drop_the_first(asker: Asker, request: WitnessRequest, answer: WitnessAnswer) -> None:
        nonlocal dropped
        if not dropped:
            dropped = True
            asker.connection.abort("closed for idleness at this very moment")
        else:
            asker.answer(answer)

    running.deliver = drop_the_first
    assert await witness.read() == Read(None)
    await witness.close()


# -- who misbehaves


class RawNode:
    """A connection that says what it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._decoder = FrameDecoder(1 << 20)

    @classmethod
    async def connect(cls, port: int) -> RawNode:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def frame(self) -> Frame | None:
        """The next frame; None at the end of the stream."""
        async with asyncio.timeout(10):
            while (frame := self._decoder.next_frame()) is None:
                try:
                    data = await self._reader.read(65_536)
                except ConnectionResetError:
                    return None
                if not data:
                    return None
                self._decoder.receive(data)
            return frame

    async def prove(self, secret: bytes = SECRET) -> Handshake:
        me = HandshakeIdentity("c", WITNESS_CHANNEL, A.node, A.incarnation)
        handshake = Handshake(Side.INITIATOR, me, secret, secrets.token_bytes(NONCE_BYTES))
        self.send(handshake.start())
        for _ in range(2):
            frame = await self.frame()
            assert frame is not None
            step = handshake.receive(frame)
            assert step.failure is None
            self.send(step.send)
        return handshake

    async def refusal(self) -> Refused:
        """The refusal, and then the end."""
        frame = await self.frame()
        assert frame is not None
        message = HANDSHAKE_TABLE.decode(frame.type, frame.body)
        assert isinstance(message, Refused)
        assert await self.frame() is None
        return message

    async def close(self) -> None:
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except ConnectionError:
            return


async def test_a_proof_made_up_is_refused(running: Running) -> None:
    node = await RawNode.connect(running.port)
    me = HandshakeIdentity("c", WITNESS_CHANNEL, A.node, A.incarnation)
    node.send(Handshake(Side.INITIATOR, me, SECRET, secrets.token_bytes(NONCE_BYTES)).start())
    await node.frame()
    node.send(encode_frame(*HANDSHAKE_TABLE.encode(Proof(bytes(NONCE_BYTES)))))
    assert (await node.refusal()).code == "authentication-failed"
    await node.close()


async def made_up(running: Running, cluster: str = "c") -> RawNode:
    """A stranger that gave a proof, or a name, that cannot be right."""
    node = await RawNode.connect(running.port)
    me = HandshakeIdentity(cluster, WITNESS_CHANNEL, A.node, A.incarnation)
    node.send(Handshake(Side.INITIATOR, me, SECRET, secrets.token_bytes(NONCE_BYTES)).start())
    if cluster == "c":
        await node.frame()
        node.send(encode_frame(*HANDSHAKE_TABLE.encode(Proof(bytes(NONCE_BYTES)))))
    return node


@pytest.mark.parametrize("cluster", ["c", "nobody's"])
async def test_the_fourth_wrong_proof_of_an_address_is_answered_late_and_the_right_one_at_once(
    running: Running, cluster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission_limits, "DELAY_FIRST_S", 3600.0)
    monkeypatch.setattr(admission_limits, "DELAY_MAX_S", 3600.0)
    monkeypatch.setattr(arbiter_server, "HANDSHAKE_TIMEOUT_S", 7200.0)
    for _ in range(FAILURES_FREE):
        stranger = await made_up(running, cluster)
        assert (await stranger.refusal()).code in ("authentication-failed", "other-cluster")
        await stranger.close()
    late = await made_up(running, cluster)
    answer = asyncio.create_task(late.refusal())
    late.send(encode_frame(*HANDSHAKE_TABLE.encode(Proof(bytes(NONCE_BYTES)))))
    witness = running.witness()
    assert await witness.read() == Read(None)
    assert not answer.done()
    answer.cancel()
    await witness.close()
    await late.close()


async def test_a_late_refusal_comes_in_time_to_be_heard(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission_limits, "DELAY_FIRST_S", 3600.0)
    monkeypatch.setattr(admission_limits, "DELAY_MAX_S", 3600.0)
    monkeypatch.setattr(arbiter_server, "HANDSHAKE_TIMEOUT_S", 1.0)
    began_s = time.monotonic()
    for _ in range(FAILURES_FREE + 1):
        stranger = await made_up(running)
        assert (await stranger.refusal()).code == "authentication-failed"
        await stranger.close()
    assert time.monotonic() - began_s >= 0.5


@pytest.mark.parametrize(
    "first",
    [WITNESS_TABLE.encode(SwapRow(1, bytes(16), None, row(1))), HANDSHAKE_TABLE.encode(Proof(b"x")), (200, b"")],
)
async def test_whoever_asks_before_it_proved_anything_is_refused(running: Running, first: tuple[int, bytes]) -> None:
    node = await RawNode.connect(running.port)
    node.send(encode_frame(*first))
    assert (await node.refusal()).code == "malformed"
    assert running.arbiter.row("c") is None
    await node.close()


async def test_garbage_harms_only_its_own_connection(running: Running) -> None:
    witness = running.witness()
    await witness.compare_and_set(None, row(1))
    node = await RawNode.connect(running.port)
    node.send(b"GET / HTTP/1.1\r\nHost: arbiter\r\n\r\n")
    await node.refusal()
    assert await witness.read() == Read(row(1))
    await node.close()
    await witness.close()


@pytest.mark.parametrize("message", [Swapped(1), NotDone(1, "no")])
async def test_an_answer_to_the_arbiter_is_refused(running: Running, message: WitnessAnswer) -> None:
    node = await RawNode.connect(running.port)
    await node.prove()
    node.send(encode_frame(*WITNESS_TABLE.encode(message)))
    assert "is for a node" in (await node.refusal()).reason
    await node.close()


async def test_more_requests_at_once_than_a_node_has_are_refused(running: Running) -> None:
    running.deliver = lambda asker, request, answer: None
    node = await RawNode.connect(running.port)
    await node.prove()
    for number in range(WITNESS_REQUESTS_MAX + 1):
        node.send(encode_frame(*WITNESS_TABLE.encode(ReadRow(number))))
    assert "requests at once" in (await node.refusal()).reason
    await node.close()


async def test_the_oldest_stranger_makes_room_for_the_next(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arbiter_server, "STRANGERS_MAX", 3)
    strangers = [await RawNode.connect(running.port) for _ in range(3)]
    witness = running.witness()
    assert await witness.read() == Read(None)
    assert await strangers[0].frame() is None
    for stranger in strangers:
        await stranger.close()
    await witness.close()


async def test_a_stranger_that_says_nothing_is_closed(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arbiter_server, "HANDSHAKE_TIMEOUT_S", 0.05)
    stranger = await RawNode.connect(running.port)
    assert await stranger.frame() is None
    await stranger.close()


async def test_what_dead_nodes_left_behind_keeps_nobody_out(running: Running) -> None:
    left = []
    for _ in range(arbiter_server.CONNECTIONS_PER_CLUSTER_MAX):
        node = await RawNode.connect(running.port)
        await node.prove()
        left.append(node)
    witness = running.witness()
    assert await witness.read() == Read(None)
    assert await left[0].frame() is None
    for node in left:
        await node.close()
    await witness.close()


async def test_a_connection_on_which_nothing_is_asked_is_closed(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running.server, "settings", replace(running.server.settings, idle_timeout_s=0.2))
    node = await RawNode.connect(running.port)
    await node.prove()
    assert await node.frame() is None
    await node.close()


async def test_the_owner_may_refuse_a_request(running: Running) -> None:
    node = await RawNode.connect(running.port)
    await node.prove()
    node.send(encode_frame(*WITNESS_TABLE.encode(SwapRow(1, bytes(16), None, row(1, "d")))))
    with pytest.raises(ProtocolError, match="may not change the row of 'd'"):
        raise ProtocolError((await node.refusal()).reason)
    assert running.arbiter.row("d") is None
    await node.close()
