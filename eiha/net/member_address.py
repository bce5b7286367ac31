"""Where a member can be reached, from the configuration's list or from an announcement."""

from __future__ import annotations

from dataclasses import dataclass

from eiha.ha.inputs import Channel
from eiha.kernel.ids import NodeId


@dataclass(frozen=True, slots=True)
class MemberLocation:
    """The two channels of a member as others dial them, and where it serves clients and status (port 0: not told)."""

    node: NodeId
    host: str
    event_sync_host: str
    management_port: int
    event_sync_port: int
    http_port: int
    ingest_port: int

    def of(self, channel: Channel) -> tuple[str, int]:
        """Host and port of one channel."""
        if channel is Channel.MANAGEMENT:
            return self.host, self.management_port
        return self.event_sync_host, self.event_sync_port
