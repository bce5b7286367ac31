"""Rows that arrive twice: of those with equal keys only the first is taken."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from eiha.engine.operator import OperatorState
from eiha.events.batch import EventBatch
from eiha.plan.nodes import Deduplication


class Deduplicator:
    """Remembers the last ``size`` keys of a stream. Rows with a null key are all taken."""

    __slots__ = ("_attribute", "_keys", "_order", "_size")

    def __init__(self, rule: Deduplication) -> None:
        assert rule.size > 0
        self._attribute = rule.attribute
        self._size = rule.size
        self._order: deque[Any] = deque()
        self._keys: set[Any] = set()

    def process(self, batch: EventBatch) -> EventBatch:
        """The rows whose key is new; ``batch`` has neither kinds nor chunk numbers, and so has the answer."""
        column = batch.columns[self._attribute]
        present = column.mask().tolist()
        fresh = [
            row
            for row, (key, ok) in enumerate(zip(column.values.tolist(), present, strict=True))
            if not ok or self._is_new(key)
        ]
        if len(fresh) == len(batch):
            return batch
        rows = np.array(fresh, dtype=np.int64)
        columns = tuple(each.take(rows) for each in batch.columns)
        return EventBatch(batch.schema, batch.timestamps.take(rows), columns)

    def _is_new(self, key: Any) -> bool:
        if key in self._keys:
            return False
        self._keys.add(key)
        self._order.append(key)
        if len(self._order) > self._size:
            self._keys.remove(self._order.popleft())
        return True

    def snapshot(self) -> OperatorState:
        """The keys, oldest first (strings by their ids)."""
        return {"keys": list(self._order)}

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self._order = deque(state["keys"])
        self._keys = set(self._order)
