"""Times that never fall, in both modes of kernels."""

from __future__ import annotations

import numpy as np
import pytest

from eiha.engine.kernels.rising import never_falls


@pytest.mark.parametrize("run", [never_falls, never_falls.plain], ids=["as chosen", "plain"])
@pytest.mark.parametrize(
    ("times", "least", "expected"),
    [([], 5, True), ([5], 5, True), ([4], 5, False), ([5, 5, 6], 5, True), ([5, 7, 6], 5, False), ([4, 9], 5, False)],
)
def test_a_time_below_the_one_before_or_the_clock_is_found(
    run: object, times: list[int], least: int, expected: bool
) -> None:
    assert callable(run)
    assert run(np.array(times, dtype=np.int64), least) == expected
