"""Planted bugs: each takes one decision out of the protocol, and the simulator must find it.

A mutation replaces one function of ``eiha.ha.rules`` (or one decision of a store, the witness or the log writer) for
the length of a run. ``faults`` and ``durability`` direct the runs to where the decision matters.
"""

# ruff: noqa: ARG001, ARG005 - a replacement takes what the original takes and looks at less of it
from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from eiha.ha import rules, stuck_engine, stuck_log
from eiha.ha.effects import TrimLog
from eiha.ha.inputs import SnapshotTaken
from eiha.ha.intake import Held, Pending
from eiha.ha.member import Member
from eiha.ha.outbox import Outbox
from eiha.ha.peer_service import PeerService
from eiha.ha.progress import PeerProgress
from eiha.ha.quarantines import Quarantines
from eiha.ha.readmission import Readmission
from eiha.ha.replica import Replica
from eiha.ha.sequencer import Sequencer
from eiha.ha.sessions import Sessions
from eiha.kernel.ids import LogTimeMs, Sequence, WallMs
from eiha.protocol.log_entry import EntryBody, LogEntry
from eiha.protocol.peer_messages import PeerIdentity
from eiha.protocol.snapshot_format import Chunk
from eiha.simulation.disk import SimulatedDisk

if TYPE_CHECKING:
    from eiha.simulation.simulator import Simulator


@dataclass(frozen=True, slots=True)
class Change:
    """One name replaced in a module or class."""

    target: Any
    attribute: str
    replacement: Any


@dataclass(frozen=True, slots=True)
class Mutation:
    """One planted bug.

    Args:
        rule: what it breaks (``docs/testing.md``, ``rules.py``).
        story: what is done wrong.
        changes: replaced decisions of the core.
        plant: changes a simulated part that stands in for a shell, a store or the witness.
        faults, durability: where to look for it.
        seeds_max: within how many seeds it must be found.
    """

    rule: str
    story: str
    changes: tuple[Change, ...] = ()
    plant: Callable[[Simulator], None] | None = None
    faults: str = "swarm"
    durability: str | None = None
    seeds_max: int = 100


def _rule(attribute: str, replacement: Callable[..., Any]) -> tuple[Change, ...]:
    return (Change(rules, attribute, replacement),)


def _witness_compares_no_version(simulator: Simulator) -> None:
    simulator.witness.version_is_checked = False


def _silence_is_consent(simulator: Simulator) -> None:
    simulator.witness.silence_is_consent = True


def _stores_check_no_progress(simulator: Simulator) -> None:
    for store in simulator.stores.values():
        store.progress_is_checked = False


def _log_writer_does_not_sync(simulator: Simulator) -> None:
    simulator.world.durable = False


def _start_does_not_sync(simulator: Simulator) -> None:
    simulator.world.syncs_at_start = False


_PROVEN = Replica.proven
_STAMP = Sequencer.stamp
_LOAD_OUTBOX = Outbox.load
_SERVE_JOIN = PeerService.serve_join
_ORDER_RESYNC = PeerService.order_resync
_SNAPSHOT_TAKEN = Replica.snapshot_taken
_COLLECT_CHUNKS = SimulatedDisk.collect_chunks


def _trim_to_the_newest(replica: Replica, taken: SnapshotTaken) -> bool:
    counts = _SNAPSHOT_TAKEN(replica, taken)
    if counts:
        replica._ctx.emit(TrimLog(taken.manifest.position.sequence))
    return counts


def _keep_chunks_of_the_newest(disk: SimulatedDisk) -> None:
    before = disk.snapshots
    disk.snapshots = before[-1:]
    _COLLECT_CHUNKS(disk)
    disk.snapshots = before


def _lack_what_has_no_name(disk: SimulatedDisk, chunk: Chunk) -> bool:
    return chunk.name in disk.chunks


def _stamp_as_the_clock_says(sequencer: Sequencer, body: EntryBody, wall_ms: WallMs) -> LogEntry:
    sequencer.last_log_time_ms = LogTimeMs(0)
    return _STAMP(sequencer, body, wall_ms)


def _serve_join_at_once(service: PeerService, required: PeerIdentity | None) -> None:
    _SERVE_JOIN(service, None)


def _order_resync_at_once(service: PeerService, reason: str, *, discard: bool = False) -> None:
    _ORDER_RESYNC(service, reason, discard=discard)
    service.left()


def _await_snapshot_keeping_acks(progress: PeerProgress, position: Sequence) -> None:
    progress.probe()


def _end_when_stuck(member: Member) -> str | None:
    return stuck_engine.stuck_at(member.heartbeat.own_vitals.now, member.ctx.policy)


_STATE_AT: Final = PeerService._state_at


def _one_entry_before(service: PeerService) -> Sequence:
    return Sequence(max(0, _STATE_AT(service) - 1))


MUTATIONS: Final[dict[str, Mutation]] = {
    "ack_early": Mutation(
        "R1", "clients are acknowledged when the active has sequenced their events",
        _rule("acknowledge_through", lambda committed, log_end: log_end), faults="crashes",
    ),
    "output_early": Mutation(
        "R2", "entries are applied, and their outputs published, before they are committed",
        _rule("release_through", lambda committed, log_end: log_end), faults="crashes",
    ),
    "commit_alone": Mutation(
        "commit rule", "an entry counts as committed when the active alone has it",
        _rule("commit_point", lambda own, required: own), faults="machines",
    ),
    "local_solo": Mutation(
        "R3", "the active commits alone without having recorded it in the witness",
        _rule("solo_is_recorded", lambda row, me: row.active == me.node), faults="network",
    ),
    "sync_early": Mutation(
        "R4", "a joiner is recorded as synced before it holds everything",
        _rule("may_ask_sync_in", lambda *, requires_peer, acked, must_hold: True), faults="crashes",
    ),
    "take_solo": Mutation(
        "R5", "a node that the row does not name takes over", _rule("may_take", lambda row, me: True), faults="crashes",
    ),
    "same_version": Mutation(
        "R6", "a change does not raise the version", _rule("next_version", lambda row: row.version), faults="crashes",
    ),
    "no_version": Mutation(
        "R6", "the witness compares epoch and active, not the version",
        plant=_witness_compares_no_version, faults="late_witness",
    ),
    "stale_sync": Mutation(
        "R6", "the active goes on alone while a sync-in that it asked for may still land",
        _rule("solo_is_settled", lambda row, sync_asked_version: True), faults="late_witness", seeds_max=400,
    ),
    "silence_is_consent": Mutation(
        "D3", "a compare-and-set without an answer counts as done", plant=_silence_is_consent, faults="witness",
    ),
    "no_incarnation": Mutation(
        "R7", "a node is known by its name, whatever disk it has",
        _rule("names_this_disk", lambda row, me: any(member.node == me.node for member in row.synced)), faults="wipes",
    ),
    "holder_by_name": Mutation(
        "R7", "a node goes on as active because the row has its name, whatever disk it has",
        _rule("holds_the_row", lambda row, node, incarnation: row.active == node), faults="wipes",
    ),
    "ack_received": Mutation(
        "R8", "the passive acknowledges what it received, not what its log holds",
        _rule("acknowledge_peer_through", lambda received, persisted: received), faults="machines",
    ),
    "no_fsync": Mutation(
        "R8", "with durability disk, the log is not synced before it answers",
        plant=_log_writer_does_not_sync, faults="machines", durability="disk",
    ),
    "no_fsync_at_start": Mutation(
        "R8", "with durability disk, what a start finds in the log counts as on disk without a sync",
        plant=_start_does_not_sync, faults="half_written", durability="disk", seeds_max=400,
    ),
    "resync_before_solo": Mutation(
        "R9", "a peer that the row still names is told to discard its log, and is sent a snapshot",
        (
            Change(PeerService, "serve_join", _serve_join_at_once),
            Change(PeerService, "order_resync", _order_resync_at_once),
        ),
        faults="divergence",
    ),
    "acks_outlive_the_log": Mutation(
        "R13", "what a peer acknowledged before it discarded its log goes on to count",
        (Change(PeerProgress, "await_snapshot", _await_snapshot_keeping_acks),), faults="machines", seeds_max=400,
    ),
    "no_dedupe": Mutation(
        "R10", "a publication that is sent again is sequenced again",
        _rule("is_duplicate", lambda accepted, offered: False),
    ),
    "tail_forgotten": Mutation(
        "R10", "a new active does not count what stands in its log uncommitted",
        (Change(Pending, "note_logged", lambda pending, publication: None),), faults="crashes",
    ),
    "sessions_not_restored": Mutation(
        "R10", "client sessions are not restored with a snapshot",
        (Change(Sessions, "load", lambda sessions, rows: None),),
    ),
    "no_progress_check": Mutation(
        "R11", "a store does not compare its progress before it writes",
        plant=_stores_check_no_progress, faults="stores",
    ),
    "outbox_not_restored": Mutation(
        "D4", "outputs that no sink has are not restored with a snapshot",
        (Change(Outbox, "load", lambda outbox, progress, outputs: _LOAD_OUTBOX(outbox, progress, ())),),
        faults="stores",
    ),
    "outbox_trimmed_early": Mutation(
        "D4", "the active reports outputs as published that it has only computed",
        (Change(Outbox, "progress", lambda outbox, applied: tuple((sink, applied) for sink in outbox.lanes)),),
        faults="stores",
    ),
    "trim_early": Mutation(
        "D5", "the log is trimmed to the newest snapshot, with nothing to fall back to when that is damaged",
        (Change(Replica, "snapshot_taken", _trim_to_the_newest),), faults="machines",
    ),
    "chunks_collected_early": Mutation(
        "D5", "chunks that only the snapshot before the newest needs are deleted",
        (Change(SimulatedDisk, "collect_chunks", _keep_chunks_of_the_newest),), faults="machines",
    ),
    "chunks_not_synced": Mutation(
        "D5", "a snapshot counts before its chunks are on disk",
        (Change(SimulatedDisk, "sync_chunks", lambda disk: None),), faults="machines",
    ),
    "chunks_not_compared": Mutation(
        "D5", "a chunk that is on disk under its name is relied on without a look at what it holds",
        (Change(SimulatedDisk, "has", _lack_what_has_no_name),), faults="machines",
    ),
    "clock_as_log_time": Mutation(
        "D1", "log time is what the clock says, also when it goes back",
        (Change(Sequencer, "stamp", _stamp_as_the_clock_says),),
    ),
    "stuck_stays": Mutation(
        "D6", "an active whose engine is stuck keeps its place",
        (Change(stuck_engine, "reason_to_end", lambda member: None),), faults="stuck",
    ),
    "stuck_leaves_nobody": Mutation(
        "D6", "a node whose engine is stuck ends whether or not another can go on",
        (Change(stuck_engine, "reason_to_end", _end_when_stuck),), faults="stuck", seeds_max=400,
    ),
    "block_puts_out": Mutation(
        "D6", "a slow peer is put out although the operator chose to wait for it",
        _rule("waits_for_slow_peer", lambda policy: False), faults="slow",
    ),
    "outbox_unbounded": Mutation(
        "D6", "entries are applied however many outputs wait for a store",
        (Change(Replica, "_outbox_has_room", lambda replica: True),), faults="slow",
    ),
    "intake_unbounded": Mutation(
        "D6", "publications are taken however many wait for the log",
        (
            Change(Pending, "full", property(lambda pending: False)),
            Change(Held, "full", property(lambda held: False)),
        ),
        faults="slow",
    ),
    "flapping_let_in": Mutation(
        "D6", "a peer that is put out again and again is let in each time at once",
        (Change(Readmission, "held_ms", lambda readmission, now_ms: 0),), faults="flapping",
    ),
    "no_stagger": Mutation(
        "poison", "the passive applies what is committed, whether or not the active has applied it",
        _rule("apply_through", lambda committed, proven: committed), faults="poison",
    ),
    "no_trial": Mutation(
        "poison", "whoever becomes active applies at once what the one before may have died of",
        _rule("suspects_through", lambda log_end: 0), faults="poison",
    ),
    "proven_too_far": Mutation(
        "poison", "an entry that was begun counts as applied",
        (Change(Replica, "proven", lambda replica, through: _PROVEN(replica, through + 1)),), faults="poison",
    ),
    "told_before_quarantine": Mutation(
        "poison", "the passive is told how far the active's engine is before it has the Quarantine",
        _rule("may_tell_applied", lambda acked, last_quarantine: True), faults="poison",
    ),
    "quarantine_ignored": Mutation(
        "poison", "what the log says is to be left out is applied all the same",
        (Change(Quarantines, "concerning", lambda quarantines, after, through: ()),), faults="poison",
    ),
    "digest_ignored": Mutation(
        "D1", "the passive's digests are not compared",
        (Change(PeerService, "digest_reported", lambda service, report: None),), faults="divergence",
    ),
    "dump_elsewhere": Mutation(
        "D1", "the passive is told to dump its state as of another entry than the active dumps its own",
        (Change(PeerService, "_state_at", _one_entry_before),), faults="divergence",
    ),
    "stay_with_a_stuck_log": Mutation(
        "D6", "an active whose disk is full stays active although the peer's is not",
        (Change(stuck_log, "reason_to_step_aside", lambda member: None),), faults="full_disks",
    ),
}  # fmt: skip
"""Every one must be found within ``seeds_max`` seeds from 0 on; ``tests/simulation`` holds them to it."""


@contextmanager
def planted(mutation: Mutation | None, simulator: Simulator) -> Iterator[None]:
    """Plant the bug for the length of the block."""
    if mutation is None:
        yield
        return
    if mutation.plant is not None:
        mutation.plant(simulator)
    originals = [getattr(change.target, change.attribute) for change in mutation.changes]
    for change in mutation.changes:
        setattr(change.target, change.attribute, change.replacement)
    try:
        yield
    finally:
        for change, original in zip(mutation.changes, originals, strict=True):
            setattr(change.target, change.attribute, original)
