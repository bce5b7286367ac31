"""Planted bugs: each takes one decision out of the protocol, and the simulator must find it.

A mutation replaces one function of ``eiha.ha.rules`` (or one decision of a store, the witness or the log writer) for
the length of a run. ``faults`` and ``durability`` direct the runs to where the decision matters.
"""

# ruff: noqa: ARG005 - a replacement takes what the original takes and looks at less of it
from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from eiha.ha import rules
from eiha.ha.effects import TrimLog
from eiha.ha.outbox import Outbox
from eiha.ha.peer_service import PeerService
from eiha.ha.replica import Replica
from eiha.ha.sequencer import Sequencer
from eiha.ha.sessions import Sessions
from eiha.kernel.ids import LogPosition, LogTimeMs, WallMs
from eiha.protocol.log_entry import EntryBody, LogEntry

if TYPE_CHECKING:
    from eiha.simulation.simulator import Simulator


@dataclass(frozen=True, slots=True)
class Mutation:
    """One planted bug.

    Args:
        story: what is done wrong.
        rule: the rule of the protocol that it breaks.
        target: module or class that holds the decision.
        attribute: its name there.
        replacement: what is put in its place; None when ``plant`` does the work.
        plant: changes a simulated part that stands in for a shell.
        faults, durability: where to look for it.
        seeds_max: within how many seeds it must be found.
    """

    story: str
    rule: str
    target: Any = None
    attribute: str = ""
    replacement: Callable[..., Any] | None = None
    plant: Callable[[Simulator], None] | None = None
    faults: str = "swarm"
    durability: str | None = None
    seeds_max: int = 200


def _of_rules(attribute: str, replacement: Callable[..., Any], rule: str, story: str, **more: Any) -> Mutation:
    return Mutation(story=story, rule=rule, target=rules, attribute=attribute, replacement=replacement, **more)


def _witness_compares_no_version(simulator: Simulator) -> None:
    simulator.witness.version_is_checked = False


def _stores_check_no_progress(simulator: Simulator) -> None:
    for store in simulator.stores.values():
        store.progress_is_checked = False


def _silence_is_consent(simulator: Simulator) -> None:
    simulator.witness.silence_is_consent = True


def _trim_to_the_newest(replica: Replica, position: LogPosition) -> None:
    replica._ctx.emit(TrimLog(position.sequence))


def _stamp_as_the_clock_says(sequencer: Sequencer, body: EntryBody, wall_ms: WallMs) -> LogEntry:
    sequencer.last_log_time_ms = LogTimeMs(0)
    return _STAMP(sequencer, body, wall_ms)


_STAMP = Sequencer.stamp
_LOAD_OUTBOX = Outbox.load


def _log_writer_does_not_sync(simulator: Simulator) -> None:
    simulator.world.durable = False


MUTATIONS: Final[dict[str, Mutation]] = {
    "ack_early": _of_rules(
        "acknowledge_through", lambda committed, log_end: log_end, "R1",
        "clients are acknowledged when the active has sequenced their events", faults="crashes",
    ),
    "output_early": _of_rules(
        "release_through", lambda committed, log_end: log_end, "R2",
        "entries are applied, and their outputs published, before they are committed", faults="crashes",
    ),
    "commit_alone": _of_rules(
        "commit_point", lambda own, required: own, "commit rule",
        "an entry counts as committed when the active alone has it", faults="crashes",
    ),
    "local_solo": _of_rules(
        "solo_is_recorded", lambda row, me: row.active == me.node, "R3",
        "the active commits alone without having recorded it in the witness", faults="network",
    ),
    "sync_early": _of_rules(
        "may_ask_sync_in", lambda *, requires_peer, acked, must_hold: True, "R4",
        "a joiner is recorded as synced before it holds everything", faults="crashes",
    ),
    "take_solo": _of_rules(
        "may_take", lambda row, me: True, "R5", "a node that the row does not name takes over", faults="crashes",
    ),
    "same_version": _of_rules(
        "next_version", lambda row: row.version, "R6", "a change does not raise the version", faults="crashes",
    ),
    "no_version": Mutation(
        story="the witness compares epoch and active, not the version", rule="R6",
        plant=_witness_compares_no_version, faults="witness",
    ),
    "stale_sync": _of_rules(
        "solo_is_settled", lambda row, sync_asked_version: True, "R6",
        "the active goes on alone while a sync-in it asked for may still land", faults="witness",
    ),
    "no_incarnation": _of_rules(
        "names_this_disk", lambda row, me: any(member.node == me.node for member in row.synced), "R7",
        "a node is known by its name, whatever disk it has", faults="wipes",
    ),
    "ack_received": _of_rules(
        "acknowledge_peer_through", lambda received, persisted: received, "R8",
        "the passive acknowledges what it received, not what its log holds", faults="crashes",
    ),
    "no_fsync": Mutation(
        story="with durability disk, the log is not synced before it answers", rule="R8",
        plant=_log_writer_does_not_sync, faults="machines", durability="disk",
    ),
    "follow_any_epoch": _of_rules(
        "may_follow", lambda following, offered: True, "R9",
        "a node takes appends of an epoch that is over", faults="pauses",
    ),
    "no_dedupe": _of_rules(
        "is_duplicate", lambda accepted, offered: False, "R10",
        "a publication that is sent again is sequenced again",
    ),
    "no_progress_check": Mutation(
        story="a store does not compare its progress before it writes", rule="R11",
        plant=_stores_check_no_progress, faults="stores",
    ),
    "ack_of_anyone": _of_rules(
        "ack_counts", lambda epoch, ack_epoch, peer, ack_incarnation: True, "R13",
        "acknowledgements of other epochs and disks count", faults="wipes",
    ),
    "silence_is_consent": Mutation(
        story="a compare-and-set without an answer counts as done", rule="D3, Unknown is not mine",
        plant=_silence_is_consent, faults="witness",
    ),
    "trim_early": Mutation(
        story="the log is trimmed to the newest snapshot, with nothing to fall back to when it is damaged", rule="D5",
        target=Replica, attribute="snapshot_saved", replacement=_trim_to_the_newest, faults="machines",
    ),
    "sessions_not_restored": Mutation(
        story="client sessions are not restored with a snapshot", rule="R10",
        target=Sessions, attribute="load", replacement=lambda sessions, rows: None,
    ),
    "outbox_not_restored": Mutation(
        story="outputs that no sink has are not restored with a snapshot", rule="D4",
        target=Outbox, attribute="load",
        replacement=lambda outbox, progress, outputs: _LOAD_OUTBOX(outbox, progress, ()),
    ),
    "outbox_trimmed_early": Mutation(
        story="the active reports outputs as published that it has only computed", rule="D4",
        target=Outbox, attribute="progress",
        replacement=lambda outbox, applied: tuple((sink, applied) for sink in outbox.lanes), faults="stores",
    ),
    "clock_as_log_time": Mutation(
        story="log time is what the clock says, also when it goes back", rule="D1",
        target=Sequencer, attribute="stamp", replacement=_stamp_as_the_clock_says,
    ),
    "digest_ignored": Mutation(
        story="the passive's digests are not compared", rule="D1",
        target=PeerService, attribute="digest_reported", replacement=lambda service, report: None,
        faults="divergence",
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
    if mutation.replacement is None:
        yield
        return
    original = getattr(mutation.target, mutation.attribute)
    setattr(mutation.target, mutation.attribute, mutation.replacement)
    try:
        yield
    finally:
        setattr(mutation.target, mutation.attribute, original)
