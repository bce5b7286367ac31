"""Cutting batches into chunks and runs, and putting those of several queries together."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from eiha.events.batch import EventBatch, concatenate_batches


def plain_rows(batch: EventBatch, start: int, stop: int) -> EventBatch:
    """Rows ``start`` to ``stop`` of a batch in which each row is a chunk, numbered anew from 0."""
    if start == 0 and stop == len(batch):
        return batch
    columns = tuple(column.slice(start, stop) for column in batch.columns)
    return EventBatch(batch.schema, batch.timestamps[start:stop], columns)


def runs_of_instances(batch: EventBatch) -> list[EventBatch]:
    """Rows of a partition, cut where the instance changes."""
    assert batch.keys is not None
    if len(batch) < 2:
        return [batch] if len(batch) else []
    return _pieces(batch, np.flatnonzero(batch.keys[1:] != batch.keys[:-1]) + 1)


def chunks_of(batch: EventBatch) -> list[EventBatch]:
    """The chunks of a batch, one by one."""
    if batch.chunks is None or len(batch) < 2 or batch.chunks[0] == batch.chunks[-1]:
        return [batch]
    return _pieces(batch, np.flatnonzero(batch.chunks[1:] != batch.chunks[:-1]) + 1)


def _pieces(batch: EventBatch, cuts: np.ndarray[tuple[int], np.dtype[np.int64]]) -> list[EventBatch]:
    bounds = [0, *cuts.tolist(), len(batch)]
    return [batch.take(np.arange(first, last)) for first, last in pairwise(bounds)]


def merged_rows(
    stream: str,
    merged: dict[str, EventBatch | None],
    pieces: Mapping[int, EventBatch],
    feeders: Mapping[str, tuple[int, ...]],
) -> EventBatch | None:
    """All rows of a stream, in order of chunks, within one in order of its feeders; remembered in ``merged``."""
    if stream not in merged:
        parts = [pieces[index] for index in feeders.get(stream, ()) if index in pieces]
        if len(parts) < 2:
            merged[stream] = parts[0] if parts else None
        else:
            whole = concatenate_batches(parts)
            merged[stream] = whole.take(np.argsort(whole.chunk_numbers(), kind="stable"))
    return merged[stream]
