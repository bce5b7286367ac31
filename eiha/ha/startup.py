"""What the disk holds becomes the replica's log, if its parts hang together."""

from __future__ import annotations

from eiha.ha.inputs import Start
from eiha.ha.replica import Replica
from eiha.kernel.ids import LOG_START, Epoch, LogPosition, Sequence


def load_disk(replica: Replica, start: Start) -> str | None:
    """Load snapshot facts and log, and ask for the restore. Returns what is damaged, None when all is well.

    Nothing is applied: whether the tail is committed is known only once the role is.
    """
    cut = LOG_START if start.snapshot is None else start.snapshot.position
    starts = () if start.snapshot is None else start.snapshot.epoch_starts
    log = replica.log
    entries = start.entries
    if entries and entries[-1].sequence < cut.sequence:
        # the file was durable before the log's last entries were: what the log holds is covered
        entries = ()
        replica.discard_log_on_disk(cut)
    if not entries:
        log.reset(cut, starts)
    else:
        before = Sequence(entries[0].sequence - 1)
        if before > cut.sequence:
            return (
                f"the log begins with entry {entries[0].sequence}, the snapshot ends at {cut.sequence}: "
                "a transfer was interrupted; a new snapshot is needed"
            )
        log.reset(cut if before == cut.sequence else LogPosition(before, _epoch_at(starts, before)), starts)
        replica.load(entries)
        if not log.holds(cut):
            return f"the log does not hold entry {cut.sequence} of epoch {cut.epoch} that the snapshot was cut at"
        log.mark_committed(cut.sequence)
    replica.began_at(cut.sequence)
    replica.proven(start.applied_before)
    if start.snapshot is not None:
        replica.restore(None)
    return None


def _epoch_at(starts: tuple[tuple[Epoch, Sequence], ...], sequence: Sequence) -> Epoch:
    epochs = [epoch for epoch, first in starts if first <= sequence]
    return epochs[-1] if epochs else LOG_START.epoch
