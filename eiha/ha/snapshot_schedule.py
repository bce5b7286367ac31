"""When the next snapshot is due, and how much of the log none covers yet."""

from __future__ import annotations

from typing import Final

from eiha.ha.context import Context
from eiha.kernel.ids import LogPosition, Sequence

EARLY_SHARE: Final = 20
"""A snapshot before its time waits so many times as long as the last one took."""

FIRST_RESTORE_MS: Final = 1000
"""Of a restore, what a process does once, however small the state is: half a second of imports, and kernels to load.
Counted as the state's size it would put the next snapshot off for so long that a node that is killed often replays more
each time."""

FIRST_TOLD_INTERVALS: Final = 4
"""So many times the log that makes a snapshot due without one is said, and again each time that it has doubled."""


class SnapshotSchedule:
    """Times and sizes of this node's snapshots.

    ``saved``: where the newest one was cut. ``uncovered_bytes``: of the log what came after it, which a start replays
    and the disk must keep.
    """

    __slots__ = (
        "_ctx",
        "_cut_bytes",
        "_cut_ms",
        "_failed",
        "_logged_bytes",
        "_restore_ms",
        "_saved_bytes",
        "_tell_bytes",
        "_took_ms",
        "saved",
    )

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._logged_bytes = 0
        self._cut_ms = 0
        self._cut_bytes = 0
        self._saved_bytes = 0
        self._restore_ms = 0
        self._took_ms = 0
        self._failed = False
        self._tell_bytes = self._first_told_bytes
        self.saved: LogPosition | None = None

    @property
    def uncovered_bytes(self) -> int:
        """Of the log what no snapshot covers."""
        return self._logged_bytes - self._saved_bytes

    @property
    def is_log_full(self) -> bool:
        """Whether the log has as much without a snapshot as it may."""
        limit = self._ctx.policy.log_uncovered_bytes_max
        return 0 < limit < self.uncovered_bytes

    @property
    def is_log_grown(self) -> bool:
        """Whether there should have been a snapshot long ago."""
        return self.uncovered_bytes >= self._first_told_bytes

    @property
    def _first_told_bytes(self) -> int:
        return FIRST_TOLD_INTERVALS * self._ctx.policy.snapshot_interval_bytes

    def logged(self, size: int) -> None:
        """So many bytes were added to the log."""
        self._logged_bytes += size
        if self.uncovered_bytes >= self._tell_bytes:
            self._tell_bytes *= 2
            self._ctx.fact(
                "log_grows",
                f"{self.uncovered_bytes} bytes of the log are in no snapshot: see why none is saved",
                "error",
            )

    def loaded(self, size: int) -> None:
        """The disk held so many at the start; whether a snapshot covers them will be told."""
        self._saved_bytes -= size

    def discarded(self) -> None:
        """The log begins anew behind a snapshot that is on its way."""
        self._saved_bytes = self._logged_bytes

    def cut(self) -> None:
        """One is cut now."""
        self._cut_ms = self._ctx.monotonic_ms
        self._cut_bytes = self._logged_bytes

    def taken(self, position: LogPosition) -> LogPosition | None:
        """The one that was cut last is durable. Returns where the one before it was cut."""
        self._failed = False
        self._took_ms = self._ctx.monotonic_ms - self._cut_ms
        self._saved_bytes = self._cut_bytes
        self._tell_bytes = self._first_told_bytes
        before, self.saved = self.saved, position
        return before

    def failed(self) -> None:
        """It could not be written."""
        self._failed = True

    def restoring(self) -> None:
        """One is about to be read."""
        self._restore_ms = self._ctx.monotonic_ms

    def restored(self, position: LogPosition, behind_bytes: int) -> None:
        """It was; the log has ``behind_bytes`` after it."""
        self.saved = position
        self._cut_ms = self._ctx.monotonic_ms
        # what it took to read says how large the state is, until one is written
        self._took_ms = max(0, self._ctx.monotonic_ms - self._restore_ms - FIRST_RESTORE_MS)
        self._cut_bytes = self._logged_bytes
        self._saved_bytes = self._logged_bytes - behind_bytes

    def is_due(self, handed_through: Sequence, applied_through: Sequence) -> bool:
        """Whether an interval has passed (in time, bytes, or entries to replay) and something was applied since."""
        policy = self._ctx.policy
        since = 0 if self.saved is None else self.saved.sequence
        if handed_through <= since:
            return False
        passed_ms = self._ctx.monotonic_ms - self._cut_ms
        if self._failed:
            return passed_ms >= policy.snapshot_pause_ms
        by_bytes = self._logged_bytes - self._cut_bytes >= policy.snapshot_interval_bytes
        if not policy.snapshot_interval_ms or by_bytes:
            return by_bytes
        replay = applied_through - since
        early_ms = max(policy.snapshot_early_ms, EARLY_SHARE * self._took_ms)
        by_entries = replay >= policy.snapshot_interval_entries and passed_ms >= early_ms
        return by_entries or passed_ms >= policy.snapshot_interval_ms
