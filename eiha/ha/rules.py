"""The decisions that safety rests on, one function each: R1 to R13 and the commit rule.

Every caller goes through this module (``rules.name(...)``), so that tests can plant a bug by replacing one
function. Each docstring tells the loss that follows without the rule; ``tests/unit/ha/model`` and the simulator's
planted bugs show it.
"""

from __future__ import annotations

from eiha.ha.witness_row import WitnessRow
from eiha.kernel.ids import Epoch, Incarnation, LogPosition, NodeId, Sequence
from eiha.protocol.outputs import PublishPermit
from eiha.protocol.peer_messages import PeerIdentity


def commit_point(own_persisted: Sequence, required_acked: tuple[Sequence, ...]) -> Sequence:
    """The commit rule: an entry is committed when this node and every required member hold it.

    Without it: an entry is acknowledged that the member who may take over does not have.
    """
    return min(own_persisted, *required_acked) if required_acked else own_persisted


def acknowledge_through(committed: Sequence, log_end: Sequence) -> Sequence:  # noqa: ARG001 - a planted bug needs it
    """R1: clients are acknowledged through the commit point, however long the log is.

    Without it: the active dies after the acknowledgement and before the peer has the entry; the event is gone.
    """
    return committed


def release_through(committed: Sequence, log_end: Sequence) -> Sequence:  # noqa: ARG001 - a planted bug needs it
    """R2: the engine, and so every output, sees entries through the commit point only.

    Without it: an output leaves for an event that the next active never saw, and its number is given to another.
    """
    return committed


def solo_is_recorded(row: WitnessRow, me: PeerIdentity) -> bool:
    """R3: this node may commit alone only after the witness says that it is alone.

    Without it: both commit alone, the active because it stopped waiting, the peer because the row names it.
    """
    return row.active == me.node and row.active_incarnation == me.incarnation and row.synced == (me,)


def solo_is_settled(row: WitnessRow, sync_asked_version: int) -> bool:
    """R6: the solo row must be newer than the last sync-in this node asked for (``expected_version`` of that CAS).

    Without it: a delayed sync-in lands after the active went on alone, and re-arms a peer that misses entries.
    """
    return row.version > sync_asked_version


def next_version(row: WitnessRow) -> int:
    """R6: every change raises the version.

    Without it: a request that was overtaken still finds its expected version and is applied on top of a newer row.
    """
    return row.version + 1


def may_ask_sync_in(*, requires_peer: bool, acked: Sequence, must_hold: Sequence) -> bool:
    """R4: first stop committing without the joiner, then wait until it holds everything, then ask the witness.

    ``must_hold``: the log's end when its acknowledgements became required.
    Without it: the row names a peer that misses entries which were committed without it.
    """
    return requires_peer and acked >= must_hold


def waits_for_slow_peer(policy: str) -> bool:
    """``block``: a peer that is there but slow is waited for; nothing is committed on one disk because of slowness.

    Without it: a user who chose two copies over speed finds events on one disk only.
    """
    return policy == "block"


def may_take(row: WitnessRow, me: PeerIdentity) -> bool:
    """R5: only a member of the synced set may take the row; the active itself is one.

    Without it: a node that was left behind becomes active and everything committed since is lost.
    """
    return names_this_disk(row, me)


def names_this_disk(row: WitnessRow, me: PeerIdentity) -> bool:
    """R7: the synced set means this very disk, not a node's name.

    Without it: a node that comes back with an empty disk takes over.
    """
    return me in row.synced


def holds_the_row(row: WitnessRow, node: NodeId, incarnation: Incarnation) -> bool:
    """R7 for the active: the row's active is this node and this very disk."""
    return row.active == node and row.active_incarnation == incarnation


def acknowledge_peer_through(received: LogPosition, persisted: LogPosition) -> LogPosition:
    """R8: the passive acknowledges what its log holds as durably as the mode asks, not what it received.

    Without it: both die, and what only memory held was acknowledged.
    """
    return persisted if persisted.sequence <= received.sequence else received


def may_follow(following: Epoch, offered: Epoch) -> bool:
    """R9: appends are taken only from the epoch that this node joined.

    Without it: a paused former active overwrites what the new one committed.
    """
    return offered == following


def may_drop_tail(common: Sequence, committed: Sequence) -> bool:
    """R9: a log is cut only behind what is known to be committed."""
    return common >= committed


def is_duplicate(accepted: int, offered: int) -> bool:
    """R10: a publication with a number that its client used before is not taken again.

    Without it: a client that resends after a failover is counted twice.
    """
    return offered <= accepted


def expected_progress(published_through: Sequence, first_output: Sequence) -> Sequence:  # noqa: ARG001 - planted bug
    """R11: a write to a store says what the store must hold before it.

    Without it: a write whose reply was lost is repeated and its rows are there twice.
    """
    return published_through


def apply_through(committed: Sequence, proven: Sequence) -> Sequence:
    """Staggered apply: a node that follows applies what the active's engine has applied, and no more.

    Without it: an event that kills the process which applies it kills both nodes at once.
    """
    return min(committed, proven)


def may_tell_applied(acked: Sequence, last_quarantine: Sequence) -> bool:
    """The peer learns how far the engine is only when its log holds every Quarantine.

    Without it: it applies an entry that this node left out.
    """
    return acked >= last_quarantine


def suspects_through(log_end: Sequence) -> Sequence:
    """Whoever becomes active tries what the one before may have begun in a child process first.

    Without it: the event that killed the old active kills the new one.
    """
    return log_end


def permit_for(epoch: Epoch) -> PublishPermit:
    """R12: every write to a store carries the epoch it was made under; a store refuses an older one.

    Second layer behind R2 and R11: without it a paused active could write next to the new one.
    """
    return PublishPermit(epoch)


def ack_counts(epoch: Epoch, ack_epoch: Epoch, peer: PeerIdentity, ack_incarnation: Incarnation) -> bool:
    """R13: an acknowledgement counts for this epoch and from the disk that is required, for nothing else.

    Without it: a wiped node's old acknowledgements certify a disk that is empty.
    """
    return ack_epoch == epoch and ack_incarnation == peer.incarnation
