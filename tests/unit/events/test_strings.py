"""Ids of strings, and ids beside them that are forgotten again."""

from __future__ import annotations

from eiha.events.strings import StringOverlay, StringTable


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
