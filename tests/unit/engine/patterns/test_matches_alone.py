from __future__ import annotations

import pytest

from eiha.embedded import Plan

TEXT = "define stream S (k string, n int); from every e1=S -> e2=S[n > 3] select e1.k as k"


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        ("", ["c", "a"]),
        ("order by k", ["c", "a"]),
        ("limit 1", ["c", "a"]),
        ("offset 0", ["c", "a"]),
        ("limit 0", []),
        ("limit 3 offset 1", []),
    ],
)
def test_each_match_is_ordered_and_limited_by_itself(end: str, expected: list[str]) -> None:
    plan = Plan(f"{TEXT} {end} insert into Out;")
    out = plan.send("S", [("c", 1), ("a", 2), ("x", 9)], now_ms=1_000)
    assert [row[0] for row in out["Out"].rows()] == expected if expected else "Out" not in out
