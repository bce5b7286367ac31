"""Stamps what goes into the log: epoch, sequence, log time. Only the active of an epoch has one."""

from __future__ import annotations

from eiha.kernel.ids import Epoch, LogTimeMs, Sequence, WallMs
from eiha.protocol.entry_codec import encode_entry
from eiha.protocol.log_entry import EntryBody, LogEntry


class Sequencer:
    """Makes the entries of one epoch. Sequences are contiguous; log time never regresses, whatever the clock does."""

    __slots__ = ("epoch", "last_log_time_ms", "next_sequence")

    def __init__(self, epoch: Epoch, next_sequence: Sequence, last_log_time_ms: LogTimeMs) -> None:
        self.epoch = epoch
        self.next_sequence = next_sequence
        self.last_log_time_ms = last_log_time_ms

    def stamp(self, body: EntryBody, wall_ms: WallMs) -> LogEntry:
        """The next entry, with its encoded form made once and for all."""
        log_time = LogTimeMs(max(self.last_log_time_ms, wall_ms))
        bare = LogEntry(self.epoch, self.next_sequence, log_time, body)
        entry = LogEntry(self.epoch, self.next_sequence, log_time, body, encode_entry(bare))
        self.next_sequence = Sequence(self.next_sequence + 1)
        self.last_log_time_ms = log_time
        return entry
