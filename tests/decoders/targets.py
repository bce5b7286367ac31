"""Every decoder of bytes or text that somebody else made, with valid input to begin from."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import hmac
import io
import json
import random
import struct
import tempfile
from pathlib import Path
from typing import Any

import msgpack
import numpy as np

from eiha.cli import diff as diff_command
from eiha.cli.errors import Times, request_of, row_document, shown
from eiha.cli.node_client import NodeRefused
from eiha.engine.error_rows import ErrorRows
from eiha.engine.runtime import EngineRuntime
from eiha.engine.snapshot import decode_state, encode_state
from eiha.engine.state_stream import read_state
from eiha.errors import (
    ConfigurationError,
    CorruptFile,
    MalformedBatch,
    MalformedFrame,
    PlanError,
    ProtocolError,
    QueryError,
    WrongSchema,
)
from eiha.events.rows import objects_to_batch, rows_to_batch
from eiha.events.schema import Attribute, AttributeType, Schema, StreamDefinition
from eiha.events.wire import decode as decode_batch
from eiha.events.wire import encode as encode_batch
from eiha.ha.member_state import MemberState, decode_member_state, encode_member_state
from eiha.kernel.ids import ClientId, ClientSequence, Epoch, Incarnation, LogPosition, LogTimeMs, NodeId, Sequence
from eiha.net.discovery import decode_announcement, encode_announcement
from eiha.net.member_address import MemberLocation
from eiha.node.config_reader import read_config
from eiha.plan.bind_on_demand import compile_on_demand
from eiha.plan.compilation import compile_plan
from eiha.protocol import client_messages, peer_messages, witness_messages
from eiha.protocol.client_codec import CLIENT_TABLE, encode_client_message
from eiha.protocol.entry_codec import decode_entry, encode_entry
from eiha.protocol.framing import FrameDecoder, encode_frame
from eiha.protocol.handshake import HANDSHAKE_TABLE, Handshake, HandshakeIdentity, Hello, Proof, Refused, Reply, Side
from eiha.protocol.limits import CLIENT_FRAME_BYTES_MAX
from eiha.protocol.log_entry import DeployPlan, EpochStart, LogEntry, Publication, Publications, TimeTick
from eiha.protocol.message_table import MessageTable
from eiha.protocol.peer_codec import PEER_TABLE, encode_peer_message
from eiha.protocol.snapshot_format import Chunk, SnapshotManifest, chunk_name, decode_manifest, encode_manifest
from eiha.protocol.witness_codec import WITNESS_TABLE, decode_change, encode_change
from eiha.receivers.http_body import MalformedBody, UnsupportedType, parse_body
from eiha.siddhiql.parser import parse, parse_on_demand
from eiha.storage import witness_file
from eiha.storage.error_store import ErrorRow
from eiha.storage.log_record import SegmentHeader, encode_record, encode_segment_header
from eiha.storage.log_segments import LogSegments
from eiha.storage.packed_snapshot import read_snapshot_file
from eiha.storage.witness_file import recover_changes
from tests.decoders.http_wire import HttpWire
from tests.decoders.judge import Target
from tests.decoders.mutations import mutate_bytes, mutate_packed, mutate_text, mutate_tree
from tests.unit.engine.test_state_stream import Stream, written

ROOT = Path(__file__).parents[2]
SECRET = b"a secret for tests"
TRADES = StreamDefinition(
    "Trades",
    Schema(
        (
            Attribute("symbol", AttributeType.STRING),
            Attribute("price", AttributeType.DOUBLE),
            Attribute("volume", AttributeType.LONG),
            Attribute("is_big", AttributeType.BOOL),
            Attribute("notes", AttributeType.OBJECT),
        )
    ),
)
ROWS = [["IBM", 1.5, 10, True, {"a": [1]}], ["ACME", 2.0, None, False, None], [None, -1.0, 3, None, "x"]]
PAYLOAD = encode_batch(rows_to_batch(ROWS, TRADES.schema, [1, 2, 3]))
PUBLICATION = Publication("client", 1, "Trades", 3, PAYLOAD)  # type: ignore[arg-type]
POSITION = LogPosition(Sequence(7), Epoch(2))
ENTRIES = tuple(
    LogEntry(Epoch(2), Sequence(1 + number), LogTimeMs(1_000 + number), body)
    for number, body in enumerate(
        (
            EpochStart(NodeId("node1"), Incarnation("disk")),
            DeployPlan("plan", "define stream S (x int);"),
            Publications((PUBLICATION, PUBLICATION)),
            TimeTick(),
        )
    )
)
ENTRY_BYTES = tuple(encode_entry(entry) for entry in ENTRIES)


# -- messages


def _packed(table: MessageTable[Any], message: Any) -> tuple[int, bytes]:
    return table.encode(message)


MESSAGES: tuple[tuple[int, bytes], ...] = (
    _packed(HANDSHAKE_TABLE, Hello(1, 1, "cluster", "eventSync", "node1", "disk", b"n" * 32)),
    _packed(HANDSHAKE_TABLE, Reply(1, "cluster", "eventSync", "node2", "disk2", b"m" * 32, b"p" * 64)),
    _packed(HANDSHAKE_TABLE, Proof(b"p" * 32)),
    _packed(HANDSHAKE_TABLE, Refused("malformed", "why")),
    encode_peer_message(peer_messages.Append(2, POSITION, ENTRY_BYTES, 5)),  # type: ignore[arg-type]
    encode_peer_message(peer_messages.Forward(1, (PUBLICATION,))),
    encode_peer_message(peer_messages.Committed(2, 5)),  # type: ignore[arg-type]
    encode_client_message(client_messages.Hello(1, 1, "client", "token", False)),
    encode_client_message(client_messages.OpenStream(0, "Trades", (("symbol", "string"),))),
    encode_client_message(client_messages.Publish(1, 0, 3, PAYLOAD)),  # type: ignore[arg-type]
    encode_client_message(client_messages.PublishRows(1, 0, [1, 2, 3], ROWS)),  # type: ignore[arg-type]
    encode_client_message(client_messages.Welcome(1, "node1", "active", "h:1", 0, 10, 10)),  # type: ignore[arg-type]
    _packed(WITNESS_TABLE, witness_messages.ReadRow(1)),
)
ROW = witness_messages.WitnessRow(
    "cluster", Epoch(2), NodeId("node1"), Incarnation("disk"),
    (peer_messages.PeerIdentity(NodeId("node1"), Incarnation("disk")),), 3, "why",
)  # fmt: skip
CHANGES = tuple(
    witness_messages.RowChange("cluster", bytes([number]) * 16, number or None, 5, ROW) for number in range(3)
)


def _message(chance: random.Random) -> bytes:
    """A frame's type and body, the body mutated as a tree; the type now and then of another message."""
    type_, body = chance.choice(MESSAGES)
    if chance.random() < 0.1:
        type_ = chance.randrange(256)
    return bytes((type_,)) + mutate_packed(chance, body)


def _decode_message(data: bytes) -> None:
    """By every table: who connects to a port chooses the types it sends."""
    refusals = 0
    for table in (HANDSHAKE_TABLE, WITNESS_TABLE, PEER_TABLE, CLIENT_TABLE):
        try:
            table.decode(data[0], memoryview(data)[1:])
        except ProtocolError as refusal:
            assert len(str(refusal)) < 3_000, "a reason is short, whatever was sent"
            refusals += 1
    if refusals == 4:
        raise MalformedFrame("no table has it")


def _stream(chance: random.Random) -> bytes:
    """A stream of frames: bodies mutated under a right checksum, or the bytes of all mutated."""
    frames = []
    for _ in range(chance.randrange(1, 4)):
        type_, body = chance.choice(MESSAGES)
        frames.append(encode_frame(type_, mutate_packed(chance, body) if chance.random() < 0.5 else body))
    joined = b"".join(frames)
    return mutate_bytes(chance, joined) if chance.random() < 0.6 else joined


def _decode_stream(data: bytes) -> None:
    decoder = FrameDecoder(CLIENT_FRAME_BYTES_MAX)
    for at in range(0, len(data), 7):
        decoder.receive(data[at : at + 7])
        while (frame := decoder.next_frame()) is not None:
            assert frame.type < 256
    assert decoder.buffered_bytes <= len(data)


def _handshake(data: bytes) -> None:
    """A responder and an initiator, told whatever comes."""
    for side in Side:
        handshake = Handshake(
            side, HandshakeIdentity("cluster", "eventSync", NodeId("n"), Incarnation("d")), SECRET, b"1" * 32
        )
        handshake.start()
        decoder = FrameDecoder(handshake.frame_bytes_max)
        decoder.receive(data)
        while (frame := decoder.next_frame()) is not None:
            step = handshake.receive(frame)
            assert step.peer is None, "nobody proved anything"
            if step.failure is not None:
                break


# -- batches and HTTP


def _decode_batch(data: bytes) -> None:
    batch = decode_batch(data, TRADES.schema)
    for column in batch.columns:
        assert len(column.to_list()) == batch.rows


JSON = (
    b'[{"symbol": "IBM", "price": 1.5, "volume": 10, "is_big": true, "notes": {"a": [1]}}, '
    b'{"symbol": null, "price": -2, "volume": null, "is_big": false, "notes": null}]'
)
LINES = JSON[1:-1].replace(b"}, {", b"}\n{")


def _json(chance: random.Random) -> bytes:
    """An array, or a line for each object."""
    seed = chance.choice((JSON, LINES))
    if chance.random() < 0.1:
        return seed
    if chance.random() < 0.5:
        return mutate_bytes(chance, seed)
    return mutate_text(chance, seed.decode(), ("null", "1e999", "NaN", "true", '"price"', "{", "[", "-0")).encode()


def _decode_json(data: bytes) -> None:
    kind = "application/x-ndjson" if b"\n" in data else "application/json"
    objects_to_batch(parse_body(data, kind), TRADES.schema)


HEADS = (
    (b"POST /v1/streams/Trades HTTP/1.1", b"Content-Type: application/json"),
    (b"POST /v1/streams/Trades?event_time=volume HTTP/1.1", b"Idempotency-Key: k"),
    (b"GET /nothing HTTP/1.0",),
)


def _request(chance: random.Random) -> bytes:
    body = _json(chance) if chance.random() < 0.5 else JSON
    head = b"\r\n".join((*chance.choice(HEADS), b"Host: h", b"Content-Length: %d", b"", b""))
    whole = head % len(body) + body
    if chance.random() < 0.2:
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:5], body[5:]) if part) + b"0\r\n\r\n"
        whole = b"POST /v1/streams/Trades HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
    return mutate_bytes(chance, whole) if chance.random() < 0.8 else whole * 3


def _serve(data: bytes) -> None:
    asyncio.run(HttpWire(TRADES).serve(data))


# -- text

LANGUAGE = """@app:name('a') define stream S (x int, y string);
@primaryKey('x') define table T (x int, y string);
define window W (x int) length(5) output all events;
define aggregation A from S select y, avg(x) as m group by y aggregate every sec ... hour;
@info(name='q') from S[x > 1 and not (y == 'a')]#window.time(5 sec) as s join T as t on s.x == t.x
select s.x * 2 + 1 as z, count() as n group by s.y having n > 1 order by z limit 3 insert into Out;
from every e1=S[x == 1] -> e2=S[x == e1.x]<2:5> within 10 sec select e1.x as a, e2[0].y as b insert into P;
partition with (y of S) begin from S select sum(x) as s insert into #I; from #I select s insert into R; end;
from S select x insert into W; from S select x, y update or insert into T set T.y = y on T.x == x;
"""
PLANS = (*(path.read_text(encoding="utf-8") for path in sorted((ROOT / "examples").rglob("*.siddhi"))), LANGUAGE)
WORDS = tuple(
    """
    from select insert into define stream table window group by having every within partition with begin end join
    on and or not null true int string object update delete set output snapshot last for sec e1 @info
    #window.length count() in is
    """.split()  # noqa: SIM905  one a line would be two screens
)
QUESTIONS = (
    "from T on x > 1 and y == 'a' select x, sum(x) as s group by x having s > 1 order by x desc limit 2 offset 1",
    "select 1 as x, 'a' as y insert into T",
    "update T set T.x = 5 on T.y == 'a'",
    "from A within '2020-01-01 00:00:00', '2021-01-01 00:00:00' per 'hours' select *",
    "delete T on T.x == 1",
)
HELD = compile_plan(LANGUAGE)


def _plan(chance: random.Random) -> str:
    return mutate_text(chance, chance.choice(PLANS), WORDS)


def _question(chance: random.Random) -> str:
    return mutate_text(chance, chance.choice(QUESTIONS), WORDS)


CONFIG = (ROOT / "examples" / "node1.toml").read_text(encoding="utf-8") + '\n[tls]\nclient_auth = "none"\n'


def _config(chance: random.Random) -> str:
    text = CONFIG.replace("${file:cluster.secret}", "a secret for tests")
    return mutate_text(
        chance, text, ("port", "=", "[[", "true", "1979-05-27", "'''", "[cluster]", "secret", "${file:/}")
    )


def _read_config(text: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "node.toml"
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        read_config(path, {})


# -- files

STATE = {
    "plan": {"q1": [1, 2.5, "x", None, np.arange(5), np.array([True]), frozenset({1, 2})], "big": 1 << 70},
    "strings": ["a", "b"],
}


MEMBER_STATE = MemberState(
    Sequence(5),
    LogTimeMs(9),
    ((ClientId("client"), ClientSequence(3), LogTimeMs(4)),),
    (("plan", "define stream S (x int);"),),
    (("sink", Sequence(4)),),
)


def _state(chance: random.Random) -> bytes:
    """An engine's state under a right checksum."""
    whole = encode_state(STATE)
    if chance.random() < 0.3:
        return mutate_bytes(chance, whole)
    tree = msgpack.unpackb(whole[22:], raw=False, strict_map_key=False)
    body = mutate_bytes(chance, whole[22:]) if chance.random() < 0.5 else _repacked(mutate_tree(chance, tree))
    return whole[:6] + hashlib.blake2b(body, digest_size=16).digest() + body


def _repacked(tree: Any) -> bytes:
    try:
        return bytes(msgpack.packb(tree, use_bin_type=True))
    except (OverflowError, ValueError):
        return b"\xc0"


STREAM_STATE = {**STATE, "column": np.arange(2_000), "rows": [[number, "x"] for number in range(40)]}
STREAM = written(STREAM_STATE).whole
CHUNKS = (b"member", STREAM[:3_000], STREAM[3_000:])
LISTED = tuple(Chunk(chunk_name(each), len(each)) for each in CHUNKS)
MANIFEST = encode_manifest(SnapshotManifest(POSITION, ((Epoch(1), Sequence(1)),), 1, LISTED))


def _state_stream(chance: random.Random) -> bytes:
    """An engine's state as a stream: its skeleton another tree, or the bytes of all mutated."""
    if chance.random() < 0.5:
        return mutate_bytes(chance, STREAM)
    (length,) = struct.unpack_from("<I", STREAM, 6)
    tree = msgpack.unpackb(STREAM[10 : 10 + length], raw=False, strict_map_key=False)
    skeleton = _repacked(mutate_tree(chance, tree))
    return STREAM[:6] + struct.pack("<I", len(skeleton)) + skeleton + STREAM[10 + length :]


def _manifest(chance: random.Random) -> bytes:
    """Under a right checksum, mostly."""
    if chance.random() < 0.3:
        return mutate_bytes(chance, MANIFEST)
    body = mutate_bytes(chance, MANIFEST[:-16])
    return body + hashlib.blake2b(body, digest_size=16, person=b"eiha manifest").digest()


def _packed_snapshot(chance: random.Random) -> bytes:
    whole = struct.pack("<I", len(MANIFEST)) + MANIFEST + b"".join(CHUNKS)
    return mutate_bytes(chance, whole) if chance.random() < 0.9 else whole


def _read_packed_snapshot(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "snapshot"
        path.write_bytes(data)
        _, reader = read_snapshot_file(path)
        read_state(reader)


# -- what is kept of states that differed, and of events that were left out


def _dumped_state() -> bytes:
    """The state of an engine with a plan, after an event, as a stream."""
    engine = EngineRuntime()
    plan = "define stream Trades (symbol string, price double, volume long, is_big bool, notes object);"
    plan += "from Trades#window.length(3) select symbol, sum(volume) as s group by symbol insert into Out;"
    bodies = (DeployPlan("plan", plan), Publications((PUBLICATION,)))
    for number, body in enumerate(bodies, 1):
        engine.apply(LogEntry(Epoch(1), Sequence(number), LogTimeMs(1_000), body))
    return written(decode_state(engine.snapshot())).whole


DUMPED = _dumped_state()


def _pack(engine_state: bytes) -> bytes:
    """A dump, whole."""
    chunks = (b"member", engine_state)
    listed = tuple(Chunk(chunk_name(each), len(each)) for each in chunks)
    manifest = encode_manifest(SnapshotManifest(POSITION, ((Epoch(1), Sequence(1)),), 1, listed))
    return struct.pack("<I", len(manifest)) + manifest + b"".join(chunks)


def _dump(chance: random.Random) -> bytes:
    """A dump whose state is another tree, under right checksums; or the bytes of all mutated."""
    if chance.random() < 0.3:
        return mutate_bytes(chance, _pack(DUMPED))
    (length,) = struct.unpack_from("<I", DUMPED, 6)
    tree = msgpack.unpackb(DUMPED[10 : 10 + length], raw=False, strict_map_key=False)
    skeleton = _repacked(mutate_tree(chance, tree))
    return _pack(DUMPED[:6] + struct.pack("<I", len(skeleton)) + skeleton + DUMPED[10 + length :])


def _compare(data: bytes) -> None:
    """As ``eiha diff`` does, with a dump that is whole, both ways round."""
    with tempfile.TemporaryDirectory() as name, contextlib.redirect_stdout(io.StringIO()):
        directory = Path(name)
        (directory / "whole").write_bytes(_pack(DUMPED))
        (directory / "given").write_bytes(data)
        for mine, peer in (("whole", "given"), ("given", "whole")):
            options = argparse.Namespace(mine=directory / mine, peer=directory / peer, all=False, json=mine == "given")
            with contextlib.redirect_stderr(io.StringIO()):
                if diff_command.run(options) == diff_command.UNREADABLE:
                    raise CorruptFile("eiha diff says so")


def _error_rows(data: bytes) -> None:
    """What is left out becomes rows for the error store, whatever it is."""
    rows = ErrorRows("plan")
    publication = Publication(ClientId("client"), ClientSequence(1), "Trades", 3, data)
    rows.add(publication, TRADES.schema, None, "raised", "why")
    assert rows.output(ENTRIES[2]) is not None or decode_batch(data, TRADES.schema).rows == 0


EVENT = '{"symbol": "IBM", "price": "Infinity", "volume": 10, "is_big": true, "notes": {"a": [1, null]}}'


def _stored_error(chance: random.Random) -> str:
    return mutate_text(chance, EVENT, ("null", "1e999", "NaN", "[" * 3_000, '"eiha_event_time"', "{", "[]", "\\ud800"))


def _replay(text: str) -> None:
    """As ``eiha errors show`` and ``replay`` read what somebody may have changed in the database."""
    row = ErrorRow("plan", 1, 0, "Trades", "raised", text, text, 1, 0, text, True, 5, 6, 0)
    shown([row])
    json.dumps(row_document(row))
    for times in Times:
        _, body, _ = request_of([row, row], times)
        assert isinstance(json.loads(body), list)


def _segment(chance: random.Random) -> bytes:
    """A log segment: some payloads mutated under right checksums, or the bytes of all mutated."""
    parts = [SEGMENT_HEAD]
    for entry, payload in zip(ENTRIES, ENTRY_BYTES, strict=True):
        data = (mutate_packed(chance, payload) or b"\xc0") if chance.random() < 0.15 else payload
        parts += encode_record(entry.position, data)
    whole = b"".join(parts)
    return mutate_bytes(chance, whole) if chance.random() < 0.6 else whole


SEGMENT_HEAD = encode_segment_header(SegmentHeader(Sequence(1), LogPosition(Sequence(0), Epoch(0))))


def _open_log(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        log = LogSegments(Path(directory))
        log.open()
        log.append(ENTRIES[:1])
        log.close()
        next(Path(directory).glob("*.log")).write_bytes(data)
        try:
            log = LogSegments(Path(directory))
            log.open()
        finally:
            log.close()


def _witness_file(chance: random.Random) -> bytes:
    whole = WITNESS_HEAD + b"".join(
        part
        for number, change in enumerate(CHANGES, 1)
        for part in encode_record(
            LogPosition(Sequence(number), Epoch(2)),
            (mutate_packed(chance, encode_change(change)) or b"\xc0")
            if chance.random() < 0.2
            else encode_change(change),
        )
    )
    return mutate_bytes(chance, whole) if chance.random() < 0.6 else whole


WITNESS_HEAD = witness_file._header()
LOCATION = MemberLocation(NodeId("node1"), "10.0.0.1", "10.0.0.1", 10005, 11224, 9763, 11225)


def _announcement(chance: random.Random) -> bytes:
    whole = encode_announcement("cluster", LOCATION, Incarnation("disk"), SECRET)
    if chance.random() < 0.4:
        return mutate_bytes(chance, whole)
    body = mutate_packed(chance, whole[:-32])
    return body + hmac.new(SECRET, body, hashlib.sha256).digest()


TARGETS: tuple[Target, ...] = (
    Target("messages", _message, _decode_message, (ProtocolError,)),
    Target("frames", _stream, _decode_stream, (ProtocolError,)),
    Target("handshake", _stream, _handshake, (ProtocolError,)),
    Target("entries", lambda c: mutate_packed(c, c.choice(ENTRY_BYTES)), decode_entry, (ProtocolError, CorruptFile)),
    Target("batches", lambda c: mutate_packed(c, PAYLOAD), _decode_batch, (MalformedBatch, WrongSchema)),
    Target("json", _json, _decode_json, (MalformedBody, UnsupportedType, WrongSchema)),
    Target("http", _request, _serve, ()),
    Target("plan syntax", _plan, parse, (PlanError,)),
    Target("plans", _plan, compile_plan, (PlanError,)),
    Target("question syntax", _question, parse_on_demand, (PlanError,)),
    Target("questions", _question, lambda text: compile_on_demand(text, HELD), (PlanError, QueryError)),
    Target("configuration", _config, _read_config, (ConfigurationError,)),
    Target("engine state", _state, decode_state, (CorruptFile,)),
    Target("state stream", _state_stream, lambda data: read_state(Stream(data)), (CorruptFile,)),
    Target("manifests", _manifest, decode_manifest, (CorruptFile,)),
    Target("packed snapshots", _packed_snapshot, _read_packed_snapshot, (CorruptFile,)),
    Target(
        "member state",
        lambda c: mutate_packed(c, encode_member_state(MEMBER_STATE)),
        decode_member_state,
        (CorruptFile, MalformedBatch, WrongSchema),
    ),
    Target("dumps", _dump, _compare, (CorruptFile,)),
    Target("error rows", lambda c: mutate_packed(c, PAYLOAD), _error_rows, ()),
    Target("stored errors", _stored_error, _replay, (NodeRefused,)),
    Target("log segments", _segment, _open_log, (CorruptFile,)),
    Target("witness file", _witness_file, lambda data: recover_changes(data, Path("witness")), (CorruptFile,)),
    Target("changes", lambda c: mutate_packed(c, encode_change(CHANGES[1])), decode_change, (ProtocolError,)),
    Target("announcements", _announcement, lambda data: decode_announcement(data, "cluster", SECRET), ()),
)
