"""The messages between a node and the arbiter ⇄ frame bodies; and a change of a row ⇄ the bytes kept on disk."""

from __future__ import annotations

from typing import Any, Final

from eiha.errors import MalformedFrame
from eiha.kernel.ids import Epoch, Incarnation, NodeId
from eiha.protocol import fields
from eiha.protocol import witness_messages as messages
from eiha.protocol.limits import (
    NAME_LENGTH_MAX,
    REASON_LENGTH_MAX,
    SMALL_MESSAGE_ITEMS_MAX,
    SWAP_NAME_BYTES,
    WITNESS_HISTORY_PAGE,
)
from eiha.protocol.message_table import (
    NUMBER,
    FieldCodec,
    MessageSpec,
    MessageTable,
    list_field,
    optional_field,
    text_field,
)
from eiha.protocol.peer_messages import PeerIdentity
from eiha.protocol.witness_messages import RowChange, WitnessMessage, WitnessRow

WITNESS_CHANNEL: Final = "witness"
"""What a node and the arbiter call their conversation in the handshake."""

_ROW_PARTS: Final = 7
_CHANGE_PARTS: Final = 5


def row_parts(row: WitnessRow) -> list[Any]:
    """A row as plain parts, in the order of its fields."""
    members = [(member.node, member.incarnation) for member in row.synced]
    reason = row.reason[:REASON_LENGTH_MAX]
    return [row.cluster, row.epoch, row.active, row.active_incarnation, members, row.version, reason]


def read_row(value: Any, what: str) -> WitnessRow:
    """The row that ``row_parts`` took apart. Raises ``MalformedFrame`` naming the part that cannot be."""
    cluster, epoch, active, incarnation, synced, version, reason = fields.record(value, what, _ROW_PARTS)
    members = []
    for member in fields.sequence(synced, f"{what}.synced"):
        node, disk = fields.record(member, f"{what}.synced", 2)
        members.append(
            PeerIdentity(NodeId(fields.name(node, f"{what}.synced")), Incarnation(fields.name(disk, f"{what}.synced")))
        )
    if not members:
        raise MalformedFrame(f"{what}.synced is empty; the active at least is a member of it")
    return WitnessRow(
        fields.name(cluster, f"{what}.cluster"),
        Epoch(fields.integer(epoch, f"{what}.epoch")),
        NodeId(fields.name(active, f"{what}.active")),
        Incarnation(fields.name(incarnation, f"{what}.active_incarnation")),
        tuple(members),
        fields.integer(version, f"{what}.version", 1),
        fields.text(reason, f"{what}.reason", REASON_LENGTH_MAX),
    )


def _read_swap(value: Any, what: str) -> bytes:
    if len(fields.binary(value, what, SWAP_NAME_BYTES)) != SWAP_NAME_BYTES:
        raise MalformedFrame(f"{what} must have {SWAP_NAME_BYTES} bytes, not {len(value)}")
    return bytes(value)


_SWAP: Final = FieldCodec(lambda swap: swap, _read_swap)
_SWAP_OR_EMPTY: Final = FieldCodec(
    lambda swap: swap, lambda value, what: b"" if value == b"" else _read_swap(value, what)
)
_ROW: Final = FieldCodec(row_parts, read_row)
_OPTIONAL_ROW: Final = optional_field(_ROW)
_VERSION: Final = optional_field(NUMBER)


def _change_parts(change: RowChange) -> list[Any]:
    return [change.cluster, change.swap, change.replaces, change.changed_at_ms, _OPTIONAL_ROW.to_wire(change.row)]


def _read_change(value: Any, what: str) -> RowChange:
    cluster, swap, replaces, changed_at_ms, row = fields.record(value, what, _CHANGE_PARTS)
    return RowChange(
        fields.text(cluster, f"{what}.cluster", NAME_LENGTH_MAX),
        _read_swap(swap, f"{what}.swap"),
        _VERSION.from_wire(replaces, f"{what}.replaces"),
        fields.integer(changed_at_ms, f"{what}.changed_at_ms"),
        _OPTIONAL_ROW.from_wire(row, f"{what}.row"),
    )


_CHANGES: Final = list_field(FieldCodec(_change_parts, _read_change))

WITNESS_TABLE: Final[MessageTable[WitnessMessage]] = MessageTable(
    "witness",
    (
        MessageSpec(96, messages.ReadRow, (NUMBER,), SMALL_MESSAGE_ITEMS_MAX),
        MessageSpec(97, messages.SwapRow, (NUMBER, _SWAP, _VERSION, _ROW), SMALL_MESSAGE_ITEMS_MAX),
        MessageSpec(98, messages.ReadHistory, (NUMBER, NUMBER), SMALL_MESSAGE_ITEMS_MAX),
        MessageSpec(99, messages.RowHeld, (NUMBER, _OPTIONAL_ROW, _SWAP_OR_EMPTY), SMALL_MESSAGE_ITEMS_MAX),
        MessageSpec(100, messages.Swapped, (NUMBER,), SMALL_MESSAGE_ITEMS_MAX),
        MessageSpec(101, messages.NotSwapped, (NUMBER, _OPTIONAL_ROW), SMALL_MESSAGE_ITEMS_MAX),
        MessageSpec(102, messages.HistoryHeld, (NUMBER, _CHANGES), WITNESS_HISTORY_PAGE),
        MessageSpec(103, messages.NotDone, (NUMBER, text_field(REASON_LENGTH_MAX)), SMALL_MESSAGE_ITEMS_MAX),
    ),
)
"""The table is the protocol; ``docs/protocol.md`` explains it."""


def encode_change(change: RowChange) -> bytes:
    """The bytes of one change as they are kept on disk."""
    return fields.pack(_change_parts(change))


def decode_change(data: bytes) -> RowChange:
    """What ``encode_change`` made. Raises ``MalformedFrame``."""
    return _read_change(fields.unpack(data, "a change", items_max=SMALL_MESSAGE_ITEMS_MAX), "change")
