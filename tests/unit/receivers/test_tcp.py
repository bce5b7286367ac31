import asyncio
import contextlib
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eiha.events.rows import rows_to_batch
from eiha.events.wire import encode
from eiha.protocol import client_messages as messages
from eiha.protocol.client_codec import decode_client_message, encode_client_message
from eiha.protocol.framing import FrameDecoder, encode_frame
from eiha.protocol.limits import CLIENT_FRAME_BYTES_MAX
from eiha.receivers.intake import IntakeState
from eiha.receivers.tcp import TcpLimits, TcpReceiver
from tests.unit.receivers.memory_intake import TRADES, MemoryIntake, MemoryLog

HELLO = messages.Hello(1, 1, "client", "", False)
ROWS = [["IBM", 1.5, 10], ["ACME", 2.0, None]]


def frame(message):
    return encode_frame(*encode_client_message(message))


def publish(sequence, rows=ROWS, number=0):
    return messages.Publish(sequence, number, len(rows), encode(rows_to_batch(rows, TRADES.schema)))


class Raw:
    """A client that sends whatever it is told to."""

    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer
        self.decoder = FrameDecoder(CLIENT_FRAME_BYTES_MAX)

    @classmethod
    async def connect(cls, address):
        return cls(*await asyncio.open_connection(*address))

    def send(self, *sent):
        self.writer.write(b"".join(item if isinstance(item, bytes) else frame(item) for item in sent))

    async def receive(self):
        """The next message; None at the end of the stream."""
        while (got := self.decoder.next_frame()) is None:
            data = await asyncio.wait_for(self.reader.read(65536), 10)
            if not data:
                return None
            self.decoder.receive(data)
        return decode_client_message(got.type, got.body)

    async def hello(self, hello=HELLO):
        self.send(hello, messages.OpenStream(0, "Trades", None))
        first, second = await self.receive(), await self.receive()
        welcome = first if isinstance(first, messages.Welcome) else second
        assert isinstance(welcome, messages.Welcome)
        return welcome

    def close(self):
        self.writer.close()


@contextlib.asynccontextmanager
async def receiver(intake=None, **options):
    served = TcpReceiver(intake or MemoryIntake(MemoryLog()), **options)
    address = await served.start("127.0.0.1", 0)
    clients = []

    async def connect():
        clients.append(await Raw.connect(address))
        return clients[-1]

    try:
        yield served, connect
    finally:
        for client in clients:
            client.close()
        await served.close()


async def test_columns_and_rows_of_one_read_are_one_submission_and_are_acked():
    intake = MemoryIntake(MemoryLog())
    async with receiver(intake) as (_, connect):
        client = await connect()
        welcome = await client.hello()
        assert (welcome.node, welcome.role, welcome.acked_through) == ("node1", "active", 0)
        client.send(publish(1), messages.PublishRows(2, 0, [5], [["X", 3, 7]]), publish(3))
        got = await client.receive()
        while got != messages.Acked(3):
            assert isinstance(got, messages.Acked)
            got = await client.receive()
    assert intake.log.rows() == [*ROWS, ["X", 3.0, 7], *ROWS]
    assert [len(submission) for submission in intake.submissions] == [3]


async def test_a_client_is_told_the_streams_attributes():
    async with receiver() as (_, connect):
        client = await connect()
        client.send(HELLO, messages.OpenStream(7, "Trades", None))
        got = [await client.receive(), await client.receive()]
        attributes = (("symbol", "string"), ("price", "double"), ("volume", "long"))
        assert messages.StreamOpened(7, "Trades", attributes) in got


async def test_a_session_goes_on_over_connections_and_a_resend_is_not_counted_twice():
    log = MemoryLog()
    async with receiver(MemoryIntake(log)) as (_, connect):
        first = await connect()
        await first.hello()
        first.send(publish(1), publish(2))
        await first.receive()
        second = await connect()
        assert (await second.hello()).acked_through == 2
        second.send(publish(2), publish(3))
        assert await second.receive() == messages.Acked(3)
        assert len(log.publications) == 3
        displaced = await first.receive()
        while isinstance(displaced, messages.Acked):
            displaced = await first.receive()
        assert isinstance(displaced, messages.Failed)
        assert displaced.code == messages.CODE_DISPLACED


@pytest.mark.parametrize(
    ("sent", "code", "reason"),
    [
        ([b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"], messages.CODE_VERSION, "is it an eiha port"),
        ([frame(HELLO)[:-1] + b"\xff"], messages.CODE_MALFORMED, "fails its checksum"),
        ([encode_frame(64, b"x" * 5000)], messages.CODE_MALFORMED, "a frame of 5000 bytes; at most 4096"),
        ([encode_frame(200, b"\x90")], messages.CODE_MALFORMED, "type 200 is no client message"),
        ([encode_frame(64, b"\xc1")], messages.CODE_MALFORMED, "Hello is not valid msgpack"),
        ([publish(1)], messages.CODE_MALFORMED, "Publish came before Hello"),
        ([messages.Hello(1, 1, "http-key:x", "", False)], messages.CODE_MALFORMED, "are the nodes' own"),
        ([HELLO, HELLO], messages.CODE_MALFORMED, "a second Hello"),
        ([HELLO, messages.Acked(1)], messages.CODE_MALFORMED, "Acked is for clients"),
        ([HELLO, publish(1)], messages.CODE_MALFORMED, "stream number 0, which was not opened"),
        ([messages.Hello(2, 9, "c", "", False)], messages.CODE_VERSION, "versions 2 to 9, this node speaks 1"),
    ],
)
async def test_a_client_that_breaks_the_protocol_is_told_and_closed_and_others_live_on(sent, code, reason):
    async with receiver() as (served, connect):
        good, bad = await connect(), await connect()
        await good.hello(messages.Hello(1, 1, "good", "", False))
        bad.send(*sent)
        got = await bad.receive()
        while not isinstance(got, messages.Failed):
            assert got is not None
            got = await bad.receive()
        assert got.code == code
        assert reason in got.reason
        assert await bad.receive() is None
        assert served.rejected_by_code[code] == 1
        good.send(publish(1))
        assert await good.receive() == messages.Acked(1)


async def test_publications_before_a_malformed_frame_are_kept():
    log = MemoryLog()
    async with receiver(MemoryIntake(log)) as (_, connect):
        client = await connect()
        await client.hello()
        client.send(publish(1), encode_frame(200, b""))
        got = await client.receive()
        while isinstance(got, messages.Acked):
            got = await client.receive()
        assert isinstance(got, messages.Failed)
    assert len(log.publications) == 1


async def test_a_token_is_asked_for():
    async with receiver(token="s3cret") as (_, connect):
        stranger = await connect()
        stranger.send(HELLO)
        failed = await stranger.receive()
        assert isinstance(failed, messages.Failed)
        assert failed.code == messages.CODE_AUTHENTICATION
        friend = await connect()
        await friend.hello(messages.Hello(1, 1, "friend", "s3cret", False))


@pytest.mark.parametrize(
    ("message", "code", "reason"),
    [
        (messages.Publish(1, 0, 1, b"\xc1"), messages.CODE_MALFORMED_BATCH, "not msgpack"),
        (messages.Publish(1, 0, 2, b"\x93\x01\xc0\x90"), messages.CODE_WRONG_SCHEMA, "3 attributes"),
        (messages.Publish(1, 0, 5, publish(1).payload), messages.CODE_MALFORMED_BATCH, "says 5 rows, its payload 2"),
        (messages.PublishRows(1, 0, None, [["X", "1", 1]]), messages.CODE_WRONG_SCHEMA, "row 0: attribute 'price'"),
        (messages.PublishRows(1, 0, None, [["X", 1]]), messages.CODE_WRONG_SCHEMA, "row 0 has 2 values"),
        (messages.PublishRows(1, 0, [1, 2], [["X", 1, 1]]), messages.CODE_WRONG_SCHEMA, "timestamps"),
    ],
)
async def test_one_wrong_publication_is_rejected_and_its_connection_lives_on(message, code, reason):
    async with receiver() as (served, connect):
        client = await connect()
        await client.hello()
        client.send(message)
        got = await client.receive()
        assert isinstance(got, messages.Rejected)
        assert (got.client_sequence, got.code, got.expected) == (1, code, 1)
        assert reason in got.reason
        assert served.rejected_by_code == {code: 1}
        client.send(publish(1))
        assert await client.receive() == messages.Acked(1)


async def test_unknown_streams_and_other_attributes_are_refused_by_name():
    async with receiver() as (_, connect):
        client = await connect()
        await client.hello()
        client.send(messages.OpenStream(1, "Trade", None), publish(1, number=1))
        refused, rejected = await client.receive(), await client.receive()
        assert refused.code == rejected.code == messages.CODE_UNKNOWN_STREAM
        assert "'Trade', did you mean 'Trades'? there are: Trades" in refused.reason
        client.send(messages.OpenStream(2, "Trades", (("symbol", "string"),)), publish(1, number=2))
        refused, rejected = await client.receive(), await client.receive()
        assert refused.code == rejected.code == messages.CODE_WRONG_SCHEMA
        assert "(symbol string)" in rejected.reason


async def test_a_retry_of_the_node_reaches_the_client():
    intake = MemoryIntake(MemoryLog())
    intake.refuse_next = 1
    async with receiver(intake) as (_, connect):
        client = await connect()
        await client.hello()
        client.send(publish(1))
        got = [await client.receive(), await client.receive()]
        assert messages.Rejected(1, messages.CODE_RETRY, "the window is full", 5, 1) in got


async def test_reading_stops_at_the_credit_and_goes_on_with_the_acks():
    intake = MemoryIntake(MemoryLog())
    intake.held = True
    async with receiver(intake, limits=TcpLimits(credit_rows=4)) as (_, connect):
        client = await connect()
        await client.hello()
        client.send(publish(1), publish(2))
        await asyncio.wait_for(intake.logged(2), 10)
        client.send(publish(3))
        other = await connect()
        await other.hello(messages.Hello(1, 1, "other", "", False))
        assert len(intake.log.publications) == 2
        intake.held = False
        intake.release()
        got = None
        while got != messages.Acked(3):
            got = await client.receive()


async def test_a_closed_intake_stops_reading_and_says_so():
    intake = MemoryIntake(MemoryLog())
    async with receiver(intake) as (_, connect):
        client = await connect()
        await client.hello()
        intake.set_state(IntakeState(open=False, reason="no quorum"))
        assert await client.receive() == messages.Credit(0, 0, "no quorum")
        client.send(publish(1))
        late = await connect()
        await late.hello(messages.Hello(1, 1, "late", "", False))
        assert await late.receive() == messages.Credit(0, 0, "no quorum")
        assert intake.submissions == []
        intake.set_state(IntakeState(open=True, reason="synced"))
        assert isinstance(await client.receive(), messages.Credit)
        assert await client.receive() == messages.Acked(1)


async def test_a_node_that_does_not_know_its_streams_yet_refuses_none_of_them():
    intake = MemoryIntake(MemoryLog())
    intake.definitions = {}
    intake.set_state(IntakeState(open=False, reason="the plans are being deployed"))
    async with receiver(intake) as (_, connect):
        client = await connect()
        client.send(HELLO, messages.OpenStream(0, "Trades", None), publish(1))
        answers = [await client.receive() for _ in range(3)]
        assert {type(each) for each in answers} == {messages.Welcome, messages.Credit, messages.Rejected}
        (rejected,) = (each for each in answers if isinstance(each, messages.Rejected))
        assert (rejected.code, rejected.reason) == (messages.CODE_RETRY, "the plans are being deployed")
        intake.definitions = {TRADES.name: TRADES}
        intake.set_state(IntakeState(open=True))
        opened, credit = await client.receive(), await client.receive()
        assert {type(opened), type(credit)} == {messages.StreamOpened, messages.Credit}
        client.send(publish(1))
        assert await client.receive() == messages.Acked(1)


async def test_the_mode_with_both_nodes_is_passed_on():
    intake = MemoryIntake(MemoryLog())
    async with receiver(intake) as (_, connect):
        client = await connect()
        await client.hello(messages.Hello(1, 1, "client", "", True))
        client.send(publish(1))
        await client.receive()
    assert intake.duplicated == {True}


async def test_a_silent_connection_is_closed_and_one_too_many_is_refused():
    async with receiver(limits=TcpLimits(hello_timeout_s=0.01, connections_max=1)) as (_, connect):
        silent = await connect()
        failed = await silent.receive()
        assert isinstance(failed, messages.Failed)
        assert "no Hello within 0.01 seconds" in failed.reason
    async with receiver(limits=TcpLimits(connections_max=1)) as (_, connect):
        await (await connect()).hello()
        refused = await (await connect()).receive()
        assert isinstance(refused, messages.Failed)
        assert refused.code == "overloaded"


async def test_closing_sends_clients_on():
    intake = MemoryIntake(MemoryLog())
    served = TcpReceiver(intake)
    client = await Raw.connect(await served.start("127.0.0.1", 0))
    await client.hello()
    await served.close(redirect="10.0.0.2:9611")
    got = [await client.receive(), await client.receive(), await client.receive()]
    assert got[0].address == "10.0.0.2:9611"
    assert got[1:] == [messages.Goodbye(), None]
    assert intake.watchers == []
    assert intake.listeners == {"client": []}
    client.close()


async def test_a_taken_port_is_an_error():
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="address already in use"):
        await TcpReceiver(MemoryIntake(MemoryLog())).start("127.0.0.1", taken.getsockname()[1])


garbage = st.one_of(
    st.binary(max_size=60),
    st.builds(encode_frame, st.integers(60, 80), st.binary(max_size=30)),
    st.sampled_from([frame(HELLO), frame(messages.OpenStream(0, "Trades", None)), frame(publish(1))]),
)


@settings(max_examples=30, deadline=None)
@given(st.lists(garbage, max_size=6))
def test_whatever_is_sent_the_receiver_goes_on_serving(pieces):
    async def scenario():
        intake = MemoryIntake(MemoryLog())
        async with receiver(intake) as (_, connect):
            bad = await connect()
            for piece in pieces:
                bad.send(piece)
            bad.writer.write_eof()
            good = await connect()
            await good.hello(messages.Hello(1, 1, "good", "", False))
            good.send(publish(1))
            assert await good.receive() == messages.Acked(1)
            while (await asyncio.wait_for(bad.reader.read(65536), 10)) != b"":
                pass

    asyncio.run(scenario())
