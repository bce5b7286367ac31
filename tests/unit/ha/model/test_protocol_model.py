"""The rules keep the promises in every order of events that was tried, and each is needed: without it, a loss."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.ha.model.protocol_model import Bounds, ProtocolModel, rules_with, search, walk

WIDE = Bounds(events=3, epochs=5, versions=10, crashes=4, wipes=1)


def test_no_order_of_events_within_small_bounds_breaks_a_promise() -> None:
    found = search(ProtocolModel(bounds=Bounds(events=1, epochs=2, versions=4, crashes=1, wipes=0)), 40_000)
    assert found.broken is None, "\n".join(found.story)
    assert found.states >= 40_000 or found.exhausted


def test_with_one_version_to_give_every_state_is_seen() -> None:
    found = search(ProtocolModel(bounds=Bounds(events=1, epochs=1, versions=2, crashes=1, wipes=1)), 100_000)
    assert found.broken is None, "\n".join(found.story)
    assert found.exhausted


def test_no_random_walk_breaks_a_promise() -> None:
    found = walk(ProtocolModel(bounds=WIDE), walks=300, depth=100, seed=7)
    assert found.broken is None, "\n".join(found.story)


def test_the_same_seed_walks_the_same_way() -> None:
    planted = {"may_ask_sync_in": lambda **_: True}
    stories = {walk(ProtocolModel(rules_with(**planted), WIDE), walks=50, depth=80, seed=3).story for _ in range(2)}
    assert len(stories) == 1


PLANTED: dict[str, dict[str, Any]] = {
    "commit without the peer": {"commit_point": lambda own, _required: own},
    "R1 acknowledge early": {"acknowledge_through": lambda _committed, end: end},
    "R2 release outputs early": {"release_through": lambda _committed, end: end},
    "R3 alone without the witness": {"solo_is_recorded": lambda _row, _me: True},
    "R4 sync in before the peer caught up": {"may_ask_sync_in": lambda **_: True},
    "R5 take although not synced": {"may_take": lambda _row, _me: True},
    "R6 versions that do not rise": {"next_version": lambda row: row.version},
    "R6 a stale sync-in lands": {"solo_is_settled": lambda _row, sync_asked_version: sync_asked_version is not None},
    "R7 a name instead of a disk": {"may_take": lambda row, me: me.node in [member.node for member in row.synced]},
    "R8 acknowledge what only memory holds": {"acknowledge_peer_through": lambda received, _persisted: received},
    "R9 follow any epoch": {"may_follow": lambda _following, _offered: True},
    "R10 count a resend again": {"is_duplicate": lambda _accepted, _offered: False},
    "R13 acknowledgements of any epoch": {"ack_counts": lambda _e, _ack, peer, disk: peer.incarnation == disk},
}


@pytest.mark.parametrize("planted", PLANTED.values(), ids=PLANTED.keys())
def test_without_a_rule_something_is_lost(planted: dict[str, Any]) -> None:
    for seed in range(1, 8):
        found = walk(ProtocolModel(rules_with(**planted), WIDE), walks=300, depth=80, seed=seed)
        if found.broken is not None:
            return
    pytest.fail("no walk found what this bug breaks")


@pytest.mark.parametrize("trusting", ["trusting_store", "trusting_witness"])
def test_a_store_and_a_witness_must_compare_what_they_are_told(trusting: str) -> None:
    """R11 and R12 live in the store, half of R6 in the witness."""
    model = ProtocolModel(bounds=WIDE, trusting_store=trusting == "trusting_store",
                          trusting_witness=trusting == "trusting_witness")  # fmt: skip
    assert any(walk(model, walks=400, depth=80, seed=seed).broken for seed in range(1, 6))
