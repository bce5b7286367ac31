"""The log in memory: its tail, its epochs, its watermarks. The disk holds the same entries; shells keep it so."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from itertools import pairwise

from eiha.kernel.ids import LOG_START, Epoch, LogPosition, LogTimeMs, Sequence
from eiha.protocol.log_entry import LogEntry

EpochStarts = tuple[tuple[Epoch, Sequence], ...]

EPOCHS_MAX = 4_096
"""Epoch starts that are remembered; a peer that was away for more promotions gets a snapshot."""


class EventLog:
    """Entries after ``base``, contiguous, with the history of epochs.

    Invariant: ``base.sequence <= end.sequence``, ``persisted <= end``, ``committed <= end``. Appending and looking
    up cost O(1), trimming is amortised; payloads are never copied.
    """

    __slots__ = (
        "_entries",
        "_head",
        "_start_sequences",
        "_starts",
        "base",
        "committed_through",
        "end",
        "persisted",
        "retained_bytes",
    )

    def __init__(self) -> None:
        self.base: LogPosition = LOG_START
        self.end: LogPosition = LOG_START
        """Position of the last entry (of the base when there is none). An attribute: it is asked for all the time."""
        self._entries: list[LogEntry] = []
        self._head = 0
        self._starts: list[tuple[Epoch, Sequence]] = []
        self._start_sequences: list[Sequence] = []
        self.persisted: LogPosition = LOG_START
        self.committed_through: Sequence = LOG_START.sequence
        self.retained_bytes = 0

    @property
    def last_log_time_ms(self) -> LogTimeMs | None:
        """Log time of the last entry in memory, None when there is none."""
        return self._entries[-1].log_time_ms if len(self._entries) > self._head else None

    @property
    def epoch_starts(self) -> EpochStarts:
        """(epoch, first sequence) pairs, ascending."""
        return tuple(self._starts)

    @property
    def uncommitted_entries(self) -> int:
        """How many entries wait for commit."""
        return self.end.sequence - self.committed_through

    def append(self, entry: LogEntry) -> None:
        """Add the next entry: its sequence follows the end, its epoch does not regress."""
        end = self.end
        assert entry.sequence == end.sequence + 1, (entry.position, end)
        assert entry.epoch >= end.epoch, (entry.position, end)
        if not self._starts or self._starts[-1][0] != entry.epoch:
            self._starts.append((entry.epoch, entry.sequence))
            self._start_sequences.append(entry.sequence)
            if len(self._starts) > EPOCHS_MAX:
                del self._starts[0], self._start_sequences[0]
        self._entries.append(entry)
        self.end = entry.position
        self.retained_bytes += len(entry.encoded)

    def entry(self, sequence: Sequence) -> LogEntry:
        """The entry at ``sequence``, which must be in memory."""
        assert self.base.sequence < sequence <= self.end.sequence, (sequence, self.base, self.end)
        return self._entries[self._head + sequence - self.base.sequence - 1]

    def entries(self, after: Sequence, through: Sequence) -> list[LogEntry]:
        """The entries in ``(after, through]``, which must be in memory."""
        assert self.base.sequence <= after, (after, self.base)
        assert through <= self.end.sequence, (through, self.end)
        start = self._head + after - self.base.sequence
        return self._entries[start : start + through - after]

    def epoch_at(self, sequence: Sequence) -> Epoch | None:
        """The epoch of the entry at ``sequence``; None when it lies before what is remembered or after the end."""
        if sequence == 0:
            return LOG_START.epoch
        if sequence > self.end.sequence:
            return None
        index = bisect_right(self._start_sequences, sequence) - 1
        if index >= 0:
            return self._starts[index][0]
        return self.base.epoch if sequence == self.base.sequence else None

    def holds(self, position: LogPosition) -> bool:
        """Whether this log has, or had before it was trimmed, that very entry."""
        return self.epoch_at(position.sequence) == position.epoch

    def mark_persisted(self, through: LogPosition) -> bool:
        """The disk holds everything through here. False: about entries that were cut meanwhile, or no news."""
        if through.sequence <= self.persisted.sequence or not self.holds(through):
            return False
        self.persisted = through
        return True

    def mark_committed(self, through: Sequence) -> None:
        """Raise the commit watermark."""
        assert self.committed_through <= through <= self.end.sequence, (self.committed_through, through, self.end)
        self.committed_through = through

    def truncate_after(self, last: LogPosition) -> int:
        """Cut the tail after ``last`` and return how many entries that were. Never cuts what is committed."""
        assert self.holds(last), (last, self.end)
        assert last.sequence >= self.committed_through, (last, self.committed_through)
        cut = self.end.sequence - last.sequence
        if cut:
            self.retained_bytes -= sum(len(entry.encoded) for entry in self._entries[len(self._entries) - cut :])
            del self._entries[len(self._entries) - cut :]
            self.end = last
            while self._starts and self._starts[-1][1] > last.sequence:
                del self._starts[-1], self._start_sequences[-1]
        if self.persisted.sequence > last.sequence:
            self.persisted = last
        return cut

    def reset(self, start: LogPosition, epoch_starts: EpochStarts) -> None:
        """Discard everything: the next entry follows ``start``, which counts as persisted and committed."""
        self.base = self.end = start
        self._entries.clear()
        self._head = 0
        self.retained_bytes = 0
        self._starts = [pair for pair in epoch_starts if pair[1] <= start.sequence]
        self._start_sequences = [sequence for _, sequence in self._starts]
        self.persisted = start
        self.committed_through = start.sequence

    def adopt_history(self, epoch_starts: EpochStarts) -> None:
        """The epochs up to the base, as a snapshot tells them; those of the entries after it are kept."""
        known = [pair for pair in epoch_starts if pair[1] <= self.base.sequence]
        newest = known[-1][0] if known else LOG_START.epoch
        self._starts = known + [pair for pair in self._starts if pair[0] > newest]
        self._start_sequences = [sequence for _, sequence in self._starts]

    def trim_through(self, sequence: Sequence) -> None:
        """Forget committed entries through ``sequence``; the epochs stay known."""
        count = sequence - self.base.sequence
        if count <= 0:
            return
        assert sequence <= self.committed_through, (sequence, self.committed_through)
        last = self.entry(sequence)
        entries, head = self._entries, self._head
        for index in range(head, head + count):
            self.retained_bytes -= len(entries[index].encoded)
        self.base = last.position
        self._head += count
        if self._head * 2 > len(entries):
            del entries[: self._head]
            self._head = 0
        else:
            # the slots go later, the entries (and their payloads) now
            entries[head : self._head] = [last] * count

    def load(self, entries: Iterable[LogEntry]) -> None:
        """Append what the disk holds; it counts as persisted."""
        for entry in entries:
            self.append(entry)
        self.persisted = self.end


def common_point(mine: EventLog, theirs: EpochStarts, their_end: LogPosition) -> LogPosition:
    """The last position at which both logs hold the same entry, as far as the epochs are remembered.

    An epoch has one author who numbers contiguously, so equal (epoch, sequence) means an equal prefix; the logs
    agree exactly as far as, segment by segment, both say the same epoch.
    """
    limit = min(mine.end.sequence, their_end.sequence)
    best = LOG_START
    bounds = [*theirs, (Epoch(0), Sequence(their_end.sequence + 1))]
    for (epoch, first), (_, next_first) in pairwise(bounds):
        if first > limit:
            break
        last = min(Sequence(next_first - 1), limit)
        mine_last = _last_of_epoch(mine, epoch, first, last)
        if mine_last is not None and mine_last.sequence > best.sequence:
            best = mine_last
    if best == LOG_START and their_end.sequence <= limit and mine.holds(their_end):
        return their_end
    return best


def _last_of_epoch(log: EventLog, epoch: Epoch, first: Sequence, last: Sequence) -> LogPosition | None:
    """The last position in ``[first, last]`` at which ``log`` has an entry of ``epoch``; None: there is none."""
    starts = log.epoch_starts
    for index, (mine_epoch, mine_first) in enumerate(starts):
        if mine_epoch != epoch:
            continue
        mine_end = starts[index + 1][1] - 1 if index + 1 < len(starts) else log.end.sequence
        sequence = min(last, mine_end)
        return LogPosition(Sequence(sequence), epoch) if sequence >= max(first, mine_first) else None
    return None
