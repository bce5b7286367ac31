"""The connections to the peer: one current link per channel; what comes over an older one is not heard."""

from __future__ import annotations

from eiha.ha.inputs import Channel
from eiha.kernel.ids import LinkId
from eiha.protocol.peer_messages import PeerIdentity


class Links:
    """Which link of each channel counts. The newest handshake wins."""

    __slots__ = ("_current", "peer")

    def __init__(self) -> None:
        self._current: dict[Channel, tuple[LinkId, PeerIdentity]] = {}
        self.peer: PeerIdentity | None = None
        """Who was connected last; stays known while the links are closed."""

    def up(self, channel: Channel, link: LinkId, peer: PeerIdentity) -> LinkId | None:
        """A handshake completed. Returns the link that it replaces, to be closed."""
        replaced = self._current.get(channel)
        self._current[channel] = (link, peer)
        self.peer = peer
        return replaced[0] if replaced is not None and replaced[0] != link else None

    def down(self, channel: Channel, link: LinkId) -> bool:
        """A link is gone. Returns whether it was the current one."""
        current = self._current.get(channel)
        if current is None or current[0] != link:
            return False
        del self._current[channel]
        return True

    def link(self, channel: Channel) -> LinkId | None:
        """The current link of ``channel``."""
        current = self._current.get(channel)
        return None if current is None else current[0]

    def identity(self, channel: Channel) -> PeerIdentity | None:
        """Who is at the other end of the channel's current link."""
        current = self._current.get(channel)
        return None if current is None else current[1]

    def is_current(self, channel: Channel, link: LinkId) -> bool:
        """Whether messages of this link are heard."""
        return self.link(channel) == link

    @property
    def any_open(self) -> bool:
        """Whether the peer is connected at all."""
        return bool(self._current)
