from __future__ import annotations

from eiha.ha.intake import DUPLICATE, TAKEN, Gap, Held, Pending
from eiha.ha.policy import Policy
from eiha.ha.sessions import Sessions
from eiha.kernel.ids import ClientId, ClientSequence, LogTimeMs, MonotonicMs
from eiha.protocol.log_entry import Publication

POLICY = Policy(entry_publications_max=3, entry_bytes_max=1_000, forward_retry_ms=100, forward_gap_ms=500)


def at(ms: int) -> MonotonicMs:
    return MonotonicMs(ms)


def publication(number: int, client: str = "shop", size: int = 10) -> Publication:
    return Publication(ClientId(client), ClientSequence(number), "S", 1, b"x" * size)


def sessions(**committed: int) -> Sessions:
    made = Sessions(10, 1_000)
    for client, number in committed.items():
        made.commit(ClientId(client), ClientSequence(number), LogTimeMs(0))
    return made


def numbers(publications: object) -> list[int]:
    return [each.client_sequence for each in publications]  # type: ignore[attr-defined]


def test_pending_takes_the_next_number_once_and_refuses_a_gap() -> None:
    pending = Pending(POLICY, sessions(shop=4))
    assert pending.offer(publication(4)) is DUPLICATE
    assert pending.offer(publication(5)) is TAKEN
    assert pending.offer(publication(5)) is DUPLICATE
    assert pending.offer(publication(7)) == Gap(ClientSequence(6))
    assert pending.offer(publication(2, "new")) == Gap(ClientSequence(1))


def test_a_number_stays_taken_while_it_is_in_the_log_and_not_committed() -> None:
    known = sessions()
    pending = Pending(POLICY, known)
    pending.offer(publication(1))
    assert numbers(pending.next_entry()) == [1]
    assert pending.offer(publication(1)) is DUPLICATE
    known.commit(ClientId("shop"), ClientSequence(1), LogTimeMs(0))
    pending.note_committed(ClientId("shop"), ClientSequence(1))
    assert pending.offer(publication(1)) is DUPLICATE
    assert pending.unresolved() == ()


def test_twice_the_bound_is_full_in_bytes_or_in_number() -> None:
    policy = Policy(pending_publications_max=2, pending_bytes_max=500)
    pending, held = Pending(policy, sessions()), Held(policy, sessions())
    for number in range(1, 4):
        pending.offer(publication(number))
        held.offer(publication(number), forward=True, now_ms=at(0))
        assert (pending.full, held.full) == (False, False)
    pending.offer(publication(4))
    held.offer(publication(4), forward=True, now_ms=at(0))
    assert (pending.full, held.full) == (True, True)
    large = Pending(policy, sessions())
    large.offer(publication(1, size=1_100))
    assert large.full


def test_an_entry_gathers_publications_up_to_its_bounds_and_takes_one_that_is_larger_than_them() -> None:
    pending = Pending(POLICY, sessions())
    for number, size in enumerate([10, 10, 10, 10, 2_000, 10, 600, 600], start=1):
        pending.offer(publication(number, size=size))
    entries = []
    while len(pending):
        entries.append(numbers(pending.next_entry()))
    assert entries == [[1, 2, 3], [4], [5], [6, 7], [8]]
    assert pending.bytes == 0


def test_held_keeps_publications_until_they_are_committed() -> None:
    known = sessions()
    held = Held(POLICY, known)
    for number in (1, 2, 3):
        assert held.offer(publication(number), forward=True, now_ms=at(0)) is TAKEN
    assert numbers(held.to_forward(at(0))) == [1, 2, 3]
    assert numbers(held.to_forward(at(0))) == []
    known.commit(ClientId("shop"), ClientSequence(2), LogTimeMs(0))
    held.note_committed(ClientId("shop"), ClientSequence(2), at(0))
    assert len(held) == 1
    assert numbers(held.drain()) == [3]
    assert (len(held), held.bytes) == (0, 0)


def test_what_was_forwarded_and_is_not_seen_in_the_log_is_forwarded_again() -> None:
    held = Held(POLICY, sessions())
    held.offer(publication(1), forward=True, now_ms=at(0))
    held.to_forward(at(0))
    held.resend_overdue(at(99))
    assert held.to_forward(at(99)) == []
    held.resend_overdue(at(100))
    assert numbers(held.to_forward(at(100))) == [1]


def test_a_slow_active_is_sent_no_more_than_one_messages_worth_at_a_time() -> None:
    held = Held(Policy(append_bytes_max=100, forward_retry_ms=100), sessions())
    for number in range(1, 11):
        held.offer(publication(number, size=10), forward=True, now_ms=at(0))
    held.to_forward(at(0))
    held.resend_overdue(at(200))
    held.resend_overdue(at(210))
    assert numbers(held.to_forward(at(210))) == [1, 2, 3]
    held.resend_overdue(at(215), everything=True)
    assert len(held.to_forward(at(215))) == 10


def test_a_client_that_sends_to_both_nodes_is_held_and_not_forwarded() -> None:
    held = Held(POLICY, sessions())
    held.offer(publication(1), forward=False, now_ms=at(0))
    held.resend_overdue(at(1_000), everything=True)
    assert held.to_forward(at(1_000)) == []
    assert numbers(held.drain()) == [1]


def test_the_passive_may_know_less_than_the_active_so_a_first_number_is_believed_for_a_while() -> None:
    known = sessions(shop=3)
    held = Held(POLICY, known)
    assert held.offer(publication(6), forward=True, now_ms=at(0)) is TAKEN
    assert held.offer(publication(8), forward=True, now_ms=at(0)) == Gap(ClientSequence(7))
    assert held.drop_gaps(at(500)) == []
    assert held.drop_gaps(at(501)) == [(publication(6), 4)]
    assert len(held) == 0


def test_what_was_committed_meanwhile_is_not_forwarded_any_more() -> None:
    known = sessions()
    held = Held(POLICY, known)
    held.offer(publication(1), forward=True, now_ms=at(0))
    held.offer(publication(2), forward=True, now_ms=at(0))
    held.note_committed(ClientId("shop"), ClientSequence(1), at(0))
    assert numbers(held.to_forward(at(5))) == [2]
