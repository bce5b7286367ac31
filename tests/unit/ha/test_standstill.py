from __future__ import annotations

from eiha.ha.standstill import Standstill


def test_what_does_not_move_although_it_should_adds_up() -> None:
    watched = Standstill()
    assert [watched.look(owes=True, mark=7, passed_ms=10) for _ in range(4)] == [0, 10, 20, 30]


def test_progress_and_having_nothing_to_do_begin_anew() -> None:
    watched = Standstill()
    watched.look(owes=True, mark=7, passed_ms=10)
    watched.look(owes=True, mark=7, passed_ms=10)
    assert watched.look(owes=True, mark=8, passed_ms=10) == 0
    watched.look(owes=True, mark=8, passed_ms=10)
    assert watched.look(owes=False, mark=8, passed_ms=10) == 0
    assert watched.look(owes=True, mark=8, passed_ms=10) == 0
