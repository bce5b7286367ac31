from __future__ import annotations

import pytest

from eiha.ha.divergence import DIGESTS_KEPT, PARTS_NAMED_MAX, DigestComparison
from eiha.kernel.ids import Sequence
from eiha.protocol.state_digest import PartDigest, StateDigest, names_digest

NAMES = tuple(f"part {number}" for number in range(20))


def digest(said: bytes, parts: int = 1) -> StateDigest:
    covered = tuple(PartDigest(number, 0, 1, said) for number in range(parts))
    return StateDigest(names_digest(NAMES), covered, NAMES)


@pytest.mark.parametrize("mine_first", [True, False])
def test_a_difference_is_found_whichever_node_tells_first(mine_first: bool) -> None:
    comparison = DigestComparison()
    if mine_first:
        assert comparison.mine(Sequence(8), digest(b"a")) is None
        found = comparison.theirs(Sequence(8), digest(b"b"))
    else:
        assert comparison.theirs(Sequence(8), digest(b"b")) is None
        found = comparison.mine(Sequence(8), digest(b"a"))
    assert str(found) == "states differ after entry 8 in part 0"


def test_only_equal_positions_are_compared() -> None:
    comparison = DigestComparison()
    assert comparison.mine(Sequence(8), digest(b"a")) is None
    assert comparison.theirs(Sequence(16), digest(b"b")) is None
    assert comparison.mine(Sequence(16), digest(b"b")) is None


def test_what_the_peer_said_of_a_state_that_differs_is_forgotten() -> None:
    comparison = DigestComparison()
    comparison.theirs(Sequence(8), digest(b"b"))
    comparison.theirs(Sequence(16), digest(b"b"))
    assert comparison.mine(Sequence(8), digest(b"a")) is not None
    assert comparison.mine(Sequence(16), digest(b"a")) is None


def test_many_parts_are_counted_not_listed() -> None:
    comparison = DigestComparison()
    comparison.mine(Sequence(8), digest(b"a", 20))
    found = comparison.theirs(Sequence(8), digest(b"b", 20))
    assert found is not None
    assert (len(found.parts), found.more) == (PARTS_NAMED_MAX, 20 - PARTS_NAMED_MAX)
    assert str(found).endswith("; and in 12 more")


def test_digests_that_wait_for_their_counterparts_are_bounded() -> None:
    comparison = DigestComparison()
    for sequence in range(1, DIGESTS_KEPT + 2):
        comparison.mine(Sequence(sequence), digest(b"a"))
    assert comparison.theirs(Sequence(1), digest(b"b")) is None
    assert comparison.theirs(Sequence(2), digest(b"b")) is not None
