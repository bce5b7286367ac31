"""A running node: every shell, every task, from start to end. The composition root.

One ``asyncio.TaskGroup`` owns all tasks; the threads (log, engine, snapshots) are started and joined here. The node
ends when the member asks for it (``Halt``), when a shell fails, or when it was told to stop and handed over.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final

from eiha.engine.jit import load_next
from eiha.errors import ConfigurationError, EihaError
from eiha.ha.context import MemberConfig
from eiha.ha.effects import Fact, Halt, RoleChanged
from eiha.ha.inputs import Applied, Channel, Persisted, Start, StopAsked
from eiha.ha.member import Member
from eiha.ha.policy import Policy
from eiha.kernel.ids import LinkId, LogPosition, NodeId
from eiha.node.chunk_sender import ChunkSender
from eiha.node.config import NodeConfig
from eiha.node.databases import open_sinks, open_witness, turns
from eiha.node.engine_thread import EngineReport, EngineThread, through
from eiha.node.exit_status import FAILED, OK, STUCK
from eiha.node.interpreter import Interpreter, Shells
from eiha.node.listeners import Listeners
from eiha.node.log_writer import LogWriter
from eiha.node.loop_watchdog import LoopWatchdog
from eiha.node.member_loop import MemberLoop
from eiha.node.membership import Membership
from eiha.node.node_facts import FactsOfNode
from eiha.node.node_intake import NodeIntake
from eiha.node.node_operations import NodeOperations
from eiha.node.node_queries import NodeQueries
from eiha.node.node_tls import NodeTls
from eiha.node.opened_disk import OpenedDisk
from eiha.node.operator_log import OperatorLog
from eiha.node.peer_channels import PeerChannels
from eiha.node.policy_of_config import policy_of
from eiha.node.sink_worker import SinkWorker
from eiha.node.snapshot_cutter import SnapshotCutter
from eiha.node.snapshot_saver import SnapshotSaver
from eiha.node.statements import Statements
from eiha.node.system_clock import read_clocks
from eiha.node.witness_worker import WitnessWorker
from eiha.observability.logs import EventLog, LogContext
from eiha.observability.node_metrics import NodeMetrics
from eiha.ports import AskedEngine, Sink
from eiha.protocol.log_entry import DeployPlan
from eiha.protocol.peer_messages import SnapshotChunk
from eiha.receivers.intake import NodeFacts
from eiha.storage.divergence_dumps import DivergenceDumps

STOP_TIMEOUT_S: Final = 10.0
"""How long an orderly stop may take before the node ends anyway: the other one takes over as after a crash."""
THREAD_STOP_S: Final = 5.0


class Node:
    """One node of the pair.

    Args:
        config: valid.
        disk: opened by this process.
        engine: warmed.
        plans: deployed when the cluster starts for the first time.
        log: for the operator.
        context: what stands in each line.
    """

    def __init__(
        self,
        config: NodeConfig,
        disk: OpenedDisk,
        engine: AskedEngine,
        plans: tuple[DeployPlan, ...],
        log: EventLog,
        context: LogContext,
    ) -> None:
        self._tls = NodeTls(config, log)
        self._config = config
        self._disk = disk
        self._plans = plans
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._exit_status = OK
        self._stop_asked = False
        self._peer_lost_s = 0.0
        self.metrics = NodeMetrics()
        self._operator_log = OperatorLog(log, self.metrics)
        policy = policy_of(config)
        sinks = open_sinks(config)
        self.member = Member(
            MemberConfig(config.cluster.domain, NodeId(config.cluster.node), tuple(sink.name for sink in sinks), policy)
        )
        self._watchdog = LoopWatchdog(
            stuck_s=config.cluster.stuck_loop_ms / 1_000,
            exit_s=config.cluster.stuck_loop_exit_ms / 1_000,
            say=self._loop_is_stuck,
            go_on=self._loop_goes_on,
        )
        self._member_loop = MemberLoop(
            self.member,
            read_clocks,
            self._carry_out,
            self._failed,
            self.metrics,
            self._loop_was_late,
            engine_at=lambda: self.shells.engine.at,
            turned=self._watchdog.turned,
            settled=self._settled,
        )
        feed = self._member_loop.feed
        self._membership = Membership(config, disk.incarnation, log)
        members = self._membership
        self._channels = PeerChannels(
            config, disk.incarnation, members.allowed, members.peer, feed, self.metrics, log, self._tls
        )
        self.shells = self._make_shells(engine, sinks, policy)
        self.facts = FactsOfNode(config, self.member.status, self.shells, self._membership, self.metrics, context)
        self._interpreter = Interpreter(
            self.shells,
            later=self._loop.call_later,
            persisted=lambda position: feed(Persisted(position)),
            role_changed=self._role_changed,
            fact=self._fact,
            halt=self._halt,
        )
        self._operations = NodeOperations(self.facts, self.member.status, feed, self.shells, log)
        queries = NodeQueries(self.member.status, self.facts.active_http_url, self.shells)
        self._listeners = Listeners(config, self.shells.intake, self._operations, queries, self._tls, log)
        self.facts.count_refusals = self._count_refusals
        self.facts.certificate = self._tls
        self._tick_s = policy.tick_ms / 1_000

    def _make_shells(self, engine: AskedEngine, sinks: tuple[Sink, ...], policy: Policy) -> Shells:
        config, disk, feed = self._config, self._disk, self._member_loop.feed
        snapshots = SnapshotSaver(
            disk.snapshots,
            answer=self._member_loop.feed_from_thread,
            failed=self._failed_in_thread,
            waiting=lambda why: self._say_from_thread("warning", "snapshot_waits", f"{why}; it is tried again"),
            dumps=DivergenceDumps(Path(config.persistence.location)),
            say=self._say_from_thread,
        )
        turn = turns(config)
        return Shells(
            links=self._channels.links,
            log=LogWriter(
                disk.log,
                disk.witness_seen.remember,
                fsync=config.persistence.fsync,
                fsync_interval_s=config.persistence.fsync_interval_ms / 1_000,
                persisted=self._persisted,
                failed=self._failed_in_thread,
                waiting=self._log_waits,
            ),
            engine=EngineThread(
                engine,
                SnapshotCutter(engine, disk.snapshots, snapshots, self._say_from_thread),
                digest_interval_entries=policy.digest_interval_entries,
                read_log=disk.read_log,
                mark=disk.apply_mark,
                trial_limit_s=config.cluster.suspect_trial_ms / 1_000,
                report=self._engine_reported,
                failed=self._failed_in_thread,
                load_more=load_next,
            ),
            snapshots=snapshots,
            chunks=ChunkSender(
                disk.snapshots, send=self._send_chunk_from_thread, answer=self._member_loop.feed_from_thread
            ),
            witness=WitnessWorker(
                open_witness(config, disk.incarnation, self._tls),
                timeout_s=config.witness.timeout_ms / 1_000,
                answer=feed,
                log=self._log,
            ),
            sinks={
                sink.name: SinkWorker(sink, answer=feed, metrics=self.metrics, log=self._log, turn=turn[sink.name])
                for sink in sinks
            },
            intake=NodeIntake(feed, self._client_facts, self._log_end, self.metrics, plans=len(self._plans)),
            statements=Statements(feed, disk.incarnation, secrets.token_hex(4)),
        )

    async def run(self) -> int:
        """Run until the end; the exit status.

        Raises:
            EihaError: the node could not start, or a shell failed; the text says what to do.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._on_signal, number)
        self._loop.add_signal_handler(signal.SIGHUP, self._reload_certificates)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = await self._start(group)
                self._watchdog.start()
                await self._ended.wait()
                await self._listeners.stop(self.facts.peer_ingest_address())
                for task in tasks:
                    task.cancel()
        finally:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                self._loop.remove_signal_handler(number)
            self._watchdog.stop()
            await self._close()
        self._log.info("node_stopped", "the node has stopped", status=self._exit_status)
        return self._exit_status

    async def _start(self, group: asyncio.TaskGroup) -> list[asyncio.Task[Any]]:
        self._tls.say_what_is_plain()
        await self._channels.start()
        await self._listeners.start()
        shells = self.shells
        shells.log.start()
        shells.engine.start()
        shells.snapshots.start()
        shells.chunks.start()
        disk = self._disk
        self._member_loop.feed(
            Start(
                disk.incarnation,
                disk.entries,
                disk.snapshot,
                disk.witness_seen.version,
                self._plans,
                disk.apply_mark.applied_before,
            )
        )
        running: list[tuple[str, Coroutine[Any, Any, None]]] = [
            ("tick", self._member_loop.tick_forever(self._tick_s)),
            ("witness", shells.witness.run()),
            ("facts", self.facts.sample_forever()),
            ("membership", self._membership.run()),
            ("listeners", self._listeners.run()),
        ]
        running += [(f"sink {name}", sink.run()) for name, sink in shells.sinks.items()]
        running += [(f"dial {channel.value}", links.dial_forever()) for channel, links in shells.links.items()]
        return [group.create_task(work, name=name) for name, work in running]

    async def _close(self) -> None:
        """Give everything back, in the reverse order of the start."""
        self._member_loop.end()
        await self._listeners.stop(self.facts.peer_ingest_address())
        await self._channels.stop("the node stops")
        shells = self.shells
        for name, stop in (
            ("log", shells.log.stop),
            # one that is stuck does not end, however long it is waited for
            ("engine", shells.engine.stop),
            ("snapshots", shells.snapshots.stop),
            ("chunks", shells.chunks.stop),
        ):
            timeout_s = 0.0 if name == "engine" and self._exit_status == STUCK else THREAD_STOP_S
            if not await asyncio.to_thread(stop, timeout_s):
                self._log.warning("thread_abandoned", f"the {name} thread did not end within {timeout_s:g} s")
        for sink in shells.sinks.values():
            await sink.close()
        await shells.witness.close()

    def _reload_certificates(self) -> None:
        """SIGHUP. What cannot be used is told, and everything stays as it was."""
        try:
            self._tls.reload()
        except ConfigurationError as error:
            self._log.error("certificates_not_reloaded", f"the certificates stay as they were: {error}")

    def _count_refusals(self, metrics: NodeMetrics) -> None:
        self._listeners.count_refusals(metrics)
        self._channels.count_refusals(metrics)

    # -- what effects and threads tell

    def _settled(self) -> None:
        self._interpreter.settled()

    def _log_end(self) -> int:
        return self.member.status().log_end

    def _client_facts(self) -> NodeFacts:
        return self.facts.client_facts()

    def _carry_out(self, effect: Any) -> None:
        self._interpreter.carry_out(effect)

    def _role_changed(self, change: RoleChanged) -> None:
        self.facts.note_role_change()
        self._operator_log.role_changed(change)
        self.shells.intake.note_role()
        if change.after == "promoting":
            self._peer_lost_s = time.monotonic()
        elif change.after == "active" and self._peer_lost_s:
            self.metrics.takeover.observe(time.monotonic() - self._peer_lost_s)
            self._peer_lost_s = 0.0

    def _fact(self, fact: Fact) -> None:
        self._operator_log.fact(fact)

    def _halt(self, halt: Halt) -> None:
        if halt.failed:
            self._exit_status = STUCK if halt.stuck else FAILED
        self._ended.set()

    def _persisted(self, position: LogPosition) -> None:
        self._member_loop.feed_from_thread(Persisted(position))

    def _engine_reported(self, report: EngineReport) -> None:
        self._call_from_thread(lambda: self._take_report(report))

    def _take_report(self, report: EngineReport) -> None:
        self.metrics.entries_applied.add(report.entries)
        self.metrics.events_applied.add(report.events)
        if report.entries:
            self.metrics.tell_strings(report.strings)
        self.metrics.tell_suspended(report.suspended)
        self.facts.suspended_plans = report.suspended
        for fault in report.faults:
            self.metrics.plan_faults.add(1)
            self._log.error("plan_fault", fault)
        for note in report.notes:
            self._log.info("plan_replaced", note)
        if report.streams is not None:
            self.shells.intake.set_streams(report.streams)
        applied_through = through(report)
        if applied_through is not None:
            self.shells.intake.note_applied(applied_through)
        self.shells.statements.applied(report.statements)
        if isinstance(report.answer, Applied) and report.answer.digest is not None:
            self.facts.note_digest(report.answer.sequence, report.answer.digest)
        self._member_loop.feed(report.answer)

    def _log_waits(self, why: str) -> None:
        if why:
            self._say_from_thread("error", "log_waits", f"{why}. Nothing is acknowledged until there is room")
        else:
            self._say_from_thread("info", "log_goes_on", "the log is written again")

    def _loop_was_late(self, lag_s: float) -> None:
        self._log.warning(
            "loop_late", f"the event loop was {lag_s:.3f} s late: is the machine overloaded or suspended?"
        )

    def _loop_is_stuck(self, where: str) -> None:
        self._log.error("loop_stuck", where)

    def _loop_goes_on(self, seconds: float) -> None:
        self._log.warning("loop_goes_on", f"the event loop turns again, after {seconds:.1f} s")

    # -- ends

    def _on_signal(self, number: signal.Signals) -> None:
        if self._stop_asked:
            self._log.warning("stop_forced", "asked to stop again: ending at once")
            self._ended.set()
            return
        self._stop_asked = True
        self._log.info("stop_asked", f"{number.name}: handing over and stopping")
        self._loop.call_later(STOP_TIMEOUT_S, self._stop_took_too_long)
        self._member_loop.feed(StopAsked())

    def _stop_took_too_long(self) -> None:
        if not self._ended.is_set():
            self._log.warning(
                "stop_timeout", f"the handover did not end within {STOP_TIMEOUT_S:g} s: ending without it"
            )
            self._ended.set()

    def _failed(self, error: BaseException) -> None:
        """The member or a shell is in doubt: end, with the reason."""
        if isinstance(error, EihaError):
            self._log.error("node_failed", str(error), error=type(error).__name__)
        else:
            self._log.failure("node_failed", f"{type(error).__name__}: {error}", error)
        self._exit_status = FAILED
        self._ended.set()

    def _failed_in_thread(self, error: BaseException) -> None:
        self._call_from_thread(lambda: self._failed(error))

    def _say_from_thread(self, level: str, event: str, text: str) -> None:
        self._call_from_thread(lambda: self._log.write(level, event, text))

    def _send_chunk_from_thread(self, link: LinkId, chunk: SnapshotChunk) -> None:
        def send() -> None:
            links = self._channels.links[Channel.MANAGEMENT]
            links.send(link, chunk)
            links.flush()

        self._call_from_thread(send)

    def _call_from_thread(self, call: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:
            if not self._loop.is_closed():
                raise
