"""Ids of strings, and ids beside them that are forgotten again."""

from __future__ import annotations

import numpy as np

from eiha.engine.snapshot import decode_state, encode_state
from eiha.events.strings import SWEEP_MIN, StringOverlay, StringTable


def test_equal_strings_have_equal_ids_in_order_of_first_sight() -> None:
    table = StringTable()
    assert table.intern_all(["a", "b", "a"]).tolist() == [0, 1, 0]
    assert (table.find("b"), table.find("c")) == (1, None)


def test_an_overlay_knows_the_strings_below_and_keeps_its_own_to_itself() -> None:
    table = StringTable(["a", "b"])
    overlay = StringOverlay(table)
    assert overlay.intern_all(["x", "b", "y", "x"]).tolist() == [2, 1, 3, 2]
    assert overlay.texts() == ("a", "b", "x", "y")
    assert overlay.texts_of([3, 0]) == ("y", "a")
    assert (overlay.find("y"), overlay.find("z"), len(overlay)) == (3, None, 4)
    assert table.texts() == ("a", "b")


def held(table: StringTable, *texts: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Marks of these strings."""
    marks = np.zeros(len(table), dtype=np.bool_)
    marks[table.intern_all(texts)] = True
    return marks


def test_ids_that_are_forgotten_are_given_again_the_smallest_first() -> None:
    table = StringTable(["a", "b", "c", "d", "e", "f"])
    table.forget_all_but(held(table, "c", "e"), 0)
    assert (len(table), table.count, table.find("a"), table.find("e")) == (5, 2, None, 4)
    assert table.intern_all(["w", "x", "c", "y", "z"]).tolist() == [0, 1, 2, 3, 5]
    assert table.texts() == ("w", "x", "c", "y", "e", "z")


def test_a_view_that_was_taken_before_keeps_what_is_forgotten() -> None:
    table = StringTable(["a", "b"])
    view, overlay = table.view(), StringOverlay(table)
    own = overlay.intern("own")
    table.forget_all_but(held(table, "b"), 0)
    table.intern("c")
    assert view.texts() == ("a", "b")
    assert overlay.texts_of([0, 1, own]) == ("a", "b", "own")
    assert table.texts() == ("c", "b")


def test_a_table_that_was_saved_gives_the_same_ids_and_sweeps_at_the_same_time() -> None:
    table = StringTable(["a", "", "c", "d"])
    table.forget_all_but(held(table, "", "d"), 0)
    other = StringTable.restored(decode_state(encode_state(table.snapshot())))
    for text in ("x", "", "y", "z"):
        assert other.intern(text) == table.intern(text)
    assert encode_state(other.snapshot()) == encode_state(table.snapshot())


def test_a_sweep_is_due_when_there_are_twice_as_many_and_later_the_more_state_there_is() -> None:
    table = StringTable()
    table.intern_all([str(number) for number in range(SWEEP_MIN - 1)])
    assert not table.is_sweep_due
    table.intern("one more")
    assert table.is_sweep_due
    table.forget_all_but(np.ones(len(table), dtype=np.bool_), 0)
    table.intern_all([f"new {number}" for number in range(SWEEP_MIN - 1)])
    assert not table.is_sweep_due
    table.intern("the last one")
    assert table.is_sweep_due
    table.forget_all_but(held(table, "1"), 100 * SWEEP_MIN)
    table.intern_all([f"other {number}" for number in range(2 * SWEEP_MIN)])
    assert not table.is_sweep_due
