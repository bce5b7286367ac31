from __future__ import annotations

import pytest

from eiha.ha.election import Asking, Election, RowSeen, Unclear, WentBackwards, Won
from eiha.ha.policy import Policy
from eiha.ha.witness_row import Mine, Others, Read, Unknown, WitnessRow
from eiha.kernel.ids import Epoch, Incarnation, MonotonicMs, NodeId

POLICY = Policy(witness_timeout_ms=100, witness_retry_ms=10, witness_retry_max_ms=40)


def row(version: int) -> WitnessRow:
    return WitnessRow("c", Epoch(1), NodeId("a"), Incarnation("a.1"), (), version, "test")


def at(ms: int) -> MonotonicMs:
    return MonotonicMs(ms)


def election(seen: int = 0) -> Election:
    return Election(POLICY, seen)


def test_a_read_shows_the_row() -> None:
    asked = election()
    request = asked.read(at(0)).request
    assert not asked.ready(at(0))
    assert asked.read_done(request, Read(row(3)), at(1)) == RowSeen(row(3), refused=False)
    assert (asked.ready(at(1)), asked.seen_version) == (True, 3)


def test_a_swap_has_three_outcomes() -> None:
    asked = election()
    assert asked.swap_done(asked.swap(row(3), row(4), at(0)).request, Mine(row(4)), at(1)) == Won(row(4))
    refused = asked.swap_done(asked.swap(row(4), row(5), at(2)).request, Others(row(7)), at(3))
    assert refused == RowSeen(row(7), refused=True)
    unclear = asked.swap_done(asked.swap(row(7), row(8), at(4)).request, Unknown("gone"), at(5))
    assert unclear == Unclear("gone", swap=True)


def test_after_an_unclear_swap_only_a_read_may_follow() -> None:
    asked = election()
    asked.swap_done(asked.swap(row(3), row(4), at(0)).request, Unknown("gone"), at(1))
    with pytest.raises(AssertionError):
        asked.swap(row(3), row(4), at(20))
    asked.read_done(asked.read(at(20)).request, Read(row(3)), at(21))
    asked.swap(row(3), row(4), at(22))


def test_an_overdue_answer_counts_as_unknown_and_is_not_heard_when_it_comes() -> None:
    asked = election()
    request = asked.swap(row(3), row(4), at(0)).request
    assert asked.tick(at(99)) is None
    assert isinstance(asked.tick(at(100)), Unclear)
    assert asked.swap_done(request, Mine(row(4)), at(101)) is None
    assert asked.unclear


def test_an_answer_of_the_other_kind_or_to_an_older_request_is_passed_over() -> None:
    asked = election()
    first = asked.read(at(0)).request
    assert asked.swap_done(first, Mine(row(1)), at(1)) is None
    asked.tick(at(100))
    second = asked.read(at(200)).request
    assert asked.read_done(first, Read(row(1)), at(201)) is None
    assert asked.asking is Asking.READ
    assert asked.read_done(second, Read(row(1)), at(202)) is not None


def test_retries_back_off_up_to_a_bound_and_start_small_again_after_an_answer() -> None:
    asked, now, waits = election(), 0, []
    for _ in range(4):
        asked.read_done(asked.read(at(now)).request, Unknown("gone"), at(now))
        wait = next(ms for ms in range(100) if asked.ready(at(now + ms)))
        waits.append(wait)
        now += wait
    assert waits == [10, 20, 40, 40]
    asked.read_done(asked.read(at(now)).request, Read(row(1)), at(now))
    asked.read_done(asked.read(at(now)).request, Unknown("gone"), at(now))
    assert asked.ready(at(now + 10))


def test_a_witness_that_shows_less_than_it_showed_before_went_backwards() -> None:
    asked = election(seen=5)
    assert asked.read_done(asked.read(at(0)).request, Read(row(4)), at(1)) == WentBackwards(5, 4)
    assert asked.read_done(asked.read(at(2)).request, Read(None), at(3)) == WentBackwards(5, 0)
    swap = asked.swap(row(5), row(6), at(4))
    assert asked.swap_done(swap.request, Others(row(2)), at(5)) == WentBackwards(5, 2)
