from __future__ import annotations

import asyncio
import itertools
import logging
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace

import pytest

from eiha.errors import AddressUnavailable
from eiha.ha.inputs import Channel
from eiha.kernel.ids import Epoch, Incarnation, LinkId, NodeId, Sequence
from eiha.net.channel_links import ChannelLinks, LinkSettings
from eiha.net.member_address import MemberLocation
from eiha.observability.logs import EventLog
from eiha.protocol.framing import encode_frame
from eiha.protocol.handshake import HANDSHAKE_TABLE, Handshake, HandshakeIdentity, Proof
from eiha.protocol.handshake import Side as HandshakeSide
from eiha.protocol.limits import NONCE_BYTES
from eiha.protocol.peer_messages import Committed, PeerIdentity, PeerMessage, Pong, SnapshotChunk
from eiha.transport import admission_limits
from eiha.transport.admission_limits import FAILURES_FREE

SECRET = b"a secret for tests"
DEADLINE_S = 10.0


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@dataclass
class Recorder:
    """A ``LinkObserver`` that remembers."""

    up: dict[LinkId, PeerIdentity] = field(default_factory=dict)
    down: dict[LinkId, str] = field(default_factory=dict)
    messages: list[PeerMessage] = field(default_factory=list)

    def link_up(self, channel: Channel, link: LinkId, peer: PeerIdentity) -> None:
        assert link not in self.up
        self.up[link] = peer

    def link_down(self, channel: Channel, link: LinkId, reason: str) -> None:
        assert link in self.up
        assert link not in self.down
        self.down[link] = reason

    def peer_message(self, channel: Channel, link: LinkId, message: PeerMessage) -> None:
        assert link in self.up
        assert link not in self.down
        self.messages.append(message)

    @property
    def open(self) -> list[LinkId]:
        return [link for link in self.up if link not in self.down]


class Side:
    """One node's end of the management channel."""

    def __init__(self, node: str, port: int, peer_node: str, peer_port: int, /, **changes: object) -> None:
        self.port = port
        self.observer = Recorder()
        self.lines = logging.getLogger(f"test.{node}.{port}")
        settings = LinkSettings(
            cluster="test",
            node=NodeId(node),
            incarnation=Incarnation(f"disk-of-{node}-{port}"),
            secret=SECRET,
            host="127.0.0.1",
            port=port,
            port_key="management.port",
            members=frozenset({NodeId(peer_node)}),
            connect_timeout_s=2.0,
            retry_max_s=0.1,
            queue_bytes_max=1 << 20,
            socket_buffer_bytes=0,
        )
        numbers = itertools.count(1)
        location = MemberLocation(NodeId(peer_node), "127.0.0.1", "127.0.0.1", peer_port, peer_port, 0, 0)
        self.links = ChannelLinks(
            Channel.MANAGEMENT,
            replace(settings, **changes),  # type: ignore[arg-type]
            self.observer,
            lambda: location,
            lambda: LinkId(next(numbers)),
            EventLog(self.lines),
        )
        self.dialling: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self.links.start()
        self.dialling = asyncio.create_task(self.links.dial_forever())

    async def stop(self) -> None:
        if self.dialling is not None:
            self.dialling.cancel()
            await asyncio.wait([self.dialling])
        await self.links.stop("the test ends")


Pair = Callable[..., tuple[Side, Side]]


@pytest.fixture
async def make_pair() -> AsyncIterator[Pair]:
    made: list[Side] = []

    def make(**changes_of_second: object) -> tuple[Side, Side]:
        ports = free_port(), free_port()
        made.append(Side("node1", ports[0], "node2", ports[1]))
        made.append(Side("node2", ports[1], "node1", ports[0], **changes_of_second))
        return made[-2], made[-1]

    yield make
    for side in made:
        await side.stop()


async def until(condition: Callable[[], object], what: str) -> None:
    try:
        async with asyncio.timeout(DEADLINE_S):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.002)
    except TimeoutError:
        pytest.fail(f"waited for {what}")


def texts(caplog: pytest.LogCaptureFixture, level: int = logging.ERROR) -> str:
    return "\n".join(record.getMessage() for record in caplog.records if record.levelno >= level)


@pytest.mark.parametrize("first_started", [0, 1])
async def test_two_nodes_link_in_any_order_of_start_without_errors(
    make_pair: Pair, caplog: pytest.LogCaptureFixture, first_started: int
) -> None:
    pair = make_pair()
    await pair[first_started].start()
    if first_started == 0:
        await until(lambda: "nobody listens" in texts(caplog, logging.INFO) or not caplog.records, "a first attempt")
    await pair[1 - first_started].start()
    await until(lambda: all(side.observer.open for side in pair), "a link on both sides")
    assert [side.observer.up[LinkId(1)].node for side in pair] == ["node2", "node1"]
    assert texts(caplog, logging.WARNING) == ""


async def test_messages_arrive_in_order_both_ways(make_pair: Pair) -> None:
    one, two = make_pair()
    await one.start()
    await two.start()
    await until(lambda: one.observer.open and two.observer.open, "a link")
    pongs = [Pong(number, Epoch(1), True) for number in range(1_000)]
    for pong in pongs:
        one.links.send(one.observer.open[0], pong)
        one.links.flush()
        two.links.send(two.observer.open[0], pong)
        two.links.flush()
    await until(lambda: len(two.observer.messages) == len(one.observer.messages) == 1_000, "all messages")
    assert one.observer.messages == two.observer.messages == pongs


async def test_a_closed_link_is_reported_and_made_anew(make_pair: Pair) -> None:
    one, two = make_pair()
    await one.start()
    await two.start()
    await until(lambda: one.observer.open and two.observer.open, "a link")
    two.links.close(two.observer.open[0], "tested")
    await until(lambda: len(one.observer.up) == len(two.observer.up) == 2, "a second link")
    assert two.observer.down == {LinkId(1): "tested"}
    assert list(one.observer.down) == [LinkId(1)]


async def test_a_restarted_peer_is_linked_again(make_pair: Pair) -> None:
    one, two = make_pair()
    await one.start()
    await two.start()
    await until(lambda: one.observer.open, "a link")
    await two.stop()
    await until(lambda: not one.observer.open, "the loss")
    await two.start()
    await until(lambda: one.observer.open and two.observer.open, "a new link")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"secret": b"another secret"}, "check cluster.secret on each"),
        ({"cluster": "other"}, "check cluster.domain and the members' addresses"),
        ({"node": NodeId("node1")}, "give each its own node id"),
        ({"node": NodeId("node3")}, "check cluster.members"),
        ({"members": frozenset({NodeId("node0")})}, "is not among cluster.members (node0) of node2"),
    ],
    ids=["wrong secret", "other cluster", "same id", "unexpected id", "not a member"],
)
async def test_a_node_that_does_not_belong_is_refused_with_the_remedy(
    make_pair: Pair, caplog: pytest.LogCaptureFixture, changes: dict[str, object], expected: str
) -> None:
    caplog.set_level(logging.INFO)
    one, two = make_pair(**changes)
    await two.start()
    await one.start()
    await until(lambda: expected in texts(caplog), expected)
    assert not one.observer.open or not two.observer.open


async def test_the_same_refusal_is_said_once(
    make_pair: Pair, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = make_pair(secret=b"another secret")
    attempts: list[MemberLocation] = []
    dial = one.links._dial

    async def counted(location: MemberLocation) -> bool:
        attempts.append(location)
        return await dial(location)

    monkeypatch.setattr(one.links, "_dial", counted)
    await two.start()
    await one.start()
    await until(lambda: len(attempts) >= 5, "five attempts")
    lines = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(lines) == 2  # one of each node


async def test_garbage_harms_only_its_own_connection(make_pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    one, two = make_pair()
    await one.start()
    await two.start()
    await until(lambda: one.observer.open and two.observer.open, "a link")
    for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 64, encode_frame(1, b"not msgpack")):
        reader, writer = await asyncio.open_connection("127.0.0.1", two.links._settings.port)
        writer.write(garbage)
        async with asyncio.timeout(DEADLINE_S):
            while await reader.read(1_024):
                pass
        writer.close()
    assert one.observer.open == two.observer.open == [LinkId(1)]
    assert "is it an eiha port" in texts(caplog)
    assert "not valid msgpack" in texts(caplog)


async def made_up_proof(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A stranger that gave a proof that cannot be right."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    me = HandshakeIdentity("test", "management", NodeId("node1"), Incarnation("a stranger"))
    writer.write(Handshake(HandshakeSide.INITIATOR, me, b"guessed", bytes(NONCE_BYTES)).start())
    assert await reader.read(1)
    writer.write(encode_frame(*HANDSHAKE_TABLE.encode(Proof(bytes(NONCE_BYTES)))))
    return reader, writer


async def test_the_fourth_wrong_proof_of_an_address_is_answered_late_and_the_member_at_once(
    make_pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission_limits, "DELAY_FIRST_S", 3600.0)
    monkeypatch.setattr(admission_limits, "DELAY_MAX_S", 3600.0)
    one, two = make_pair(connect_timeout_s=7200.0)
    await two.links.start()
    for _ in range(FAILURES_FREE):
        reader, writer = await made_up_proof(two.port)
        assert b"authentication-failed" in await reader.read()
        writer.close()
    reader, writer = await made_up_proof(two.port)
    answer = asyncio.create_task(reader.readuntil(b"authentication-failed"))
    await one.start()
    await until(lambda: one.observer.open and two.observer.open, "the link of those who know the secret")
    assert two.links.refused_by_code["AuthenticationFailed"] == FAILURES_FREE + 1
    assert not answer.done()
    answer.cancel()
    writer.close()


async def test_a_late_refusal_comes_in_time_to_be_heard(make_pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission_limits, "DELAY_FIRST_S", 3600.0)
    monkeypatch.setattr(admission_limits, "DELAY_MAX_S", 3600.0)
    _, two = make_pair(connect_timeout_s=1.0)
    await two.links.start()
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    for _ in range(FAILURES_FREE + 1):
        reader, writer = await made_up_proof(two.port)
        assert b"authentication-failed" in await reader.read()
        writer.close()
    assert loop.time() - began_s >= 0.5


async def test_a_message_of_the_other_channel_ends_the_link(make_pair: Pair) -> None:
    one, two = make_pair()
    await one.start()
    await two.start()
    await until(lambda: one.observer.open and two.observer.open, "a link")
    one.links.send(one.observer.open[0], Committed(Epoch(1), Sequence(1)))
    one.links.flush()
    await until(lambda: LinkId(1) in two.observer.down, "the end of the link")
    assert two.observer.messages == []


async def test_a_peer_that_does_not_read_is_given_up(make_pair: Pair) -> None:
    one, two = make_pair()
    await one.start()
    await two.start()
    await until(lambda: one.observer.open and two.observer.open, "a link")
    link = one.observer.open[0]
    connection = two.links._link.connection  # type: ignore[union-attr]
    connection._transport.pause_reading()  # type: ignore[union-attr]
    # large, so that the buffers of the operating system are full soon
    message = SnapshotChunk(1, 0, bytes(1 << 18))
    async with asyncio.timeout(DEADLINE_S):
        while link not in one.observer.down:
            one.links.send(link, message)
            one.links.flush()
            await asyncio.sleep(0)
    assert "does not read" in one.observer.down[link]


async def test_a_taken_port_is_an_error_that_names_the_key() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        side = Side("node1", taken.getsockname()[1], "node2", free_port())
        with pytest.raises(AddressUnavailable, match=r"management\.port.*another process listens there already"):
            await side.start()


async def test_an_address_of_another_machine_is_an_error_that_names_the_key() -> None:
    side = Side("node1", free_port(), "node2", free_port(), host="192.0.2.1")
    with pytest.raises(AddressUnavailable, match=r"management\.host"):
        await side.start()
