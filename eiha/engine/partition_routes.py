"""Where rows that enter partitions may be fed in whole batches: what tells instances apart is kept by chunk numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from eiha.engine.expressions.compile_expression import may_fail
from eiha.events.batch import CHUNK_STRIDE
from eiha.plan.expressions import Expression
from eiha.plan.nodes import INNER_MARK, Filter, OutputEvents, Plan, RangeKey, StreamInput, ValueKey

_PASSING: Final = frozenset({"length", "time", "timeLength", "externalTime", "log", "pol2Cart"})
"""Windows and stream functions that hand each current row on at once, as the only one of its chunk."""


def one_instance_a_chunk(
    plan: Plan, source: str, arrivals: Mapping[str, list[int]], readers: Mapping[str, tuple[int, ...]]
) -> bool:
    """Rows enter partitions each in a chunk of its own, of which every copy for an instance becomes a chunk, too.

    Then a chunk belongs to one instance, and merging by chunk brings back the order of rows.
    """
    entered: set[int] = set()
    for stream in (source, *arrivals):
        for partition in _partitions_entered(plan, stream, readers):
            if plan.partitions[partition].purge is not None and partition in entered:
                return False  # the time of an instance would be told by rows of the one, before the other's came
            entered.add(partition)
            match plan.partitions[partition].key(stream):
                case ValueKey(_, expression):
                    conditions: tuple[Expression, ...] = (expression,)
                case RangeKey(_, ranges):
                    conditions = tuple(condition for condition, _ in ranges)
                case _:
                    return False
            if any(map(may_fail, conditions)) or not comes_row_by_row(plan, source, stream, arrivals):
                return False
    return True


def _partitions_entered(plan: Plan, stream: str, readers: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    """The partitions of which queries read ``stream`` from outside, each once, in order of the text."""
    if stream.startswith(INNER_MARK):
        return ()
    partitions = (plan.queries[index].partition for index in readers.get(stream, ()))
    return tuple(dict.fromkeys(each for each in partitions if each is not None))


def copies(plan: Plan, stream: str, readers: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    """The partitions in which a row of ``stream`` may live in several instances."""
    return tuple(
        partition
        for partition in _partitions_entered(plan, stream, readers)
        if isinstance(key := plan.partitions[partition].key(stream), RangeKey) and len(key.ranges) > 1
    )


def copies_stay_in_order(
    plan: Plan, source: str, arrivals: Mapping[str, list[int]], readers: Mapping[str, tuple[int, ...]]
) -> bool:
    """Where rows live in several instances, the numbers of the copies alone order all that they cause.

    The copies of a row are numbered on from it: so nothing behind them may put out several chunks for one and be read
    on, and nothing is merged with them that was caused by the row itself, or in another partition.
    """
    copying = [(stream, partition) for stream in (source, *arrivals) for partition in copies(plan, stream, readers)]
    if not copying:
        return True
    if len(copying) > 1:
        return False
    ((entry, partition),) = copying
    key = plan.partitions[partition].key(entry)
    assert isinstance(key, RangeKey)
    if len(key.ranges) >= CHUNK_STRIDE:
        return False
    behind = {index for index in readers.get(entry, ()) if plan.queries[index].partition == partition}
    waiting = list(behind)
    while waiting:
        query = plan.queries[waiting.pop()]
        fed = [index for index in readers.get(query.output.target, ()) if index not in behind]
        if not isinstance(query.input, StreamInput) or not _stays_row_by_row(plan, query.input.stream, entry, arrivals):
            return False
        behind.update(fed)
        waiting += fed
    return all(
        len(set(feeders)) == 1 or behind.isdisjoint(feeders) or behind.issuperset(feeders)
        for feeders in arrivals.values()
    )


def _stays_row_by_row(plan: Plan, stream: str, entry: str, arrivals: Mapping[str, list[int]]) -> bool:
    return stream == entry or comes_row_by_row(plan, entry, stream, arrivals)


def comes_row_by_row(plan: Plan, source: str, stream: str, arrivals: Mapping[str, list[int]]) -> bool:
    """Whether each chunk of ``stream`` is one row, also while rows that entered at ``source`` run through the plan."""
    if stream == source:
        return True
    feeders = set(arrivals[stream])
    if len(feeders) > 1 or any(stream == window.name for window in plan.windows):
        return False
    query = plan.queries[feeders.pop()]
    return (
        isinstance(query.input, StreamInput)
        and query.output.events is OutputEvents.CURRENT
        and query.rate is None
        and all(isinstance(each, Filter) or each.name in _PASSING for each in query.input.handlers)
        and comes_row_by_row(plan, source, query.input.stream, arrivals)
    )
