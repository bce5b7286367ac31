"""Outputs that no sink has yet, per sink, on both nodes: the active publishes them, the passive holds them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from eiha.ha import rules
from eiha.ha.effects import Publish
from eiha.kernel.ids import BEFORE_FIRST, Sequence
from eiha.protocol.outputs import OutputBatch, PublishPermit

_ROW_OVERHEAD_BYTES = 16


def size_of(output: OutputBatch) -> int:
    """About how many bytes ``output`` holds."""
    size = 8 * output.batch.rows + _ROW_OVERHEAD_BYTES
    for column in output.batch.columns:
        size += column.values.nbytes
        if column.dictionary:
            size += sum(map(len, column.dictionary))
    return size


class Lane:
    """The outputs of one sink in log order.

    ``published_through``: the store's progress as last told (active), or as the active reported it (passive).
    ``outstanding``: through where a ``Publish`` is under way, None when there is none.
    """

    __slots__ = ("bytes", "opened", "outputs", "outstanding", "published_through", "rows", "sink")

    def __init__(self, sink: str) -> None:
        self.sink = sink
        self.outputs: deque[tuple[OutputBatch, int]] = deque()
        self.rows = 0
        self.bytes = 0
        self.published_through: Sequence = BEFORE_FIRST
        self.outstanding: Sequence | None = None
        self.opened = False

    def add(self, output: OutputBatch) -> None:
        """The engine made ``output``; passed over if the sink is known to have it."""
        if output.sequence <= self.published_through:
            return
        assert not self.outputs or output.sequence >= self.outputs[-1][0].sequence
        size = size_of(output)
        self.outputs.append((output, size))
        self.rows += output.batch.rows
        self.bytes += size

    def trim_through(self, sequence: Sequence) -> None:
        """The sink has everything through ``sequence``."""
        self.published_through = max(self.published_through, sequence)
        while self.outputs and self.outputs[0][0].sequence <= sequence:
            output, size = self.outputs.popleft()
            self.rows -= output.batch.rows
            self.bytes -= size

    def next_publish(self, rows_max: int, through_max: Sequence, permit: PublishPermit) -> Publish | None:
        """What to write next: outputs of whole entries through ``through_max``, about ``rows_max`` rows; or None."""
        if not self.opened or self.outstanding is not None or not self.outputs:
            return None
        taken: list[OutputBatch] = []
        rows = 0
        for output, _ in self.outputs:
            if output.sequence > through_max or (taken and rows >= rows_max and output.sequence != taken[-1].sequence):
                break
            taken.append(output)
            rows += output.batch.rows
        if not taken:
            return None
        expected = rules.expected_progress(self.published_through, taken[0].sequence)
        self.outstanding = taken[-1].sequence
        return Publish(self.sink, tuple(taken), expected, taken[-1].sequence, permit)


class Outbox:
    """One lane per sink, in the order of configuration. Outputs of sinks that are not configured are counted only."""

    __slots__ = ("lanes", "unrouted_rows")

    def __init__(self, sinks: Iterable[str]) -> None:
        self.lanes: dict[str, Lane] = {sink: Lane(sink) for sink in sinks}
        self.unrouted_rows = 0

    @property
    def rows(self) -> int:
        """Rows that wait, over all lanes."""
        return sum(lane.rows for lane in self.lanes.values())

    @property
    def bytes(self) -> int:
        """Bytes that wait, over all lanes."""
        return sum(lane.bytes for lane in self.lanes.values())

    def has_room(self, rows_max: int, bytes_max: int) -> bool:
        """Whether less waits than both; asked with every step."""
        rows = size = 0
        for lane in self.lanes.values():
            rows += lane.rows
            size += lane.bytes
        return rows < rows_max and size < bytes_max

    def add(self, outputs: Iterable[OutputBatch]) -> None:
        """Outputs of one applied entry, in order."""
        for output in outputs:
            lane = self.lanes.get(output.sink)
            if lane is None:
                self.unrouted_rows += output.batch.rows
            else:
                lane.add(output)

    def progress(self, applied_through: Sequence) -> tuple[tuple[str, Sequence], ...]:
        """Per sink: every output through here is in the store (a lane that holds nothing has no gap)."""
        return tuple(
            (sink, applied_through if lane.opened and not lane.outputs else lane.published_through)
            for sink, lane in self.lanes.items()
        )

    def trim(self, progress: Iterable[tuple[str, Sequence]]) -> None:
        """The active reported its progress."""
        for sink, through in progress:
            lane = self.lanes.get(sink)
            if lane is not None:
                lane.trim_through(through)

    def close(self) -> None:
        """This node does not publish (any more): what is under way is somebody else's business."""
        for lane in self.lanes.values():
            lane.opened = False
            lane.outstanding = None

    def load(self, progress: Iterable[tuple[str, Sequence]], outputs: Iterable[OutputBatch]) -> None:
        """Replace everything by what a snapshot holds."""
        self.lanes = {sink: Lane(sink) for sink in self.lanes}
        self.trim(progress)
        self.add(outputs)
