"""Buckets of one granularity, fed with batches of any length."""

from __future__ import annotations

import numpy as np

from eiha.engine.aggregations.cells import CellLayout
from eiha.engine.aggregations.level import _SCRATCH_ROWS, Level, LevelRows
from eiha.plan.granularities import Granularity

_GROUPS = 7


def _fed(rows: int, pieces: list[int]) -> dict[str, object]:
    layout = CellLayout((False,), (), ())
    level = Level(Granularity.SECOND, layout, Level(Granularity.MINUTE, layout, None))
    groups = (np.arange(rows) * 5 // 3) % _GROUPS
    times = np.arange(rows, dtype=np.int64) * 7
    values = (np.arange(rows) % 11).astype(np.float64)
    start = 0
    for size in pieces:
        part = slice(start, start + size)
        fields = [np.empty(0, np.int64), values[part], np.ones(size, np.bool_)]
        level.add(LevelRows(groups[part], times[part], times[part], fields, are_events=True), _GROUPS)
        start += size
    assert start == rows
    return level.snapshot()


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value


def test_a_batch_longer_than_the_room_that_is_kept_gives_what_shorter_ones_give() -> None:
    rows = _SCRATCH_ROWS + 4_000
    whole = _plain(_fed(rows, [rows]))
    assert whole == _plain(_fed(rows, [3, 500, _SCRATCH_ROWS, 17, rows - 3 - 500 - _SCRATCH_ROWS - 17]))
