"""Two members with the least of a world around them, driven by commands; what they say becomes text."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from eiha.ha.effects import (
    AckClient,
    Apply,
    CloseLink,
    CompareAndSet,
    Effect,
    Fact,
    FindChunks,
    Halt,
    KeepDump,
    OpenSink,
    Persist,
    Publish,
    ReadWitness,
    RejectClient,
    RememberWitness,
    ResetLog,
    RestoreSnapshot,
    RevokePermit,
    RoleChanged,
    SaveSnapshot,
    Send,
    SendChunk,
    SetIntake,
    StoreChunk,
    TakeSnapshot,
    TrimLog,
    TruncateLog,
)
from eiha.ha.inputs import (
    AcceptLossAsked,
    Applied,
    Channel,
    ChunksFound,
    ChunkStored,
    Flush,
    Input,
    LinkDown,
    LinkUp,
    Persisted,
    Published,
    Received,
    Restored,
    SinkFenced,
    SinkOpened,
    SnapshotFacts,
    SnapshotRefused,
    SnapshotSaved,
    SnapshotTaken,
    Start,
    StopAsked,
    Submit,
    SwitchoverAsked,
    Tick,
    WitnessCasDone,
    WitnessReadDone,
)
from eiha.ha.member import Member, MemberConfig
from eiha.ha.member_state import encode_member_state
from eiha.ha.policy import Policy
from eiha.ha.witness_row import Mine, Others, Read, Unknown, WitnessRow
from eiha.kernel.ids import ClientId, ClientSequence, Incarnation, LinkId, MonotonicMs, NodeId, Now, Sequence, WallMs
from eiha.protocol.log_entry import LogEntry, Publication
from eiha.protocol.peer_messages import PeerIdentity, SnapshotChunk
from eiha.protocol.snapshot_format import Chunk, SnapshotManifest, chunk_name
from eiha.protocol.state_digest import PartDigest, StateDigest, names_digest

CHANNELS = (Channel.MANAGEMENT, Channel.EVENT_SYNC)
START_OF_TIME_MS = 1_700_000_000_000


@dataclass
class Disk:
    """What survives a killed process."""

    incarnation: str
    entries: list[LogEntry] = field(default_factory=list)
    snapshot: SnapshotFacts | None = None
    older: SnapshotFacts | None = None
    contents: dict[bytes, SnapshotFacts] = field(default_factory=dict)
    witness_version: int = 0
    damaged: bool = False


class Node:
    """A member, its disk, and an engine that does nothing but count."""

    def __init__(self, pair: Pair, name: str, disk: Disk) -> None:
        self.pair = pair
        self.name = name
        self.disk = disk
        self.member = Member(MemberConfig("golden", NodeId(name), ("processed",), pair.policy))
        self.local: deque[Input] = deque()
        self.digest_salt = b""
        self.facts: dict[int, SnapshotFacts] = {}

    def _digest(self, sequence: int) -> StateDigest:
        names = ("sums",)
        return StateDigest(
            names_digest(names), (PartDigest(0, 0, 1, f"{sequence}".encode() + self.digest_salt),), names
        )

    def put(self, happened: Input) -> None:
        """Give one input, carry its effects out, and everything that follows on this node at once."""
        self.local.append(happened)
        while self.local:
            for effect in self.member.step(self.local.popleft(), self.pair.now()):
                self.carry_out(effect)

    def carry_out(self, effect: Effect) -> None:
        answer, disk, pair = self.local.append, self.disk, self.pair
        match effect:
            case Send(channel, link, message):
                muted = channel is Channel.EVENT_SYNC and self.name in pair.muted
                if pair.links.get(channel) == link and not muted:
                    pair.network[channel].append((self.name, link, message))
            case CloseLink(channel, _, reason):
                pair.say(self.name, f"closes {channel.value}: {reason}")
            case Persist(entries):
                disk.entries.extend(entries)
                answer(Persisted(entries[-1].position))
            case TruncateLog(last):
                disk.entries = [entry for entry in disk.entries if entry.sequence <= last.sequence]
                pair.say(self.name, f"cuts its log after {last.sequence}")
            case ResetLog(start):
                disk.entries = []
                pair.say(self.name, f"empties its log, next is {start.sequence + 1}")
            case TrimLog(through):
                disk.entries = [entry for entry in disk.entries if entry.sequence > through]
            case RememberWitness(version):
                disk.witness_version = version
            case Apply(entries, digest):
                answer(Applied(entries[-1].sequence, (), None, self._digest(entries[-1].sequence) if digest else None))
            case TakeSnapshot(request, position, starts, member_state):
                content = f"state {position.sequence}".encode()
                pair.contents[content] = SnapshotFacts(position, starts, encode_member_state(member_state))
                disk.older, disk.snapshot = disk.snapshot, pair.contents[content]
                manifest = SnapshotManifest(position, starts, 0, (Chunk(chunk_name(content), len(content)),))
                answer(SnapshotTaken(request, manifest))
            case FindChunks(transfer, _):
                answer(ChunksFound(transfer, (0,)))
            case SendChunk(link, transfer, index, chunk):
                (data,) = (content for content in pair.contents if chunk.is_of(content))
                pair.network[Channel.MANAGEMENT].append((self.name, link, SnapshotChunk(transfer, index, data)))
            case StoreChunk(transfer, index, chunk, data):
                answer(ChunkStored(transfer, index, chunk.is_of(data)))
            case SaveSnapshot(manifest):
                disk.snapshot = pair.facts_of(manifest)
                answer(SnapshotSaved(manifest.position))
            case KeepDump(dump, side, manifest, withdraw):
                if withdraw:
                    disk.snapshot = disk.older
                pair.say(self.name, f"keeps the state after {manifest.position.sequence} as {dump}/{side}")
            case RestoreSnapshot(manifest):
                facts = disk.snapshot if manifest is None else pair.facts_of(manifest)
                assert facts is not None
                if disk.damaged and manifest is None:
                    answer(SnapshotRefused("the snapshot fails its checksum"))
                else:
                    disk.damaged = False
                    answer(Restored(facts, None))
            case ReadWitness(request):
                answer(WitnessReadDone(request, pair.witness.read()))
            case CompareAndSet(request, expected, row):
                answer(WitnessCasDone(request, pair.witness.compare_and_set(expected, row)))
            case AckClient(client_id, through):
                pair.say(self.name, f"acknowledges {client_id} through {through}")
            case RejectClient(client_id, sequence, reason, _, expected):
                pair.say(self.name, f"refuses {client_id} {sequence}: {reason} (expected {expected})")
            case OpenSink(sink, permit):
                answer(pair.open_sink(sink, permit.epoch))
            case Publish(sink, _, _, through, permit):
                answer(Published(sink, permit.epoch, through))
            case SetIntake(is_open, reason):
                pair.say(self.name, f"{'opens' if is_open else 'closes'} its intake: {reason}")
            case RevokePermit():
                pair.say(self.name, "gives up its permit")
            case RoleChanged(before, after, trigger, detail):
                pair.say(self.name, f"{before} -> {after}, {trigger}: {detail}")
            case Fact(level, event, detail):
                mark = {"info": "", "warning": "! ", "error": "!! "}[level]
                pair.say(self.name, f"{mark}{event}: {detail}")
            case Halt(reason, failed):
                pair.say(self.name, f"HALT{' failed' if failed else ''}: {reason}")


class Witness:
    """One row; ``mode`` is ``up``, ``down``, ``lost-reply`` (the next swap is applied, its reply is not seen) or
    ``delayed`` (the next swap has no reply and is applied at ``release``, if it still fits)."""

    def __init__(self) -> None:
        self.late: tuple[int | None, WitnessRow] | None = None
        self.row: WitnessRow | None = None
        self.mode = "up"

    def read(self) -> Read | Unknown:
        return Unknown("down") if self.mode == "down" else Read(self.row)

    def compare_and_set(self, expected: int | None, row: WitnessRow) -> Mine | Others | Unknown:
        if self.mode == "down":
            return Unknown("down")
        if self.mode == "delayed":
            self.mode, self.late = "up", (expected, row)
            return Unknown("no reply")
        if (None if self.row is None else self.row.version) != expected:
            return Others(self.row)
        self.row = row
        if self.mode == "lost-reply":
            self.mode = "up"
            return Unknown("reply lost")
        return Mine(row)


class Pair:
    """The world. ``run(command)`` returns what the nodes said, one line each."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.policy = policy or Policy(digest_interval_entries=8, log_tail_bytes=1_000, catch_up_bytes_max=10_000)
        self.witness = Witness()
        self.nodes: dict[str, Node] = {}
        self.disks = {"a": Disk("a.1"), "b": Disk("b.1")}
        self.links: dict[Channel, LinkId] = {}
        self.network: dict[Channel, deque[tuple[str, LinkId, object]]] = {channel: deque() for channel in CHANNELS}
        self.contents: dict[bytes, SnapshotFacts] = {}
        self.time_ms = 0
        self.links_made = 0
        self.sink_epoch = 0
        self.muted: set[str] = set()
        self.said: list[str] = []

    def facts_of(self, manifest: SnapshotManifest) -> SnapshotFacts:
        (content,) = (content for content in self.contents if manifest.chunks[0].is_of(content))
        return self.contents[content]

    def now(self) -> Now:
        return Now(MonotonicMs(self.time_ms), WallMs(START_OF_TIME_MS + self.time_ms))

    def say(self, node: str, text: str) -> None:
        self.said.append(f"{node} {text}")

    def open_sink(self, sink: str, epoch: int) -> Input:
        if epoch < self.sink_epoch:
            return SinkFenced(sink, epoch=type(epoch)(self.sink_epoch))
        self.sink_epoch = epoch
        return SinkOpened(sink, epoch, Sequence(0))

    # -- commands ----------------------------------------------------------------------------------------------

    def run(self, command: str) -> list[str]:
        self.said = []
        verb, *words = command.split()
        getattr(self, "do_" + verb.replace("-", "_"))(*words)
        return self.said

    def do_start(self, name: str) -> None:
        disk = self.disks[name]
        node = self.nodes[name] = Node(self, name, disk)
        node.put(Start(Incarnation(disk.incarnation), tuple(disk.entries), disk.snapshot, disk.witness_version, ()))

    def do_kill(self, name: str) -> None:
        del self.nodes[name]
        self.do_cut()

    def do_wipe(self, name: str) -> None:
        number = int(self.disks[name].incarnation.rpartition(".")[2])
        self.disks[name] = Disk(f"{name}.{number + 1}")

    def do_connect(self) -> None:
        for channel in CHANNELS:
            self.links_made += 1
            self.links[channel] = LinkId(self.links_made)
            self.network[channel].clear()
        for channel in CHANNELS:
            for name, node in self.nodes.items():
                other = "b" if name == "a" else "a"
                peer = PeerIdentity(NodeId(other), Incarnation(self.disks[other].incarnation))
                node.put(LinkUp(channel, self.links[channel], peer))

    def do_cut(self) -> None:
        for channel, link in list(self.links.items()):
            del self.links[channel]
            self.network[channel].clear()
            for node in self.nodes.values():
                node.put(LinkDown(channel, link, "cut"))

    def do_settle(self) -> None:
        while any(self.network.values()):
            for channel in CHANNELS:
                self._deliver(channel)

    def do_deliver(self, *what: str) -> None:
        """Messages travel until a snapshot has begun."""
        self.do_tick("0")
        while any(self.network.values()):
            for channel in CHANNELS:
                self._deliver(channel)
                if any("snapshot_begins" in said for said in self.said):
                    return

    def do_drop(self) -> None:
        for queue in self.network.values():
            queue.clear()

    def _deliver(self, channel: Channel) -> None:
        if self.network[channel]:
            sender, link, message = self.network[channel].popleft()
            receiver = self.nodes.get("b" if sender == "a" else "a")
            if receiver is not None:
                receiver.put(Received(channel, link, message))  # type: ignore[arg-type]

    def do_tick(self, ms: str, *who: str) -> None:
        """Time passes in steps of 10 ms; messages travel unless ``silent`` is said."""
        silent = "silent" in who
        for _ in range(int(ms) // 10):
            self.time_ms += 10
            for node in list(self.nodes.values()):
                node.put(Tick())
            self.do_drop() if silent else self.do_settle()

    def do_publish(self, name: str, client: str, numbers: str) -> None:
        first, _, last = numbers.partition("..")
        together = tuple(
            Publication(ClientId(client), ClientSequence(number), "S", 1, b"row")
            for number in range(int(first), int(last or first) + 1)
        )
        self.nodes[name].put(Submit(together))
        self.nodes[name].put(Flush())

    def do_witness(self, mode: str) -> None:
        self.witness.mode = mode

    def do_release(self) -> None:
        assert self.witness.late is not None
        outcome = self.witness.compare_and_set(*self.witness.late)
        self.said.append(f"the delayed swap is {'applied' if isinstance(outcome, Mine) else 'refused'}")

    def do_mute(self, name: str) -> None:
        self.muted.add(name)

    def do_unmute(self, name: str) -> None:
        self.muted.discard(name)

    def do_damage(self, name: str) -> None:
        self.disks[name].damaged = True

    def do_snapshot(self, name: str) -> None:
        self.nodes[name].member.replica.want_snapshot()
        self.nodes[name].put(Tick())

    def do_row(self) -> None:
        row = self.witness.row
        if row is None:
            self.said.append("no row")
            return
        synced = " ".join(f"{m.node}({m.incarnation})" for m in row.synced)
        active = f"{row.active}({row.active_incarnation})"
        self.said.append(f"version {row.version} epoch {row.epoch} active {active} synced {synced}: {row.reason}")

    def do_status(self, name: str) -> None:
        s = self.nodes[name].member.status()
        self.say(
            name,
            f"{s.role}, {s.state}, epoch {s.epoch}: log {s.log_end}, committed {s.committed_through}, "
            f"applied {s.applied_through}, sessions {s.sessions}; {s.failover_cover}",
        )

    def do_switchover(self, name: str) -> None:
        self.nodes[name].put(SwitchoverAsked())

    def do_stop(self, name: str) -> None:
        self.nodes[name].put(StopAsked())

    def do_accept_loss(self, name: str) -> None:
        self.nodes[name].put(AcceptLossAsked())

    def do_fence(self, name: str) -> None:
        node = self.nodes[name]
        node.put(SinkFenced("processed", type(node.member.epoch)(node.member.epoch + 1)))

    def do_diverge(self, name: str) -> None:
        self.nodes[name].digest_salt = b"!"

    def do_agree(self, name: str) -> None:
        self.nodes[name].digest_salt = b""
