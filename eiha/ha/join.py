"""How a joiner's log and the active's come together: cut the tail, replay the rest, or start from a snapshot."""

from __future__ import annotations

from dataclasses import dataclass

from eiha.ha.event_log import EventLog, common_point
from eiha.kernel.ids import LogPosition
from eiha.protocol.peer_messages import JoinRequest


@dataclass(frozen=True, slots=True)
class FollowLog:
    """The joiner keeps its log through ``common`` and gets what comes after from the active's memory."""

    common: LogPosition


@dataclass(frozen=True, slots=True)
class NeedSnapshot:
    """The joiner's state cannot be continued from this log; ``reason`` says why."""

    common: LogPosition
    reason: str


def decide_join(log: EventLog, request: JoinRequest) -> FollowLog | NeedSnapshot:
    """How the joiner of ``request`` gets to the state of ``log``. Pure; the same question gives the same answer."""
    common = common_point(log, request.epoch_starts, request.log_end)
    if common.sequence < request.snapshot_sequence:
        return NeedSnapshot(common, f"its state stands at {request.snapshot_sequence}, behind what both logs share")
    if common.sequence < log.base.sequence:
        return NeedSnapshot(common, f"the log in memory begins after {log.base.sequence}")
    return FollowLog(common)
