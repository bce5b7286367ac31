"""One simulated node: a machine with a disk and clocks, and the process that runs on it now and then.

The process is the effect interpreter: it gives inputs to ``Member.step`` in turns, as the real shell does, and carries
out the effects with virtual latencies. What it has under way when it dies is lost, half done, or done without anybody
hearing of it, as the part concerned has it.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, assert_never

from eiha.errors import CorruptFile
from eiha.ha import effects as fx
from eiha.ha.inputs import (
    AcceptLossAsked,
    ApplyFailed,
    ChangePlan,
    Channel,
    ClientHello,
    Flush,
    Input,
    SnapshotFacts,
    Start,
    StatementAsked,
    StopAsked,
    Submit,
    SwitchoverAsked,
    Tick,
    WitnessCasDone,
    WitnessReadDone,
)
from eiha.ha.member import Member
from eiha.ha.witness_row import CasOutcome, ReadOutcome
from eiha.kernel.ids import ClientId, ClientSequence, LinkId, MonotonicMs, NodeId, Now, Sequence, WallMs
from eiha.ports import Engine
from eiha.protocol.log_entry import DeployPlan, LogEntry, RemovePlan
from eiha.protocol.peer_messages import Append, PeerIdentity, SnapshotChunk
from eiha.simulation.checkers import Checkers, Violation
from eiha.simulation.disk import SimulatedDisk
from eiha.simulation.engine_worker import EngineWorker
from eiha.simulation.log_writer import LogWriter
from eiha.simulation.network import Endpoint, SimulatedNetwork
from eiha.simulation.randomness import microseconds
from eiha.simulation.scheduler import MS, Scheduler
from eiha.simulation.sink_worker import SinkWorker
from eiha.simulation.sinks import SimulatedStore
from eiha.simulation.snapshot_worker import SnapshotWorker
from eiha.simulation.trace import Trace
from eiha.simulation.witness import SimulatedWitness

WALL_START_MS = 1_767_225_600_000
"""2026-01-01, when every simulation begins."""

TURN_US = (20, 150)
STEP_US = 15
POISON_NOTICED_US = 4_000 * MS
"""When an operator ends a node whose engine never comes to an end."""

SUPERVISOR_US = (100 * MS, 1_000 * MS)
"""How soon a supervisor starts a node again that ended because it was stuck."""


@dataclass(frozen=True, slots=True)
class Holdings:
    """How much a member holds of what must be bounded."""

    pending_publications: int
    held_publications: int


class ClientPort(Protocol):
    """What a process knows of its clients' connections: where acknowledgements and refusals go."""

    def ack(self, node: str, client: ClientId, through: ClientSequence) -> None:
        """Tell ``client``, if it is connected to ``node``."""

    def reject(self, node: str, effect: fx.RejectClient) -> None:
        """Tell the client of ``effect``, if it is connected to ``node``."""


class RunningNode(Protocol):
    """One run of a node, as its machine, the clients, the nemesis and the verdict know it.

    ``dies_after_effects``: it is killed after so many more; negative: never.
    """

    alive: bool
    dies_after_effects: int

    @property
    def engine(self) -> Engine:
        """The engine's state."""

    @property
    def applied_through(self) -> int:
        """The last sequence that the engine applied."""

    def boot(self, snapshot: SnapshotFacts | None, entries: tuple[LogEntry, ...]) -> None:
        """Begin with what the disk holds."""

    def die(self, *, silently: bool) -> None:
        """Stop at once; ``silently``: with its machine."""

    def pause(self, duration_us: int) -> None:
        """SIGSTOP."""

    def resume(self) -> None:
        """SIGCONT."""

    def hello(self, client: ClientId) -> None:
        """A client connected."""

    def submit(self, item: Submit) -> None:
        """A client's publications arrive."""

    def ask(self, item: SwitchoverAsked | StopAsked | ChangePlan | StatementAsked | AcceptLossAsked) -> None:
        """An operator asks for something."""

    def change_plan(self, change: DeployPlan | RemovePlan) -> None:
        """An operator deploys or removes a plan."""


@dataclass(slots=True)
class World:
    """What nodes share."""

    scheduler: Scheduler
    trace: Trace
    checkers: Checkers
    network: SimulatedNetwork
    witness: SimulatedWitness
    stores: dict[str, SimulatedStore]
    make_member: Callable[[NodeId], Member]
    make_engine: Callable[[], Engine]
    ended_stuck: Callable[[SimulatedNode], None]
    plans: tuple[DeployPlan, ...]
    tick_ms: int
    durable: bool
    syncs_at_start: bool
    clients: ClientPort
    make_process: Callable[[SimulatedNode], RunningNode]


class SimulatedNode:
    """A machine: disk and clocks outlive its processes."""

    def __init__(self, world: World, name: NodeId, disk: SimulatedDisk, rng: random.Random) -> None:
        self.world = world
        self.name = name
        self.disk = disk
        self.rng = rng
        self.process: RunningNode | None = None
        self.runs = 0
        self.ended_us = -(1 << 60)
        self.wall_offset_ms = 0
        self.drift = 1 + rng.uniform(-1e-3, 1e-3)
        self.disk_us: tuple[int, int] = (50, 800)
        self.disk_full = False
        self.apply_us: tuple[int, int] = (30, 300)
        self.boot_offset_ms = rng.randint(0, 1_000_000)

    @property
    def identity(self) -> PeerIdentity:
        """What a handshake with this node proves."""
        return PeerIdentity(self.name, self.disk.incarnation)

    def now(self) -> Now:
        """What the machine's clocks read."""
        elapsed_ms = int(self.world.scheduler.now_us * self.drift) // MS
        return Now(
            MonotonicMs(self.boot_offset_ms + elapsed_ms), WallMs(WALL_START_MS + elapsed_ms + self.wall_offset_ms)
        )

    def start(self) -> None:
        """Start a process, unless one runs."""
        if self.process is not None:
            return
        self.runs += 1
        if self.world.syncs_at_start:
            # what a killed process wrote may be in the page cache only, and counts as on disk from here on
            self.disk.sync()
        snapshot, entries = self.disk.recover()
        self.world.trace.note(self.name, "start", lambda: f"{self.disk.incarnation}, log end {self.disk.log_end}")
        self.process = self.world.make_process(self)
        self.process.boot(snapshot, entries)

    def kill(self, *, silently: bool = False) -> None:
        """``kill -9``; ``silently``: the whole machine goes."""
        process, self.process = self.process, None
        if process is not None:
            self.ended_us = self.world.scheduler.now_us
            self.world.trace.note(self.name, "killed", "machine lost power" if silently else "")
            process.die(silently=silently)


class Process:
    """One run of a node. All that is here is lost when it dies."""

    def __init__(self, node: SimulatedNode) -> None:
        self.node = node
        self.world = node.world
        self.name = node.name
        self.label = f"{node.name}#{node.runs}"
        self.incarnation = node.disk.incarnation
        self.alive = True
        self.intake_open = False
        self.paused_until_us = 0
        self.dies_after_effects = -1
        self._member = node.world.make_member(node.name)
        self._inbox: deque[Input] = deque()
        self._waiting_submits: deque[Submit] = deque()
        self._turn_planned = False
        self._ticks = 0
        self._free_at_us = 0
        self._rng = random.Random(node.rng.random())  # noqa: S311
        self._endpoint = Endpoint(node.name, node.identity, self.deliver)
        scheduler, checkers = self.world.scheduler, self.world.checkers
        self._log = LogWriter(
            scheduler, self._rng, node.disk, self.deliver, self._log_discarded, durable=self.world.durable
        )
        self._log.latency_us = lambda: node.disk_us
        self._log.is_full = lambda: node.disk_full
        self._snapshots = SnapshotWorker(scheduler, self._rng, node.disk, self.deliver, self._send_chunk)
        self._snapshots.latency_us = lambda: node.disk_us
        self._snapshots.is_full = lambda: node.disk_full
        self._engine = EngineWorker(
            scheduler,
            self._rng,
            node.disk,
            self.world.make_engine(),
            self.deliver,
            self._snapshots.fork,
            checkers,
            node.name,
            self._poisoned,
        )
        self._engine.latency_us = lambda: node.apply_us
        self._sinks = {
            name: SinkWorker(scheduler, self._rng, store, self.deliver, self, checkers.outputs.store_committed)
            for name, store in self.world.stores.items()
        }

    @property
    def engine(self) -> Engine:
        """The engine's state, for the fault that spoils it."""
        return self._engine.engine

    @property
    def engine_is_stuck(self) -> bool:
        """Whether the engine stands at an entry that it will not end."""
        return self._engine.is_stuck

    def stick_engine(self, *, stuck: bool) -> None:
        """From now on no entry is applied to its end; or go on."""
        self._engine.stick(stuck=stuck)

    @property
    def is_awake(self) -> bool:
        """Whether the process runs and is not stopped."""
        return self.alive and self.world.scheduler.now_us >= self.paused_until_us

    @property
    def is_in_touch(self) -> bool:
        """Whether the process has both connections and hears of its peer over them."""
        links, member = self._member.ctx.links, self._member
        if any(links.link(channel) is None for channel in Channel) or not member.started:
            return False
        suspicion = member.heartbeat.detector.suspicion(
            self.node.now().monotonic_ms, grace_ms=0, timeout_ms=member.ctx.policy.failure_timeout_ms // 2
        )
        return suspicion is None

    def _check_room(self) -> None:
        """Entries are given to the engine only while the outbox has room for what they put out."""
        rows, most = self._member.replica.outbox.rows, self._member.ctx.policy.outbox_rows_max
        if rows >= most:
            raise Violation("bounded", f"{self.name} applies although {rows} outputs wait, of at most {most}")

    def holdings(self) -> Holdings:
        """What the member holds."""
        return Holdings(len(self._member.pending), len(self._member.held))

    @property
    def applied_through(self) -> int:
        """The last sequence that the engine applied."""
        return self._engine.applied_through

    # Life

    def boot(self, snapshot: SnapshotFacts | None, entries: tuple[LogEntry, ...]) -> None:
        """Begin with what the disk holds."""
        self.world.checkers.order.restarted_at(self.name, 0)
        disk = self.node.disk
        seen, mark = disk.witness_version_seen, Sequence(disk.applied_mark)
        self.deliver(Start(self.incarnation, entries, snapshot, seen, self.world.plans, mark))
        self.world.network.attach(self._endpoint)
        self._tick(self._ticks)

    def die(self, *, silently: bool) -> None:
        """Stop at once. Work handed to the disk or the witness may still land."""
        self.alive = False
        self._inbox.clear()
        self._log.die()
        self._snapshots.die()
        self._engine.die()
        for sink in self._sinks.values():
            sink.die()
        self.world.network.detach(self._endpoint, silently=silently)

    def pause(self, duration_us: int) -> None:
        """SIGSTOP: no turn until then; what is under way outside goes on."""
        self.world.trace.note(self.name, "pause", f"{duration_us / MS:.0f} ms")
        self.paused_until_us = max(self.paused_until_us, self.world.scheduler.now_us + duration_us)

    def resume(self) -> None:
        """SIGCONT."""
        if self.paused_until_us > self.world.scheduler.now_us:
            self.paused_until_us = 0
            self._turn_planned = False
            self._ticks += 1
            self._tick(self._ticks)

    # Inputs

    def deliver(self, item: Input) -> None:
        """Queue an input for the next turn."""
        if self.alive:
            self._inbox.append(item)
            self._plan_turn()

    def submit(self, item: Submit) -> None:
        """A client's publications arrive; they wait in their socket while intake is closed."""
        if not self.alive:
            return
        if self.intake_open:
            self.deliver(item)
        else:
            self._waiting_submits.append(item)

    def hello(self, client: ClientId) -> None:
        """A client connected."""
        self.deliver(ClientHello(client))

    def ask(self, item: SwitchoverAsked | StopAsked | ChangePlan | StatementAsked | AcceptLossAsked) -> None:
        """An operator asks for something."""
        self.deliver(item)

    def change_plan(self, change: DeployPlan | RemovePlan) -> None:
        """An operator deploys or removes a plan."""
        self.deliver(ChangePlan(change))

    def _tick(self, chain: int) -> None:
        if not self.alive or chain != self._ticks:
            return
        now_us = self.world.scheduler.now_us
        if now_us >= self.paused_until_us:
            self.deliver(Tick(0, self._engine.at))
        next_us = max(now_us + self.world.tick_ms * MS, self.paused_until_us)
        self.world.scheduler.at(next_us, self._tick, chain)

    def _plan_turn(self) -> None:
        if self._turn_planned:
            return
        self._turn_planned = True
        at_us = self.world.scheduler.now_us + microseconds(self._rng, *TURN_US)
        self.world.scheduler.at(max(at_us, self._free_at_us, self.paused_until_us), self._turn)

    def _turn(self) -> None:
        self._turn_planned = False
        if not self.alive or not self._inbox:
            return
        if self.world.scheduler.now_us < self.paused_until_us:
            self._plan_turn()
            return
        now = self.node.now()
        steps = 0
        idle = True
        while self._inbox:
            item = self._inbox.popleft()
            idle = idle and isinstance(item, Tick)
            self._step(item, now)
            steps += 1
        if not idle and self._lives():
            self._step(Flush(), now)
        self._free_at_us = self.world.scheduler.now_us + steps * STEP_US
        if self._inbox and self.alive:
            self._plan_turn()

    def _log_discarded(self) -> None:
        """Entries are gone from this disk: they must not be acknowledged ones while the witness names it."""
        row = self.world.witness.row
        if row is not None and self.node.identity in row.synced:
            self.world.checkers.lost.check(self.node.disk, "log cut or begun anew")

    def _lives(self) -> bool:
        """``alive`` as a call, for after steps that may have ended the process."""
        return self.alive

    def _step(self, item: Input, now: Now) -> None:
        trace = self.world.trace
        trace.mark(self.name, type(item).__name__)
        if trace.on and not isinstance(item, Tick | Flush):
            trace.line(self.name, "< " + type(item).__name__, repr(item))
        if isinstance(item, ApplyFailed) and self._member.replica.engine_known:
            self.world.checkers.order.restarted_at(self.name, item.failure.sequence - 1)
        try:
            outcome = self._member.step(item, now)
        except Exception as failure:  # whatever the core raises is a finding
            raise Violation("assertion", f"{self.name} on {type(item).__name__}: {failure!r}") from failure
        for effect in outcome:
            trace.mark(self.name, type(effect).__name__)
            if trace.on:
                trace.line(self.name, "> " + type(effect).__name__, repr(effect))
            self._carry_out(effect)
            if self.dies_after_effects >= 0:
                self.dies_after_effects -= 1
                if self.dies_after_effects < 0:
                    self.node.kill()
            if not self.alive:
                return

    # Effects

    def _carry_out(self, effect: fx.Effect) -> None:  # one arm an effect, nothing else
        world = self.world
        match effect:
            case fx.Send(_, link, message):
                if isinstance(message, Append) and message.encoded:
                    self._acts(message.epoch, "sequences")
                world.network.send(self.name, link, message)
            case fx.Persist(entries):
                world.checkers.order.written(self.name, entries)
                self._log.persist(entries)
            case fx.Apply(entries):
                self._check_room()
                for entry in entries:
                    world.checkers.applied(self.name, entry)
                self._engine.run(effect)
            case fx.AckClient(client, through):
                world.clients.ack(self.name, client, through)
            case fx.RejectClient():
                world.clients.reject(self.name, effect)
            case fx.Publish():
                self._acts(effect.permit.epoch, "publishes")
                self._sinks[effect.sink].publish(effect)
            case fx.OpenSink(sink, permit):
                self._acts(permit.epoch, "opens a sink")
                self._sinks[sink].open(permit)
            case fx.RevokePermit():
                for worker in self._sinks.values():
                    worker.revoke()
            case fx.ReadWitness(request):
                world.witness.read(self.name, lambda outcome: self._was_read(request, outcome))
            case fx.CompareAndSet(request, expected, row):
                world.witness.compare_and_set(self.name, expected, row, lambda outcome: self._was_set(request, outcome))
            case fx.CloseLink(_, link, reason):
                world.network.close(self.name, link, reason)
            case fx.SetIntake(is_open, _):
                self._set_intake(is_open)
            case fx.TruncateLog() | fx.ResetLog() | fx.TrimLog() | fx.RememberWitness():
                self._log.run(effect)
            case fx.FindChunks() | fx.StoreChunk() | fx.SaveSnapshot() | fx.SendChunk():
                self._snapshots.run(effect)
            case fx.KeepDump():
                self._keep_dump(effect)
            case fx.Fact(event="dump_elsewhere"):
                world.checkers.dumps.not_reached(self.name)
            case fx.TakeSnapshot() | fx.RestoreSnapshot():
                self._engine.run(effect)
            case fx.RoleChanged() | fx.Fact() | fx.RejectStatement():
                pass
            case fx.Halt(stuck=True):
                self._end_stuck()
            case fx.Halt(reason, failed):
                self._halt(reason, failed=failed)
            case _:
                assert_never(effect)

    def _acts(self, epoch: int, what: str) -> None:
        self.world.checkers.active.acts(self.label, self.incarnation, epoch, what)  # type: ignore[arg-type]

    def _keep_dump(self, effect: fx.KeepDump) -> None:
        if effect.withdraw:
            self.node.disk.withdraw_snapshot(effect.manifest.position)
        try:
            _, state = self.node.disk.contents(effect.manifest)
            self.world.checkers.dumps.kept(self.name, effect, state.read(state.remaining))
        except CorruptFile:
            pass  # a fault damaged it on this disk: the real node says so, and nothing rests on it

    def _send_chunk(self, link: LinkId, chunk: SnapshotChunk) -> None:
        if self.alive:
            self.world.network.send(self.name, link, chunk)

    def _was_read(self, request: int, outcome: ReadOutcome) -> None:
        self.deliver(WitnessReadDone(request, outcome))

    def _was_set(self, request: int, outcome: CasOutcome) -> None:
        self.deliver(WitnessCasDone(request, outcome))

    def _poisoned(self, *, kills: bool) -> None:
        """An entry killed this process, or keeps its engine for ever; somebody ends it then, and starts another."""
        node, scheduler = self.node, self.world.scheduler

        def end() -> None:
            if node.process is self:
                node.kill()
            node.start()

        if kills:
            node.kill()
            scheduler.after(microseconds(self._rng, *SUPERVISOR_US), node.start)
        else:
            scheduler.after(POISON_NOTICED_US, end)

    def _set_intake(self, is_open: bool) -> None:
        self.intake_open = is_open
        while is_open and self._waiting_submits:
            self.deliver(self._waiting_submits.popleft())

    def _end_stuck(self) -> None:
        self.world.ended_stuck(self.node)
        self.node.kill()
        self.world.scheduler.after(microseconds(self._rng, *SUPERVISOR_US), self.node.start)

    def _halt(self, reason: str, *, failed: bool) -> None:
        if failed:
            raise Violation("halt", f"{self.name} stopped in doubt: {reason}")
        self.node.kill()
