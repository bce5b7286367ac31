"""Rate limits of a query within a partition, for all instances at once: each instance counts by itself.

Rows kept back are those of batch windows over what the select puts out: rounds of n rows are ``lengthBatch``, periods
``timeBatch``, but that these begin with the instance, and not with its first row.
"""

from __future__ import annotations

from dataclasses import replace

from eiha.engine.aggregators.growth import grown
from eiha.engine.expressions.rows import Scope
from eiha.engine.operator import Operator, OperatorState, RowClock, Untimed
from eiha.engine.operators.selected import NO_RESETS, Selected
from eiha.engine.partitions.batch_kernels import NO_TIME
from eiha.engine.partitions.instances import Instances, Numbers
from eiha.engine.partitions.keyed_batches import KeyedLengthBatch, KeyedTimeBatch
from eiha.engine.partitions.keyed_tumbling import KeyedTumbling
from eiha.engine.rate_limits.by_events import FirstOfGroupByEvents
from eiha.engine.rate_limits.first_by_time import FirstByTime
from eiha.engine.wall_clock import WallClock
from eiha.events.batch import EventBatch, no_rows
from eiha.events.schema import Schema
from eiha.plan.nodes import RateKind, RateLimit, Selector


def make_keyed_rate(
    rate: RateLimit, selector: Selector, scope: Scope, instances: Instances, wall: WallClock
) -> Operator:
    """The stage behind the select of ``selector``; ``keyed_shapes`` says which limits there are."""
    assert not selector.group_by and rate.kind is not RateKind.SNAPSHOT
    if rate.kind is RateKind.FIRST:
        if rate.every_events is not None:
            return KeyedFirst(FirstOfGroupByEvents(rate.every_events), instances, selector.schema)
        assert rate.every_ms is not None
        return KeyedFirst(FirstByTime(rate.every_ms), instances, selector.schema)
    schema = selector.schema
    window: KeyedLengthBatch | KeyedPeriods
    if rate.every_events is not None:
        window = KeyedLengthBatch(schema, rate.every_events)
    else:
        assert rate.every_ms is not None
        window = KeyedPeriods(schema, rate.every_ms, wall)
    whole = replace(selector, aggregates=())
    return KeyedTumbling(window, schema, whole, scope, last_alone=rate.kind is RateKind.LAST)


class KeyedFirst(Untimed):
    """``output first``: the limits of groups, of which each instance is one."""

    __slots__ = ("_instances", "_limiter", "_nothing")

    def __init__(self, limiter: FirstOfGroupByEvents | FirstByTime, instances: Instances, schema: Schema) -> None:
        self._limiter = limiter
        self._instances = instances
        self._nothing = no_rows(schema)

    def process(self, batch: EventBatch, clock: RowClock) -> EventBatch:
        """The rows that pass."""
        out = self._limiter.process(Selected(batch, batch.keys, self._instances.slots, NO_RESETS), clock)
        return self._nothing if out is None else out

    def forget(self, instances: Numbers) -> None:
        """See ``Forgetful``."""
        self._limiter.forget(instances)

    def snapshot(self) -> OperatorState:
        """How far each instance is."""
        return self._limiter.snapshot()

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self._limiter.restore(state)


class KeyedPeriods(KeyedTimeBatch):
    """Periods that begin with the instance, by the clock on the wall; those in which nothing came end unseen."""

    __slots__ = ("_wall",)

    def __init__(self, schema: Schema, length_ms: int, wall: WallClock) -> None:
        super().__init__(schema, length_ms, None)
        self._wall = wall

    def begin(self, instances: Numbers) -> None:
        """The first periods of new ``instances`` begin."""
        most = int(instances.max()) + 1
        self.held.chains.reserve(most)
        self._ends_ms = grown(self._ends_ms, most, NO_TIME)
        self._ends_ms[instances] = self._wall.now_ms + self._length_ms
