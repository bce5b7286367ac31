"""Client messages ⇄ frame bodies. Frame types 64 to 95; numbers are never given to another message."""

from __future__ import annotations

from typing import Any, Final

from eiha.kernel.ids import ClientSequence
from eiha.protocol import client_messages as messages
from eiha.protocol import fields
from eiha.protocol.client_messages import ClientMessage
from eiha.protocol.limits import (
    NUMBER_MAX,
    PUBLICATION_BYTES_MAX,
    PUBLICATION_ROWS_MAX,
    REASON_LENGTH_MAX,
    ROWS_MESSAGE_ITEMS_MAX,
    SMALL_MESSAGE_ITEMS_MAX,
    STREAMS_PER_CONNECTION_MAX,
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
    integer_field,
    list_field,
    optional_field,
    pair_field,
    text_field,
)

_FIRST_IS_ONE: Final = integer_field(1)
_VERSION: Final = integer_field(0, 255)
_STREAM_NUMBER: Final = integer_field(0, STREAMS_PER_CONNECTION_MAX - 1)
_ATTRIBUTES: Final = list_field(pair_field(NAME, NAME))
_TEXT: Final = text_field(REASON_LENGTH_MAX)
_LIST: Final = FieldCodec(lambda value: value, fields.sequence)
"""Not looked into here: ``events.rows`` checks each value against its column."""

PUBLISH: Final = 68
PUBLISH_ROWS: Final = 69


def _quick_publish(parts: list[Any]) -> messages.Publish | None:
    sequence, number, rows, payload = parts
    if (
        type(sequence) is int
        and type(number) is int
        and type(rows) is int
        and type(payload) is bytes
        and 1 <= sequence <= NUMBER_MAX
        and 0 <= number < STREAMS_PER_CONNECTION_MAX
        and 0 <= rows <= PUBLICATION_ROWS_MAX
        and len(payload) <= PUBLICATION_BYTES_MAX
    ):
        return messages.Publish(ClientSequence(sequence), number, rows, payload)
    return None


def _quick_acked(parts: list[Any]) -> messages.Acked | None:
    through = parts[0]
    return messages.Acked(ClientSequence(through)) if type(through) is int and 0 <= through <= NUMBER_MAX else None


CLIENT_TABLE: Final[MessageTable[ClientMessage]] = MessageTable(
    "client",
    (
        MessageSpec(64, messages.Hello, (_VERSION, _VERSION, NAME, _TEXT, FLAG), SMALL_MESSAGE_ITEMS_MAX),
        MessageSpec(65, messages.Welcome, (_VERSION, NAME, NAME, _TEXT, NUMBER, NUMBER, NUMBER)),
        MessageSpec(66, messages.OpenStream, (_STREAM_NUMBER, NAME, optional_field(_ATTRIBUTES))),
        MessageSpec(67, messages.StreamOpened, (_STREAM_NUMBER, NAME, _ATTRIBUTES)),
        MessageSpec(
            PUBLISH,
            messages.Publish,
            (
                _FIRST_IS_ONE,
                _STREAM_NUMBER,
                integer_field(0, PUBLICATION_ROWS_MAX),
                binary_field(PUBLICATION_BYTES_MAX),
            ),
        ),
        MessageSpec(
            PUBLISH_ROWS,
            messages.PublishRows,
            (_FIRST_IS_ONE, _STREAM_NUMBER, optional_field(_LIST), _LIST),
            ROWS_MESSAGE_ITEMS_MAX,
        ),
        MessageSpec(70, messages.StreamRefused, (_STREAM_NUMBER, NAME, _TEXT)),
        MessageSpec(71, messages.Acked, (NUMBER,)),
        MessageSpec(72, messages.Rejected, (_FIRST_IS_ONE, NAME, _TEXT, NUMBER, NUMBER)),
        MessageSpec(73, messages.Credit, (NUMBER, NUMBER, _TEXT)),
        MessageSpec(74, messages.Redirect, (NAME, _TEXT)),
        MessageSpec(75, messages.Failed, (NAME, _TEXT)),
        MessageSpec(76, messages.Goodbye, ()),
    ),
    quick={
        messages.Publish: QuickForm(
            lambda message: (message.client_sequence, message.number, message.rows, message.payload), _quick_publish
        ),
        messages.Acked: QuickForm(lambda message: (message.through,), _quick_acked),
    },
)


def encode_client_message(message: ClientMessage) -> tuple[int, bytes]:
    """Frame type and body of ``message``."""
    return CLIENT_TABLE.encode(message)


def decode_client_message(type_: int, body: fields.Buffer) -> ClientMessage:
    """The message in a frame. Raises ``MalformedFrame``."""
    return CLIENT_TABLE.decode(type_, body)
