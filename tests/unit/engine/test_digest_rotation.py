from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from eiha.engine import digest_rotation, state_shares
from eiha.engine.digest_rotation import DigestRotation
from eiha.engine.state_part import StatePart
from eiha.protocol.state_digest import StateDigest, differing_parts


@pytest.fixture(autouse=True)
def small_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_shares, "SHARE_BYTES", 8_192)
    monkeypatch.setattr(digest_rotation, "SMALL_BYTES", 64)


def parts_of(*states: Any) -> list[StatePart]:
    return [StatePart(f"part {number}", (), lambda state=state: state) for number, state in enumerate(states)]  # type: ignore[misc]


SMALL, MIDDLE, LARGE = {"a": 1}, np.arange(100), np.arange(10_000)


def test_the_part_whose_turn_it_is_comes_first() -> None:
    rotation = DigestRotation()
    parts = parts_of(SMALL, MIDDLE, LARGE)
    assert [rotation.cover(parts, position)[0].part for position in range(6)] == [0, 1, 2, 0, 1, 2]


def test_a_part_whose_state_cannot_be_told_is_left_out_named_and_back_when_it_can() -> None:
    rotation, hidden = DigestRotation(), True

    def state() -> Any:
        if hidden:
            raise ValueError("not now")
        return SMALL

    parts = [*parts_of(SMALL), StatePart("plan 'p', the sore one", (), state), *parts_of(SMALL)]
    covered = [[each.part for each in rotation.cover(parts, position)] for position in range(3)]
    assert covered == [[0], [0], [2, 0]]
    assert rotation.take_untold() == ("plan 'p', the sore one: its state cannot be told: ValueError: not now",)
    assert rotation.take_untold() == ()
    hidden = False
    assert [each.part for each in rotation.cover(parts, 4)] == [1, 0, 2]
    assert rotation.take_untold() == ()


def test_small_parts_are_covered_at_each_position_once_they_are_known() -> None:
    rotation = DigestRotation()
    parts = parts_of(SMALL, SMALL, MIDDLE)
    assert {each.part for each in rotation.cover(parts, 2)} == {2}
    rotation.cover(parts, 0)
    rotation.cover(parts, 1)
    assert {each.part for each in rotation.cover(parts, 2)} == {0, 1, 2}


def test_all_shares_of_a_large_part_are_covered_within_the_positions_told() -> None:
    rotation = DigestRotation()
    parts = parts_of(SMALL, MIDDLE, LARGE, SMALL)
    for position in range(4):
        rotation.cover(parts, position)
    positions = rotation.positions(len(parts))
    assert positions == 10  # 80,000 bytes in shares of 8 KiB
    covered = [each for position in range(100, 100 + positions) for each in rotation.cover(parts, position)]
    assert {each.share for each in covered if each.part == 2} == set(range(10))
    assert {each.part for each in covered} == {0, 1, 2, 3}


def test_a_node_that_knows_no_sizes_agrees_with_one_that_does() -> None:
    knowing, fresh = DigestRotation(), DigestRotation()
    parts = parts_of(SMALL, MIDDLE, LARGE, SMALL, LARGE + 1)
    for position in range(7):
        knowing.cover(parts, position)
    for position in range(7, 40):
        mine, theirs = (StateDigest(b"", each.cover(parts, position)) for each in (knowing, fresh))
        assert differing_parts(mine, theirs) == ()


def test_what_one_position_covers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest_rotation, "_ALWAYS_MAX", 5)
    rotation = DigestRotation()
    parts = parts_of(*[SMALL] * 30)
    seen: set[int] = set()
    for position in range(60):
        covered = rotation.cover(parts, position)
        assert len(covered) <= 6
        seen |= {each.part for each in covered}
    assert seen == set(range(30))


def test_nothing_is_covered_where_there_is_nothing() -> None:
    assert DigestRotation().cover([], 3) == ()
