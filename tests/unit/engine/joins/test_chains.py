from __future__ import annotations

import numpy as np
import pytest

from eiha.engine import jit
from eiha.engine.joins.chains import number_chunks
from eiha.events.batch import CHUNK_STRIDE


def numbered(causes: list[int], groups: list[int]) -> list[int]:
    out = np.empty(len(causes), dtype=np.int64)
    number_chunks(np.array(causes, dtype=np.int64), np.array(groups, dtype=np.int64), CHUNK_STRIDE, out)
    return out.tolist()


@pytest.mark.parametrize("compiled", [True, False])
def test_groups_are_numbered_behind_what_caused_them(compiled: bool) -> None:
    def check() -> None:
        assert numbered([0, 0, 0, 1024], [1, 1, 2, 3]) == [0, 0, 1, 1024]
        assert numbered([5, 5, 1024], [1, 2, 3]) == [5, 6, 1024]

    if compiled:
        check()
    else:
        with jit.interpreted():
            check()


def test_numbers_never_reach_the_next_stride() -> None:
    many = numbered([1024] * 2000 + [2048], list(range(2001)))
    assert many[:3] == [1024, 1025, 1026]
    assert max(many[:2000]) == 2047
    assert many[-1] == 2048
