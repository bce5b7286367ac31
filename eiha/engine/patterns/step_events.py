"""Of the compiled machine: which events a match holds."""

from __future__ import annotations

from eiha.engine.jit import WriteInt64, inlined
from eiha.engine.patterns.step_layout import CELL, CHAIN, COUNT, FIRST, LAST, NEVER, SLOT, SLOTS, STEP, STRIDE


@inlined
def event_at(m: WriteInt64, slot: int, source: int, index: int) -> int:
    """The event at ``index`` of step ``source``, -1 for none."""
    own = m[SLOTS] + slot * m[STRIDE] + SLOT + source * STEP
    count = m[own + COUNT]
    if count == 0:
        return NEVER
    if index == 0:
        return int(m[own + FIRST])
    if index == -1:
        return int(m[own + LAST])
    back = count - 1 - index if index > 0 else -1 - index
    if back < 0 or back >= count:
        return NEVER
    cell = m[own + CELL]
    for _ in range(back):
        cell = m[m[CHAIN] + 2 * cell + 1]
    return int(m[m[CHAIN] + 2 * cell])
