from __future__ import annotations

from eiha.protocol.state_digest import OTHER_PLANS, PartDigest, StateDigest, differing_parts, names_digest

NAMES = ("engine", "window", "select")


def digest(*covered: PartDigest, names: tuple[str, ...] = NAMES) -> StateDigest:
    return StateDigest(names_digest(names), covered, names)


def part(number: int, said: bytes, share: int = 0, shares: int = 1) -> PartDigest:
    return PartDigest(number, share, shares, said)


def test_the_part_that_differs_is_named() -> None:
    mine = digest(part(0, b"a"), part(1, b"b"), part(2, b"c"))
    assert differing_parts(mine, digest(part(0, b"a"), part(1, b"x"), part(2, b"c"))) == ("window",)
    assert differing_parts(mine, mine) == ()


def test_what_only_one_node_covers_is_not_compared() -> None:
    assert differing_parts(digest(part(0, b"a"), part(1, b"b")), digest(part(0, b"a"), part(2, b"x"))) == ()


def test_other_shares_of_a_part_are_not_compared() -> None:
    assert differing_parts(digest(part(1, b"a", 0, 4)), digest(part(1, b"b", 1, 4))) == ()


def test_parts_of_different_size_differ_whatever_is_covered() -> None:
    assert differing_parts(digest(part(1, b"a", 0, 4)), digest(part(1, b"b", 1, 5))) == ("window",)


def test_nodes_with_other_plans_differ_in_those() -> None:
    assert differing_parts(digest(part(0, b"a")), digest(part(0, b"a"), names=("engine", "table"))) == (OTHER_PLANS,)


def test_a_name_that_is_not_known_does_not_hide_a_difference() -> None:
    assert differing_parts(digest(part(9, b"a")), digest(part(9, b"b"))) == ("part 9",)
