"""Each rule said as an example; the losses without them are shown by tests/unit/ha/model and the simulator."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from eiha.ha import rules
from eiha.ha.witness_row import WitnessRow
from eiha.kernel.ids import Epoch, Incarnation, LogPosition, NodeId, Sequence
from eiha.protocol.outputs import PublishPermit
from eiha.protocol.peer_messages import PeerIdentity

A = PeerIdentity(NodeId("a"), Incarnation("a.1"))
A_WIPED = PeerIdentity(NodeId("a"), Incarnation("a.2"))
B = PeerIdentity(NodeId("b"), Incarnation("b.1"))
SYNCED = WitnessRow("c", Epoch(3), A.node, A.incarnation, (A, B), 7, "test")
SOLO = replace(SYNCED, synced=(A,))
sequences = st.integers(0, 1_000).map(Sequence)


@given(sequences, st.lists(sequences, max_size=3))
def test_the_commit_point_is_the_least_of_all_that_must_hold_an_entry(own: Sequence, required: list[Sequence]) -> None:
    assert rules.commit_point(own, tuple(required)) == min([own, *required])


def test_r1_and_r2_nothing_goes_out_beyond_the_commit_point() -> None:
    assert rules.acknowledge_through(Sequence(5), Sequence(9)) == 5
    assert rules.release_through(Sequence(5), Sequence(9)) == 5


def test_r3_alone_means_that_the_witness_says_so_of_this_very_disk() -> None:
    assert rules.solo_is_recorded(SOLO, A)
    assert not rules.solo_is_recorded(SYNCED, A)
    assert not rules.solo_is_recorded(SOLO, A_WIPED)
    assert not rules.solo_is_recorded(SOLO, B)


def test_r4_sync_in_is_asked_only_once_the_peer_is_required_and_holds_everything() -> None:
    assert rules.may_ask_sync_in(requires_peer=True, acked=Sequence(9), must_hold=Sequence(9))
    assert not rules.may_ask_sync_in(requires_peer=True, acked=Sequence(8), must_hold=Sequence(9))
    assert not rules.may_ask_sync_in(requires_peer=False, acked=Sequence(9), must_hold=Sequence(9))


def test_r5_and_r7_only_the_disks_that_the_row_names_may_take_it() -> None:
    assert rules.may_take(SYNCED, A)
    assert rules.may_take(SYNCED, B)
    assert not rules.may_take(SOLO, B)
    assert not rules.may_take(SYNCED, A_WIPED)
    assert rules.holds_the_row(SYNCED, A.node, A.incarnation)
    assert not rules.holds_the_row(SYNCED, A.node, A_WIPED.incarnation)
    assert not rules.holds_the_row(SYNCED, B.node, B.incarnation)


def test_r6_versions_rise_and_solo_counts_only_when_newer_than_the_last_sync_in_asked_for() -> None:
    assert rules.next_version(SYNCED) == 8
    assert rules.solo_is_settled(SOLO, sync_asked_version=6)
    assert not rules.solo_is_settled(SOLO, sync_asked_version=7)


def test_r8_the_passive_acknowledges_what_its_disk_holds() -> None:
    received, persisted = LogPosition(Sequence(9), Epoch(3)), LogPosition(Sequence(4), Epoch(3))
    assert rules.acknowledge_peer_through(received, persisted) == persisted


def test_r9_only_the_epoch_that_was_joined_is_followed_and_nothing_committed_is_cut() -> None:
    assert rules.may_follow(Epoch(3), Epoch(3))
    assert not rules.may_follow(Epoch(3), Epoch(2))
    assert not rules.may_follow(Epoch(3), Epoch(4))
    assert rules.may_drop_tail(Sequence(5), Sequence(5))
    assert not rules.may_drop_tail(Sequence(4), Sequence(5))


def test_r10_a_number_is_taken_once() -> None:
    assert rules.is_duplicate(4, 4)
    assert rules.is_duplicate(4, 1)
    assert not rules.is_duplicate(4, 5)


def test_r11_and_r12_a_write_says_what_the_store_must_hold_and_under_which_epoch() -> None:
    assert rules.expected_progress(Sequence(4), Sequence(6)) == 4
    assert rules.permit_for(Epoch(3)) == PublishPermit(Epoch(3))


def test_r13_an_acknowledgement_is_of_this_epoch_and_from_that_disk() -> None:
    assert rules.ack_counts(Epoch(3), Epoch(3), B, B.incarnation)
    assert not rules.ack_counts(Epoch(3), Epoch(2), B, B.incarnation)
    assert not rules.ack_counts(Epoch(3), Epoch(3), B, Incarnation("b.2"))
