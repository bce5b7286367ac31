"""What a snapshot holds of the member: client sessions, deployed texts, outputs that no sink has yet.

::

    member_state = [version, committed_through, last_log_time_ms, sessions, plans, progress, outputs]
    sessions     = [[client, sequence, used_ms], ...]      least recently used first
    plans        = [[name, text], ...]                     in order of deployment
    progress     = [[sink, published_through], ...]
    outputs      = [[sink, plan, stream, [[attribute, type], ...], sequence, log_time_ms, first_ordinal, bin], ...]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgpack

from eiha.errors import CorruptFile
from eiha.events import wire
from eiha.events.schema import Attribute, AttributeType, Schema, StreamDefinition
from eiha.kernel.ids import BEFORE_FIRST, ClientId, ClientSequence, LogTimeMs, Sequence
from eiha.protocol.outputs import OutputBatch

FORMAT_VERSION: Final = 1
NO_LOG_TIME: Final = LogTimeMs(0)


@dataclass(frozen=True, slots=True)
class MemberState:
    """The parts, decoded. ``committed_through``: sessions and plans count entries through here."""

    committed_through: Sequence = BEFORE_FIRST
    last_log_time_ms: LogTimeMs = NO_LOG_TIME
    sessions: tuple[tuple[ClientId, ClientSequence, LogTimeMs], ...] = ()
    plans: tuple[tuple[str, str], ...] = ()
    progress: tuple[tuple[str, Sequence], ...] = ()
    outputs: tuple[OutputBatch, ...] = ()


def encode_member_state(state: MemberState) -> bytes:
    """The bytes of ``state``; equal states give equal bytes."""
    outputs = [
        [
            output.sink,
            output.plan,
            output.stream.name,
            [[attribute.name, attribute.type.value] for attribute in output.stream.schema.attributes],
            output.sequence,
            output.log_time_ms,
            output.first_ordinal,
            wire.encode(output.batch),
        ]
        for output in state.outputs
    ]
    packed: bytes = msgpack.packb(
        [
            FORMAT_VERSION,
            state.committed_through,
            state.last_log_time_ms,
            state.sessions,
            state.plans,
            state.progress,
            outputs,
        ]
    )
    return packed


def decode_member_state(data: bytes) -> MemberState:
    """The state in ``data``; no bytes at all mean an empty one.

    Raises:
        CorruptFile: not a member state, or one of another format version.
    """
    if not data:
        return MemberState()
    try:
        version, *parts = msgpack.unpackb(data, raw=False, use_list=False, max_ext_len=0)
    except Exception as cause:
        # msgpack raises ValueError, its own subclasses, UnpackException and UnicodeDecodeError alike
        raise CorruptFile(f"a snapshot's member section is not msgpack: {cause}") from cause
    if version != FORMAT_VERSION:
        raise CorruptFile(f"a snapshot's member section has format {version!r}, this build reads {FORMAT_VERSION}")
    try:
        committed_through, last_log_time_ms, sessions, plans, progress, outputs = parts
        return MemberState(
            Sequence(committed_through),
            LogTimeMs(last_log_time_ms),
            tuple((ClientId(c), ClientSequence(s), LogTimeMs(t)) for c, s, t in sessions),
            tuple((name, text) for name, text in plans),
            tuple((sink, Sequence(through)) for sink, through in progress),
            tuple(_output(parts) for parts in outputs),
        )
    except (TypeError, ValueError) as cause:
        raise CorruptFile(f"a snapshot's member section is malformed: {cause}") from cause


def _output(parts: Any) -> OutputBatch:
    sink, plan, stream, attributes, sequence, log_time_ms, first_ordinal, payload = parts
    schema = Schema(tuple(Attribute(name, AttributeType(type_)) for name, type_ in attributes))
    return OutputBatch(
        sink=sink,
        plan=plan,
        stream=StreamDefinition(stream, schema),
        sequence=Sequence(sequence),
        log_time_ms=LogTimeMs(log_time_ms),
        first_ordinal=first_ordinal,
        batch=wire.decode(payload, schema),
    )
