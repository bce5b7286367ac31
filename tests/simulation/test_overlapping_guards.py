"""Guards that the simulator cannot miss alone, because others catch the same: they are asserted directly.

R12 (fence): what a former active would write is refused for its progress (R11) too, and would be the same rows (R2).
R9, R13 (epochs, disks): with two nodes, what is over also comes over a link that is over, and those are not heard;
an entry of another history is found by its (epoch, sequence) all the same. They stay, against bugs in the others.
"""

from __future__ import annotations

import pytest

from eiha.ha import rules
from eiha.ha.inputs import Channel
from eiha.ha.links import Links
from eiha.kernel.ids import Epoch, Incarnation, LinkId, NodeId, Sequence
from eiha.ports import Committed, Fenced
from eiha.protocol.peer_messages import PeerIdentity
from eiha.simulation.sinks import SimulatedStore, Transaction

PEER = PeerIdentity(NodeId("node2"), Incarnation("disk-2"))


def test_a_store_refuses_an_older_epoch_even_if_the_progress_is_as_expected() -> None:
    store = SimulatedStore("s")
    assert store.open(Epoch(2)) == Committed(Sequence(0))
    stale = Transaction("old", Epoch(1), (), Sequence(0), Sequence(4))
    assert store.begin(stale)
    assert store.commit(stale) == Fenced(Epoch(2))
    assert store.open(Epoch(1)) == Fenced(Epoch(2))


def test_a_permit_carries_the_epoch_it_was_made_under() -> None:
    assert rules.permit_for(Epoch(7)).epoch == 7


@pytest.mark.parametrize(("following", "offered", "taken"), [(3, 3, True), (3, 2, False), (3, 4, False)])
def test_appends_are_taken_of_the_epoch_that_was_joined_only(following: int, offered: int, taken: bool) -> None:
    assert rules.may_follow(Epoch(following), Epoch(offered)) is taken


@pytest.mark.parametrize(("epoch", "disk", "counts"), [(3, "disk-2", True), (2, "disk-2", False), (3, "disk-1", False)])
def test_an_acknowledgement_counts_for_this_epoch_and_disk_only(epoch: int, disk: str, counts: bool) -> None:
    assert rules.ack_counts(Epoch(3), Epoch(epoch), PEER, Incarnation(disk)) is counts


def test_what_comes_over_a_link_that_was_replaced_is_not_heard() -> None:
    links = Links()
    links.up(Channel.EVENT_SYNC, LinkId(1), PEER)
    assert links.up(Channel.EVENT_SYNC, LinkId(2), PEER) == 1
    assert not links.is_current(Channel.EVENT_SYNC, LinkId(1))
    assert links.is_current(Channel.EVENT_SYNC, LinkId(2))


@pytest.mark.parametrize(("common", "committed", "allowed"), [(5, 5, True), (6, 5, True), (4, 5, False)])
def test_a_log_is_cut_only_behind_what_is_committed(common: int, committed: int, allowed: bool) -> None:
    assert rules.may_drop_tail(Sequence(common), Sequence(committed)) is allowed
