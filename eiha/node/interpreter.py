"""Effect → I/O. Each effect goes to the shell that does it; none blocks the event loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, assert_never

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
    RejectStatement,
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
from eiha.ha.inputs import Channel
from eiha.ha.roles import Role
from eiha.kernel.ids import LogPosition
from eiha.net.channel_links import ChannelLinks
from eiha.node.chunk_sender import ChunkSender
from eiha.node.engine_thread import EngineThread, EngineWork
from eiha.node.log_writer import LogWriter
from eiha.node.node_intake import NodeIntake
from eiha.node.sink_worker import SinkWorker
from eiha.node.snapshot_saver import SnapshotSaver
from eiha.node.statements import Statements
from eiha.node.witness_worker import WitnessWorker
from eiha.protocol.log_entry import LogEntry

FOLLOWER_PAUSE_S: Final = 0.001
"""So long entries wait for the engine of a node that follows: longer than the acknowledgement takes that they were
committed by, and nothing beside what a takeover takes."""
FOLLOWER_ENTRIES_MAX: Final = 64
"""More than these do not wait: this is no single event, but load."""


@dataclass(frozen=True, slots=True)
class Shells:
    """Everything that does I/O for one member."""

    links: Mapping[Channel, ChannelLinks]
    log: LogWriter
    engine: EngineThread
    snapshots: SnapshotSaver
    chunks: ChunkSender
    witness: WitnessWorker
    sinks: Mapping[str, SinkWorker]
    intake: NodeIntake
    statements: Statements


class Interpreter:
    """Carries effects out.

    Args:
        shells: who does what.
        persisted: told of entries that were written at once.
        role_changed: told of each change of role.
        fact: told of each fact for the log.
        halt: ends the node.
        later: calls something after so many seconds, on the event loop.
    """

    def __init__(
        self,
        shells: Shells,
        *,
        later: Callable[[float, Callable[[], None]], object],
        persisted: Callable[[LogPosition], None],
        role_changed: Callable[[RoleChanged], None],
        fact: Callable[[Fact], None],
        halt: Callable[[Halt], None],
    ) -> None:
        self._shells = shells
        self._written_to: list[ChannelLinks] = []
        self._for_engine: list[EngineWork] = []
        self._for_log: list[LogEntry] = []
        self._is_active = False
        self._is_wake_due = False
        self._later = later
        self._persisted = persisted
        self._role_changed = role_changed
        self._fact = fact
        self._halt = halt

    def settled(self) -> None:
        """All inputs at hand are taken: write to the peer, then to the log, and only then wake the engine's thread.

        The peer writes its log while this node writes its own; neither counts for the other. The engine's thread
        competes with the event loop for the interpreter, and what others wait for goes first. Nobody waits for the
        engine of a node that follows: it is woken for what a moment brought, while nothing is on its way to a client.
        """
        if self._written_to:
            for links in self._written_to:
                links.flush()
            self._written_to.clear()
        if self._for_log and self._write_log():
            return  # what follows from it is another turn, with an end of its own
        if self._for_engine:
            if self._is_active or not _may_wait(self._for_engine):
                self._wake_engine()
            elif not self._is_wake_due:
                self._is_wake_due = True
                self._later(FOLLOWER_PAUSE_S, self._wake_in_time)

    def _wake_engine(self) -> None:
        for work in self._for_engine:
            self._shells.engine.put(work)
        self._for_engine.clear()

    def _wake_in_time(self) -> None:
        self._is_wake_due = False
        self._wake_engine()

    def _write_log(self) -> bool:
        """Append what this turn gathered, in one piece. True: it was written at once, and the member was told."""
        entries, self._for_log = tuple(self._for_log), []
        written = self._shells.log.append(Persist(entries))
        if written is not None:
            self._persisted(written)
        return written is not None

    def carry_out(self, effect: Effect) -> None:
        """Hand ``effect`` to its shell."""
        shells = self._shells
        match effect:
            case Send(channel, link, message):
                links = shells.links[channel]
                links.send(link, message)
                if links not in self._written_to:
                    self._written_to.append(links)
            case Persist(entries):
                self._for_log.extend(entries)
            case TruncateLog() | ResetLog() | TrimLog() | RememberWitness():
                if self._for_log:
                    self._write_log()  # the log's effects keep their order
                shells.log.put(effect)
            case Apply() | TakeSnapshot() | RestoreSnapshot():
                self._for_engine.append(effect)
            case AckClient():
                shells.intake.acked(effect)
            case Publish() | OpenSink():
                shells.sinks[effect.sink].put(effect)
            case RejectClient():
                shells.intake.rejected(effect)
            case RejectStatement():
                shells.statements.rejected(effect)
            case SetIntake():
                shells.intake.set_state(effect)
            case SendChunk():
                shells.chunks.put(effect)
            case FindChunks() | StoreChunk() | SaveSnapshot() | KeepDump():
                shells.snapshots.put(effect)
            case ReadWitness() | CompareAndSet():
                shells.witness.put(effect)
            case CloseLink(channel, link, reason):
                shells.links[channel].close(link, reason)
            case RevokePermit():
                for sink in shells.sinks.values():
                    sink.revoke()
            case RoleChanged():
                self._is_active = effect.after == Role.ACTIVE.value
                self._role_changed(effect)
            case Fact():
                self._fact(effect)
            case Halt():
                self._halt(effect)
            case _:
                assert_never(effect)


def _may_wait(works: list[EngineWork]) -> bool:
    """Whether these are a few entries to apply, and nothing else."""
    entries = 0
    for work in works:
        if not isinstance(work, Apply):
            return False
        entries += len(work.entries)
    return entries <= FOLLOWER_ENTRIES_MAX
