from __future__ import annotations

from eiha.ha.inputs import Channel
from eiha.ha.links import Links
from eiha.kernel.ids import Incarnation, LinkId, NodeId
from eiha.protocol.peer_messages import PeerIdentity

PEER = PeerIdentity(NodeId("b"), Incarnation("b.1"))


def test_the_newest_handshake_of_a_channel_wins_and_names_the_link_to_close() -> None:
    links = Links()
    assert links.up(Channel.EVENT_SYNC, LinkId(1), PEER) is None
    assert links.up(Channel.EVENT_SYNC, LinkId(2), PEER) == 1
    assert links.is_current(Channel.EVENT_SYNC, LinkId(2))
    assert not links.is_current(Channel.EVENT_SYNC, LinkId(1))
    assert not links.is_current(Channel.MANAGEMENT, LinkId(2))


def test_the_end_of_a_replaced_link_changes_nothing() -> None:
    links = Links()
    links.up(Channel.EVENT_SYNC, LinkId(1), PEER)
    links.up(Channel.EVENT_SYNC, LinkId(2), PEER)
    assert not links.down(Channel.EVENT_SYNC, LinkId(1))
    assert links.any_open
    assert links.down(Channel.EVENT_SYNC, LinkId(2))
    assert not links.any_open
    assert links.peer == PEER
