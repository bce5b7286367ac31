"""What one event costs the interpreter on its way from the client to the acknowledgement, stage by stage.

    python -m benchmarks.single_event [--events 5000] [--json FILE]

Client, active and passive run here in one process and one thread, without sockets: the code of the way itself, in its
order, with the real log on disk and the real core. So it repeats well: a median is hardly moved by other load. What a
pair takes beyond the sum is the system: sockets, wake-ups, the interpreter taken by the engine's thread
(``python -m benchmarks.pair`` measures the whole).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import defaultdict, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.generated import generate
from benchmarks.load import arrays_of
from benchmarks.pair import SPEC
from eiha.client.arrays import arrays_to_batch
from eiha.events.schema import Attribute, AttributeType, Schema, StreamDefinition
from eiha.events.wire import check as check_batch
from eiha.events.wire import encode as encode_batch
from eiha.ha.effects import AckClient, Apply, CompareAndSet, Effect, Persist, ReadWitness, Send
from eiha.ha.inputs import (
    Applied,
    Channel,
    Input,
    LinkUp,
    Persisted,
    Received,
    Start,
    Submit,
    Tick,
    WitnessCasDone,
    WitnessReadDone,
)
from eiha.ha.member import Member, MemberConfig
from eiha.ha.witness_row import Mine, Others, Read, WitnessRow
from eiha.kernel.ids import ClientId, ClientSequence, Incarnation, LinkId, NodeId
from eiha.node.system_clock import read_clocks
from eiha.protocol.client_codec import decode_client_message, encode_client_message
from eiha.protocol.client_messages import Acked, Publish
from eiha.protocol.framing import FrameDecoder, encode_frame_parts
from eiha.protocol.limits import PEER_FRAME_BYTES_MAX
from eiha.protocol.log_entry import Publication
from eiha.protocol.peer_codec import decode_peer_message, encode_peer_message
from eiha.protocol.peer_messages import PeerIdentity
from eiha.storage.log_segments import LogSegments

STREAM = StreamDefinition(
    "Trades",
    Schema(
        (
            Attribute("symbol", AttributeType.STRING),
            Attribute("price", AttributeType.FLOAT),
            Attribute("volume", AttributeType.INT),
        )
    ),
)
WARM_UP = 500
AFTER = "after the acknowledgement"
T = TypeVar("T")


class Stopwatch:
    """Times per stage, in the order in which stages were first met."""

    def __init__(self) -> None:
        self.on = False
        self.times: dict[str, list[int]] = defaultdict(list)
        self._event: dict[str, int] = defaultdict(int)

    def take(self, stage: str, work: Callable[[], T]) -> T:
        """Do ``work``; its time counts for ``stage``."""
        begin = time.perf_counter_ns()
        result = work()
        self._event[stage] += time.perf_counter_ns() - begin
        return result

    def event_done(self) -> None:
        """What was taken since the last call is one event's."""
        for stage, nanoseconds in self._event.items():
            if self.on:
                self.times[stage].append(nanoseconds)
        self._event.clear()


class World:
    """Two members, their logs, the witness; messages go through their real form."""

    def __init__(self, directory: Path, watch: Stopwatch) -> None:
        self.watch = watch
        self.row: WitnessRow | None = None
        self.acked = 0
        self.work: deque[tuple[str, Input]] = deque()
        self.later: deque[tuple[str, Input]] = deque()
        self.frames: deque[tuple[str, Channel, list[bytes | memoryview]]] = deque()
        self.names = {"node1": "active", "node2": "passive"}
        self.members = {name: Member(MemberConfig("bench", NodeId(name))) for name in self.names}
        self.decoders = {name: FrameDecoder(PEER_FRAME_BYTES_MAX) for name in self.names}
        self.logs = {name: LogSegments(directory / name) for name in self.names}
        self.settled_at = ""
        for name, log in self.logs.items():
            log.open()
            self.put(name, Start(Incarnation(name), (), None, 0, ()))
        for channel in Channel:
            self.put("node1", LinkUp(channel, LinkId(1), PeerIdentity(NodeId("node2"), Incarnation("node2"))))
            self.put("node2", LinkUp(channel, LinkId(1), PeerIdentity(NodeId("node1"), Incarnation("node1"))))
        for _ in range(200):
            if self.members["node1"].status().state == "synced":
                return
            time.sleep(0.01)  # the members' own clocks must go on
            for name in self.names:
                self.put(name, Tick())
            self.run_later()
        raise SystemExit(f"the members did not become a pair: {self.members['node1'].status()}")

    def put(self, name: str, happened: Input) -> None:
        """Give an input and carry everything out that follows at once."""
        self.work.append((name, happened))
        while self.work or self.frames:
            while self.work:
                to, input_ = self.work.popleft()
                stage = self._stage(to, f"step {type(input_).__name__}{self._message(input_)}")
                effects = self.watch.take(
                    stage, lambda to=to, input_=input_: self.members[to].step(input_, read_clocks())
                )
                for effect in effects:
                    self._carry_out(to, effect)
            if self.frames:
                self._deliver(*self.frames.popleft())

    def run_later(self) -> None:
        """What the engines answer."""
        while self.later:
            self.put(*self.later.popleft())

    def _stage(self, name: str, what: str) -> str:
        return f"{AFTER}: {self.names[name]}: {what}" if self.acked else f"{self.names[name]}: {what}"

    @staticmethod
    def _message(input_: Input) -> str:
        return f" {type(input_.message).__name__}" if isinstance(input_, Received) else ""

    def _carry_out(self, name: str, effect: Effect) -> None:
        match effect:
            case Persist(entries):
                self.watch.take(self._stage(name, "append to the log"), lambda: self.logs[name].append(entries))
                self.work.append((name, Persisted(entries[-1].position)))
            case Send(channel, _, message):
                parts = self.watch.take(
                    self._stage(name, f"encode {type(message).__name__}"), lambda: self._encoded(message)
                )
                self.frames.append(("node2" if name == "node1" else "node1", channel, parts))
            case AckClient(_, through):
                frame = self.watch.take(
                    self._stage(name, "encode the acknowledgement"),
                    lambda: encode_frame_parts(*_one_part(encode_client_message(Acked(through)))),
                )
                self.watch.take("client: take the acknowledgement", lambda: _received(frame))
                self.acked = through
            case Apply(entries):
                self.later.append((name, Applied(entries[-1].sequence, (), None, None)))
            case ReadWitness(request):
                self.work.append((name, WitnessReadDone(request, Read(self.row))))
            case CompareAndSet(request, expected, row):
                fits = (None if self.row is None else self.row.version) == expected
                if fits:
                    self.row = row
                assert self.row is not None
                self.work.append((name, WitnessCasDone(request, Mine(row) if fits else Others(self.row))))

    @staticmethod
    def _encoded(message: Any) -> list[bytes | memoryview]:
        return encode_frame_parts(*_one_part(encode_peer_message(message)))

    def _deliver(self, name: str, channel: Channel, parts: list[bytes | memoryview]) -> None:
        data = b"".join(parts)
        decoder = self.decoders[name]

        def decode() -> Any:
            decoder.receive(data)
            frame = decoder.next_frame()
            assert frame is not None
            return decode_peer_message(frame.type, frame.body)

        begin = time.perf_counter_ns()
        message = decode()
        taken = time.perf_counter_ns() - begin
        self.watch._event[self._stage(name, f"decode {type(message).__name__}")] += taken
        self.work.append((name, Received(channel, LinkId(1), message)))


def _one_part(encoded: tuple[int, bytes]) -> tuple[int, tuple[bytes]]:
    return encoded[0], (encoded[1],)


def _received(parts: list[bytes | memoryview]) -> Any:
    decoder = FrameDecoder(PEER_FRAME_BYTES_MAX)
    decoder.receive(b"".join(parts))
    frame = decoder.next_frame()
    assert frame is not None
    return decode_client_message(frame.type, frame.body)


def send_one(world: World, columns: dict[str, Any], sequence: int) -> None:
    """One event from the client's call to everything that follows from it."""
    watch = world.watch
    world.acked = 0

    def encode() -> list[bytes | memoryview]:
        batch = arrays_to_batch(columns, STREAM, None)
        message = Publish(ClientSequence(sequence), 0, batch.rows, encode_batch(batch))
        return encode_frame_parts(*_one_part(encode_client_message(message)))

    def receive() -> Publication:
        message = _received(frame)
        rows = check_batch(message.payload, STREAM.schema)
        return Publication(ClientId("c"), ClientSequence(sequence), STREAM.name, rows, message.payload)

    frame = watch.take("client: encode and frame", encode)
    publication = watch.take("active: decode and check the publication", receive)
    world.put("node1", Submit((publication,)))
    assert world.acked == sequence
    world.run_later()
    watch.event_done()


def measure(directory: Path, events: int) -> dict[str, float]:
    """Microseconds per stage, medians."""
    watch = Stopwatch()
    world = World(directory, watch)
    watch.event_done()
    prepared = [
        arrays_of(generate(SPEC, first=index, rows=1, dt_ms=None, seed=3), STREAM.schema.names) for index in range(16)
    ]
    for number in range(1, WARM_UP + events + 1):
        watch.on = number > WARM_UP
        send_one(world, prepared[number % len(prepared)], number)
    for log in world.logs.values():
        log.close()
    # stages that only some events have (a heartbeat between them) are not part of the way
    return {stage: float(np.median(times)) / 1_000 for stage, times in watch.times.items() if len(times) > events // 2}


def main() -> int:
    """Measure and show."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.single_event", description=__doc__)
    parser.add_argument("--events", type=int, default=5_000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        stages = measure(Path(directory), arguments.events)
    table = Table(title="one event, µs of the interpreter (medians)")
    table.add_column("stage")
    table.add_column("µs", justify="right")
    for stage, microseconds in stages.items():
        table.add_row(stage, f"{microseconds:.1f}")
    before = sum(value for stage, value in stages.items() if not stage.startswith(AFTER))
    table.add_section()
    table.add_row("until the acknowledgement", f"{before:.0f}")
    table.add_row(AFTER, f"{sum(stages.values()) - before:.0f}")
    Console().print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(stages, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
