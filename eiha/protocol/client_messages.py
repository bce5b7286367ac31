"""Messages between a client and a node, over one TCP connection that carries many streams.

A session is a client id and its publications, numbered from 1 without gaps. It outlives connections: after a
reconnect, to whichever node, the client resends what lies after ``Welcome.acked_through``, and nothing counts twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from eiha.kernel.ids import ClientSequence

CODE_UNKNOWN_STREAM: Final = "unknown-stream"
CODE_WRONG_SCHEMA: Final = "wrong-schema"
CODE_MALFORMED_BATCH: Final = "malformed-batch"
CODE_RETRY: Final = "retry"
"""Not accepted now: send again from ``expected`` after ``retry_after_ms``. All other codes are final."""

CODE_MALFORMED: Final = "malformed"
CODE_VERSION: Final = "version-mismatch"
CODE_AUTHENTICATION: Final = "authentication-failed"
CODE_DISPLACED: Final = "displaced"
"""The same session connected anew; this connection is closed."""


@dataclass(frozen=True, slots=True)
class Hello:
    """First message of a client. ``duplicated``: it sends every publication to both nodes. ``token`` may be empty."""

    version_min: int
    version_max: int
    client_id: str
    token: str
    duplicated: bool


@dataclass(frozen=True, slots=True)
class Welcome:
    """Answer to Hello.

    ``active_address``: where the active listens (empty: not known, or this is it). Publications of the session through
    ``acked_through`` are committed. At most ``credit_rows`` rows and ``credit_bytes`` payload bytes may be
    unacknowledged at a time; one publication may always be, whatever its size.
    """

    version: int
    node: str
    role: str
    active_address: str
    acked_through: ClientSequence
    credit_rows: int
    credit_bytes: int


@dataclass(frozen=True, slots=True)
class OpenStream:
    """Client → node: from now on ``number`` means ``stream`` on this connection.

    ``attributes``: (name, type) pairs the client was built for, checked by the node; None: tell me. Publications may
    follow at once.
    """

    number: int
    stream: str
    attributes: tuple[tuple[str, str], ...] | None


@dataclass(frozen=True, slots=True)
class StreamOpened:
    """Node → client: the stream's attributes, in order."""

    number: int
    stream: str
    attributes: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class StreamRefused:
    """Node → client: no such stream, or other attributes; publications under the number will be rejected."""

    number: int
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Publish:
    """Client → node: a batch in wire form (``events.wire``), which nobody encodes again."""

    client_sequence: ClientSequence
    number: int
    rows: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class PublishRows:
    """Client → node: rows, each a list of values in the order of the attributes; columns are made here, once.

    ``timestamps``: event time in ms, one per row, or None for the time of arrival.
    """

    client_sequence: ClientSequence
    number: int
    timestamps: Sequence[Any] | None
    rows: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Acked:
    """Node → client: everything of the session through here is committed."""

    through: ClientSequence


@dataclass(frozen=True, slots=True)
class Rejected:
    """Node → client: one publication is refused.

    Nothing changed, and the numbers after it are a gap until its number is filled. With ``CODE_RETRY``: send again from
    ``expected`` (0: from the first unacknowledged) after ``retry_after_ms``. Any other code is final for what was sent:
    either another publication takes the number, or what followed is sent under a new client id. The second is safe
    whatever was lost on the way, and what ``eiha.client`` does.
    """

    client_sequence: ClientSequence
    code: str
    reason: str
    retry_after_ms: int
    expected: ClientSequence


@dataclass(frozen=True, slots=True)
class Credit:
    """Node → client: the new bounds of what may be unacknowledged. 0 rows: send nothing until the next Credit."""

    rows: int
    bytes: int
    reason: str


@dataclass(frozen=True, slots=True)
class Redirect:
    """Node → client: you are better served at ``address``; what is unacknowledged is to be sent again there."""

    address: str
    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Node → client: what you sent cannot be understood or allowed; the connection is closed."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Goodbye:
    """Either way: an orderly end; nothing more will come from this side."""


ToNode = Hello | OpenStream | Publish | PublishRows | Goodbye
ToClient = Welcome | StreamOpened | StreamRefused | Acked | Rejected | Credit | Redirect | Failed | Goodbye
ClientMessage = ToNode | ToClient
