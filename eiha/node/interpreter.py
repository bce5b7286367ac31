"""Effect → I/O. Each effect goes to the shell that does it; none blocks the event loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import assert_never

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
    """

    def __init__(
        self,
        shells: Shells,
        *,
        persisted: Callable[[LogPosition], None],
        role_changed: Callable[[RoleChanged], None],
        fact: Callable[[Fact], None],
        halt: Callable[[Halt], None],
    ) -> None:
        self._shells = shells
        self._for_engine: list[EngineWork] = []
        self._for_log: list[LogEntry] = []
        self._persisted = persisted
        self._role_changed = role_changed
        self._fact = fact
        self._halt = halt

    def settled(self) -> None:
        """All inputs at hand are taken: write to the peer, then to the log, and only then wake the engine's thread.

        The peer writes its log while this node writes its own; neither counts for the other. The engine's thread
        competes with the event loop for the interpreter, and what others wait for goes first.
        """
        shells = self._shells
        for links in shells.links.values():
            links.flush()
        if self._for_log and self._write_log():
            return  # what follows from it is another turn, with an end of its own
        if self._for_engine:
            for work in self._for_engine:
                shells.engine.put(work)
            self._for_engine.clear()

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
                shells.links[channel].send(link, message)
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
                self._role_changed(effect)
            case Fact():
                self._fact(effect)
            case Halt():
                self._halt(effect)
            case _:
                assert_never(effect)
