from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eiha.ha.sessions import Sessions
from eiha.kernel.ids import ClientId, ClientSequence, LogTimeMs

uses = st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 30)), max_size=40)


def play(sessions: Sessions, history: list[tuple[str, int]], now: int = 0) -> int:
    for client, later in history:
        now += later
        name = ClientId(client)
        sessions.commit(name, ClientSequence(sessions.committed(name) + 1), LogTimeMs(now))
        sessions.expire(LogTimeMs(now))
    return now


@given(uses)
def test_the_bounds_hold_after_every_entry_and_those_used_last_are_kept(history: list[tuple[str, int]]) -> None:
    sessions = Sessions(sessions_max=3, age_ms=50)
    now = play(sessions, history)
    rows = sessions.rows()
    assert len(rows) <= 3
    assert all(now - used <= 50 for _, _, used in rows)
    recent = list(dict.fromkeys(client for client, _ in reversed(history)))[:3]
    assert [client for client, _, _ in rows] == [c for c in reversed(recent) if sessions.committed(ClientId(c))]


@given(uses, uses)
def test_a_restored_table_goes_on_like_the_one_it_was_taken_from(
    before: list[tuple[str, int]], after: list[tuple[str, int]]
) -> None:
    original, restored = Sessions(3, 50), Sessions(3, 50)
    now = play(original, before)
    restored.load(original.rows())
    play(original, after, now)
    play(restored, after, now)
    assert restored.rows() == original.rows()


def test_a_number_that_does_not_rise_is_a_programming_error() -> None:
    sessions = Sessions(3, 50)
    sessions.commit(ClientId("a"), ClientSequence(2), LogTimeMs(0))
    with pytest.raises(AssertionError):
        sessions.commit(ClientId("a"), ClientSequence(2), LogTimeMs(0))


def test_expire_tells_whom_it_forgot() -> None:
    sessions = Sessions(3, 50)
    sessions.commit(ClientId("a"), ClientSequence(1), LogTimeMs(0))
    sessions.commit(ClientId("b"), ClientSequence(1), LogTimeMs(10))
    assert sessions.expire(LogTimeMs(50)) == ()
    assert sessions.expire(LogTimeMs(51)) == ("a",)
    assert sessions.committed(ClientId("a")) == 0
