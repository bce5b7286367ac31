"""Spans of stored rows that windows put out: what their kernels write for each, and how chunks are numbered."""

from __future__ import annotations

from eiha.engine.jit import WriteInt64, WriteUInt8, inlined
from eiha.events.batch import CHUNK_STRIDE


@inlined
def chunk_after(chunk: int, last: int) -> int:
    """The number of a further chunk that ``chunk`` causes, ``last`` being the one before it."""
    if chunk > last:
        return chunk
    return min(last + 1, chunk - chunk % CHUNK_STRIDE + CHUNK_STRIDE - 1)


@inlined
def put_span(
    begin: int,
    end: int,
    kind: int,
    timestamp: int,
    chunk: int,
    out: int,
    out_begins: WriteInt64,
    out_ends: WriteInt64,
    out_kinds: WriteUInt8,
    out_timestamps: WriteInt64,
    out_chunks: WriteInt64,
) -> int:
    """Put out the rows from ``begin`` to ``end`` as a span; how many spans there are now."""
    out_begins[out] = begin
    out_ends[out] = end
    out_kinds[out] = kind
    out_timestamps[out] = timestamp
    out_chunks[out] = chunk
    return out + 1


@inlined
def put_rows(
    begin: int,
    end: int,
    kind: int,
    timestamp: int,
    chunk: int,
    writes: bool,
    out: int,
    out_begins: WriteInt64,
    out_ends: WriteInt64,
    out_kinds: WriteUInt8,
    out_timestamps: WriteInt64,
    out_chunks: WriteInt64,
) -> int:
    """The same where there are rows at all; without ``writes`` the span is only counted."""
    if begin >= end:
        return out
    if writes:
        return put_span(
            begin, end, kind, timestamp, chunk, out, out_begins, out_ends, out_kinds, out_timestamps, out_chunks
        )
    return out + 1
