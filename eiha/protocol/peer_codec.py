"""The messages between the two nodes ⇄ frame bodies. The table is the protocol; ``docs/protocol.md`` explains it."""

from __future__ import annotations

from typing import Any, Final

from eiha.kernel.ids import Epoch, Incarnation, LogPosition, Sequence
from eiha.protocol import fields
from eiha.protocol import peer_messages as messages
from eiha.protocol.entry_codec import publication_parts, read_publication
from eiha.protocol.limits import (
    ENTRY_BYTES_MAX,
    NAME_LENGTH_MAX,
    NUMBER_MAX,
    REASON_LENGTH_MAX,
    SNAPSHOT_CHUNK_BYTES_MAX,
    SNAPSHOT_MANIFEST_BYTES_MAX,
)
from eiha.protocol.message_table import (
    FLAG,
    NAME,
    NUMBER,
    FieldCodec,
    MessageSpec,
    MessageTable,
    QuickForm,
    binary_field,
    list_field,
    optional_field,
    pair_field,
    text_field,
)
from eiha.protocol.peer_messages import PeerMessage
from eiha.protocol.state_digest import DIGEST_BYTES, PARTS_COVERED_MAX, PartDigest
from eiha.protocol.vitals import Vitals


def _read_position(value: Any, what: str) -> LogPosition:
    sequence, epoch = fields.record(value, what, 2)
    return LogPosition(
        Sequence(fields.integer(sequence, f"{what}.sequence")), Epoch(fields.integer(epoch, f"{what}.epoch"))
    )


def _vitals_parts(vitals: Vitals) -> tuple[Any, ...]:
    return (
        vitals.loop_lag_ms,
        vitals.applied_through,
        vitals.engine_work,
        vitals.engine_sequence,
        vitals.engine_ms,
        vitals.log_ms,
        vitals.outbox_rows,
        vitals.outbox_bytes,
        vitals.store_ms,
    )


def _read_vitals(value: Any, what: str) -> Vitals:
    lag_ms, applied, work, sequence, engine_ms, log_ms, rows, size, store_ms = fields.record(value, what, 9)
    return Vitals(
        fields.integer(lag_ms, f"{what}.loop_lag_ms"),
        Sequence(fields.integer(applied, f"{what}.applied_through")),
        fields.text(work, f"{what}.engine_work", WORK_LENGTH_MAX),
        Sequence(fields.integer(sequence, f"{what}.engine_sequence")),
        fields.integer(engine_ms, f"{what}.engine_ms"),
        fields.integer(log_ms, f"{what}.log_ms"),
        fields.integer(rows, f"{what}.outbox_rows"),
        fields.integer(size, f"{what}.outbox_bytes"),
        fields.integer(store_ms, f"{what}.store_ms"),
    )


WORK_LENGTH_MAX: Final = 16
"""The longest word for what an engine does has eight letters."""

_VITALS: Final = FieldCodec(_vitals_parts, _read_vitals)
_POSITION: Final = FieldCodec(lambda position: (position.sequence, position.epoch), _read_position)
_REASON: Final = text_field(REASON_LENGTH_MAX)
_DIGEST: Final = binary_field(DIGEST_BYTES)


def _read_part_digest(value: Any, what: str) -> PartDigest:
    part, share, shares, digest = fields.record(value, what, 4)
    return PartDigest(
        fields.integer(part, f"{what}.part"),
        fields.integer(share, f"{what}.share"),
        fields.integer(shares, f"{what}.shares", 1),
        fields.binary(digest, f"{what}.digest", DIGEST_BYTES),
    )


_PART_DIGEST: Final = FieldCodec(lambda each: (each.part, each.share, each.shares, each.digest), _read_part_digest)


def _quick_append(parts: list[Any]) -> messages.Append | None:
    epoch, previous, encoded, committed, applied = parts
    if (
        type(epoch) is type(committed) is type(applied) is int
        and 0 <= epoch <= NUMBER_MAX
        and 0 <= committed <= NUMBER_MAX
        and 0 <= applied <= NUMBER_MAX
        and type(encoded) is list
        and len(encoded) == 1
        and type(encoded[0]) is bytes
        and len(encoded[0]) <= ENTRY_BYTES_MAX
    ):
        position = _quick_position(previous)
        if position is not None:
            return messages.Append(Epoch(epoch), position, (encoded[0],), Sequence(committed), Sequence(applied))
    return None


def _quick_append_ack(parts: list[Any]) -> messages.AppendAck | None:
    epoch, incarnation, through, applied, rejected = parts
    if (
        type(epoch) is type(applied) is int
        and 0 <= epoch <= NUMBER_MAX
        and 0 <= applied <= NUMBER_MAX
        and type(incarnation) is str
        and 0 < len(incarnation) <= NAME_LENGTH_MAX
        and type(rejected) is bool
    ):
        position = _quick_position(through)
        if position is not None:
            return messages.AppendAck(Epoch(epoch), Incarnation(incarnation), position, Sequence(applied), rejected)
    return None


def _quick_committed(parts: list[Any]) -> messages.Committed | None:
    epoch, committed, applied = parts
    if (
        type(epoch) is type(committed) is type(applied) is int
        and 0 <= epoch <= NUMBER_MAX
        and 0 <= committed <= NUMBER_MAX
        and 0 <= applied <= NUMBER_MAX
    ):
        return messages.Committed(Epoch(epoch), Sequence(committed), Sequence(applied))
    return None


def _quick_position(value: Any) -> LogPosition | None:
    if type(value) is not list or len(value) != 2:
        return None
    sequence, epoch = value
    if type(sequence) is type(epoch) is int and 0 <= sequence <= NUMBER_MAX and 0 <= epoch <= NUMBER_MAX:
        return LogPosition(Sequence(sequence), Epoch(epoch))
    return None


def _append_parts(message: messages.Append) -> tuple[Any, ...]:
    previous = message.previous
    return (
        message.epoch,
        (previous.sequence, previous.epoch),
        message.encoded,
        message.committed_through,
        message.applied_through,
    )


def _append_ack_parts(message: messages.AppendAck) -> tuple[Any, ...]:
    through = message.through
    return (
        message.epoch,
        message.incarnation,
        (through.sequence, through.epoch),
        message.applied_through,
        message.rejected,
    )


def _committed_parts(message: messages.Committed) -> tuple[Any, ...]:
    return message.epoch, message.committed_through, message.applied_through


PEER_TABLE: Final[MessageTable[PeerMessage]] = MessageTable(
    "peer",
    (
        MessageSpec(
            16, messages.Append, (NUMBER, _POSITION, list_field(binary_field(ENTRY_BYTES_MAX)), NUMBER, NUMBER)
        ),
        MessageSpec(17, messages.AppendAck, (NUMBER, NAME, _POSITION, NUMBER, FLAG)),
        MessageSpec(18, messages.Committed, (NUMBER, NUMBER, NUMBER)),
        MessageSpec(19, messages.Forward, (NUMBER, list_field(FieldCodec(publication_parts, read_publication)))),
        MessageSpec(
            32,
            messages.Ping,
            (NUMBER, NAME, NAME, NUMBER, NUMBER, _POSITION, NUMBER, list_field(pair_field(NAME, NUMBER)), _VITALS),
        ),
        MessageSpec(33, messages.Pong, (NUMBER, NUMBER, FLAG)),
        MessageSpec(
            34, messages.JoinRequest, (NAME, NUMBER, _POSITION, list_field(pair_field(NUMBER, NUMBER)), NUMBER, NUMBER)
        ),
        MessageSpec(35, messages.JoinReply, (NUMBER, _POSITION, optional_field(NUMBER), NUMBER)),
        MessageSpec(36, messages.SnapshotBegin, (NUMBER, NUMBER, binary_field(SNAPSHOT_MANIFEST_BYTES_MAX))),
        MessageSpec(37, messages.SnapshotChunk, (NUMBER, NUMBER, binary_field(SNAPSHOT_CHUNK_BYTES_MAX))),
        MessageSpec(38, messages.SnapshotAck, (NUMBER, NUMBER)),
        MessageSpec(39, messages.JoinDone, (NUMBER, NUMBER)),
        MessageSpec(
            40,
            messages.DigestReport,
            (NUMBER, NUMBER, _DIGEST, list_field(_PART_DIGEST)),
            items_max=PARTS_COVERED_MAX,
        ),
        MessageSpec(41, messages.Resync, (NUMBER, _REASON, NUMBER)),
        MessageSpec(42, messages.SwitchoverPropose, (NUMBER, _POSITION)),
        MessageSpec(43, messages.SwitchoverReady, (NUMBER, NAME)),
        MessageSpec(44, messages.SwitchoverAbort, (NUMBER, _REASON)),
        MessageSpec(52, messages.SnapshotLacks, (NUMBER, binary_field(SNAPSHOT_MANIFEST_BYTES_MAX))),
    ),
    quick={
        messages.Append: QuickForm(_append_parts, _quick_append),
        messages.AppendAck: QuickForm(_append_ack_parts, _quick_append_ack),
        messages.Committed: QuickForm(_committed_parts, _quick_committed),
    },
)
"""Frame types 16 to 31 belong to eventSync, 32 to 63 to management. Numbers are never given to another message."""


def encode_peer_message(message: PeerMessage) -> tuple[int, bytes]:
    """Frame type and body of ``message``."""
    return PEER_TABLE.encode(message)


def decode_peer_message(type_: int, body: fields.Buffer) -> PeerMessage:
    """The message in a frame. Raises ``MalformedFrame``."""
    return PEER_TABLE.decode(type_, body)
