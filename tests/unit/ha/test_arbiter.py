"""The arbiter's rows against the plainest model: a version that only its reader may replace."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eiha.errors import MalformedFrame
from eiha.ha.arbiter import Arbiter
from eiha.kernel.ids import Epoch, Incarnation, NodeId
from eiha.protocol.limits import NUMBER_MAX, WITNESS_HISTORY_PAGE
from eiha.protocol.peer_messages import PeerIdentity
from eiha.protocol.witness_messages import (
    HistoryHeld,
    NotSwapped,
    ReadHistory,
    ReadRow,
    RowChange,
    RowHeld,
    Swapped,
    SwapRow,
    WitnessAnswer,
    WitnessRow,
)

A = PeerIdentity(NodeId("node1"), Incarnation("disk"))


def row(version: int, cluster: str = "c") -> WitnessRow:
    return WitnessRow(cluster, Epoch(1), A.node, A.incarnation, (A,), version, f"v{version}")


def name(number: int) -> bytes:
    return number.to_bytes(16, "big")


def swap(arbiter: Arbiter, expected: int | None, version: int, named: int = 0, cluster: str = "c") -> WitnessAnswer:
    request = SwapRow(1, name(named or version), expected, row(version, cluster))
    considered = arbiter.consider(cluster, request, 1_000)
    if considered.change is not None:
        arbiter.apply(considered.change)
    return considered.answer


def made_anew(changes: Iterable[RowChange], history_max: int = 100) -> Arbiter:
    arbiter = Arbiter(history_max)
    for change in changes:
        assert arbiter.fits(change)
        arbiter.apply(change)
    return arbiter


def test_nothing_changes_before_the_change_is_applied() -> None:
    arbiter = Arbiter(10)
    considered = arbiter.consider("c", SwapRow(7, name(1), None, row(1)), 1_000)
    assert considered.answer == Swapped(7)
    assert arbiter.consider("c", ReadRow(8), 1_000).answer == RowHeld(8, None, b"")
    assert considered.change is not None
    arbiter.apply(considered.change)
    assert arbiter.consider("c", ReadRow(9), 1_000).answer == RowHeld(9, row(1), name(1))


def test_the_same_swap_again_is_answered_again_and_not_applied_twice() -> None:
    arbiter = Arbiter(10)
    swap(arbiter, None, 1, named=5)
    assert arbiter.consider("c", SwapRow(2, name(5), None, row(1)), 9_000).change is None
    assert swap(arbiter, None, 1, named=5) == Swapped(1)
    swap(arbiter, 1, 2)
    assert swap(arbiter, None, 1, named=5) == NotSwapped(1, row(2)), "it holds no more"


def test_clusters_do_not_see_each_other() -> None:
    arbiter = Arbiter(10)
    swap(arbiter, None, 1)
    assert arbiter.row("d") is None
    with pytest.raises(MalformedFrame, match="may not change the row of 'c'"):
        arbiter.consider("d", SwapRow(1, name(1), 1, row(2)), 1_000)


@pytest.mark.parametrize(("expected", "version"), [(1, 1), (2, 1)])
def test_a_swap_must_raise_the_version(expected: int, version: int) -> None:
    with pytest.raises(MalformedFrame, match="must raise the version"):
        Arbiter(10).consider("c", SwapRow(1, name(1), expected, row(version)), 1_000)


def test_history_is_told_in_pages_from_the_newest_back() -> None:
    arbiter = Arbiter(1_000)
    for version in range(1, 101):
        swap(arbiter, version - 1 or None, version)
    seen: list[int] = []
    before = NUMBER_MAX
    while True:
        answer = arbiter.consider("c", ReadHistory(1, before), 1_000).answer
        assert isinstance(answer, HistoryHeld)
        if not answer.changes:
            break
        assert len(answer.changes) <= WITNESS_HISTORY_PAGE
        versions = [change.row.version for change in answer.changes if change.row is not None]
        seen = versions + seen
        before = versions[0]
    assert seen == list(range(1, 101))


def test_old_changes_are_forgotten_and_the_rest_still_makes_the_same_arbiter() -> None:
    arbiter = Arbiter(3)
    for version in range(1, 11):
        swap(arbiter, version - 1 or None, version)
    assert arbiter.kept_count == 3
    again = made_anew(arbiter.kept(), 3)
    assert again.row("c") == row(10)
    assert list(again.kept()) == list(arbiter.kept())


def test_a_removed_row_is_founded_anew() -> None:
    arbiter = Arbiter(10)
    assert arbiter.removal("c", name(1), 1) is None
    swap(arbiter, None, 1)
    swap(arbiter, 1, 2)
    removal = arbiter.removal("c", name(9), 1)
    assert removal is not None
    assert arbiter.fits(removal)
    arbiter.apply(removal)
    assert arbiter.row("c") is None
    assert swap(arbiter, None, 1, named=7) == Swapped(1)


def test_a_change_that_follows_no_other_does_not_fit() -> None:
    arbiter = Arbiter(10)
    swap(arbiter, None, 1)
    change = RowChange("c", name(3), 2, 1_000, row(3))
    assert not arbiter.fits(change)
    assert arbiter.fits(replace(change, replaces=1))


@given(
    st.lists(
        st.tuples(st.sampled_from("cd"), st.none() | st.integers(1, 6), st.integers(1, 7), st.integers(1, 1_000)),
        max_size=40,
    )
)
def test_whatever_is_asked_a_row_is_replaced_only_by_who_knew_it(
    asked: list[tuple[str, int | None, int, int]],
) -> None:
    arbiter = Arbiter(100)
    model: dict[str, int] = {}
    names: dict[str, int] = {}
    for cluster, expected, version, named in asked:
        if version <= (expected or 0):
            continue
        answer = swap(arbiter, expected, version, named, cluster)
        if names.get(cluster) == named:
            assert answer == Swapped(1)
        elif model.get(cluster) == expected:
            assert answer == Swapped(1)
            model[cluster], names[cluster] = version, named
        else:
            assert answer == NotSwapped(1, arbiter.row(cluster))
        held = arbiter.row(cluster)
        assert (None if held is None else held.version) == model.get(cluster)
    again = made_anew(arbiter.kept())
    assert {cluster: again.row(cluster) for cluster in "cd"} == {cluster: arbiter.row(cluster) for cluster in "cd"}
