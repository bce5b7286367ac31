"""Log entries ⇄ bytes: the form on disk, on eventSync, and what "same bytes on both nodes" speaks of.

::

    entry        = [epoch, sequence, log_time_ms, kind, body]
    publications = [[client_id, client_sequence, stream, rows, bin(payload)], ...]      kind 1
    time tick    = nil                                                                 kind 2
    deploy plan  = [plan, text]                                                        kind 3
    remove plan  = [plan]                                                              kind 4
    epoch start  = [active, incarnation]                                               kind 5
    statement    = [request, plan, text]                                               kind 6
    quarantine   = [sequence, plan, [[publication, first, end], ...], suspends, cause, reason]   kind 7

A new kind gets a new number; the meaning of a number never changes.
"""

from __future__ import annotations

from typing import Any, Final, assert_never

from eiha.errors import MalformedFrame
from eiha.kernel.ids import ClientId, ClientSequence, Epoch, Incarnation, LogTimeMs, NodeId, Sequence
from eiha.protocol import fields
from eiha.protocol.limits import (
    ARRAY_ITEMS_MAX,
    ENTRY_BYTES_MAX,
    NAME_LENGTH_MAX,
    NUMBER_MAX,
    PLAN_TEXT_LENGTH_MAX,
    PUBLICATION_BYTES_MAX,
    PUBLICATION_ROWS_MAX,
    QUARANTINED_RANGES_MAX,
    REASON_LENGTH_MAX,
    STATEMENT_LENGTH_MAX,
)
from eiha.protocol.log_entry import (
    DeployPlan,
    EntryBody,
    EpochStart,
    LogEntry,
    Publication,
    Publications,
    Quarantine,
    RemovePlan,
    RowRange,
    TableStatement,
    TimeTick,
)

KIND_PUBLICATIONS: Final = 1
KIND_TIME_TICK: Final = 2
KIND_DEPLOY_PLAN: Final = 3
KIND_REMOVE_PLAN: Final = 4
KIND_EPOCH_START: Final = 5
KIND_TABLE_STATEMENT: Final = 6
KIND_QUARANTINE: Final = 7

CAUSES: Final = ("raised", "killed", "hung")
"""What an entry did that is left out."""

ENTRY_OVERHEAD_BYTES: Final = 64
"""At least what an entry's envelope takes beyond its publications; for those who plan an entry's size."""

PUBLICATION_OVERHEAD_BYTES: Final = 32
"""At least what a publication takes in an entry beyond its payload and the UTF-8 of its two names."""


def encode_entry(entry: LogEntry) -> bytes:
    """The bytes of ``entry``; equal entries give equal bytes. Payloads are copied once, into the result."""
    kind, body = _body_parts(entry.body)
    return fields.pack((entry.epoch, entry.sequence, entry.log_time_ms, kind, body))


def decode_entry(data: bytes) -> LogEntry:
    """The entry in ``data``, with ``encoded`` holding ``data`` itself.

    Raises:
        MalformedFrame: the bytes are not an entry of a known kind, or a part is of the wrong type or out of bounds.
    """
    if len(data) > ENTRY_BYTES_MAX:
        raise MalformedFrame(f"a log entry must be at most {ENTRY_BYTES_MAX} bytes, not {len(data)}")
    parts = fields.record(fields.unpack(data, "a log entry"), "a log entry", 5)
    return LogEntry(
        epoch=Epoch(fields.integer(parts[0], "the entry's epoch")),
        sequence=Sequence(fields.integer(parts[1], "the entry's sequence", 1)),
        log_time_ms=LogTimeMs(fields.integer(parts[2], "the entry's log time")),
        body=_read_body(parts[3], parts[4]),
        encoded=data,
    )


def publication_parts(publication: Publication) -> tuple[Any, ...]:
    """A publication as msgpack-ready parts; also used by ``Forward``."""
    return (
        publication.client_id,
        publication.client_sequence,
        publication.stream,
        publication.rows,
        publication.payload,
    )


def read_publication(value: Any, what: str) -> Publication:
    """The publication in decoded parts. Raises ``MalformedFrame``."""
    if not isinstance(value, list) or len(value) != 5:
        raise MalformedFrame(f"{what} must be [client, sequence, stream, rows, payload]")
    client, number, stream, rows, payload = value
    if (
        type(client) is type(stream) is str
        and type(number) is type(rows) is int
        and type(payload) is bytes
        and 0 < len(client) <= NAME_LENGTH_MAX
        and 0 < len(stream) <= NAME_LENGTH_MAX
        and 1 <= number <= NUMBER_MAX
        and 0 <= rows <= PUBLICATION_ROWS_MAX
        and len(payload) <= PUBLICATION_BYTES_MAX
    ):
        return Publication(ClientId(client), ClientSequence(number), stream, rows, payload)
    # something is not as it should be: this says what
    return Publication(
        client_id=ClientId(fields.name(client, "a publication's client")),
        client_sequence=ClientSequence(fields.integer(number, "a publication's client sequence", 1)),
        stream=fields.name(stream, "a publication's stream"),
        rows=fields.integer(rows, "a publication's rows", 0, PUBLICATION_ROWS_MAX),
        payload=fields.binary(payload, "a publication's payload", PUBLICATION_BYTES_MAX),
    )


def _body_parts(body: EntryBody) -> tuple[int, Any]:
    match body:
        case Publications(items):
            return KIND_PUBLICATIONS, [publication_parts(publication) for publication in items]
        case TimeTick():
            return KIND_TIME_TICK, None
        case DeployPlan(plan, text):
            return KIND_DEPLOY_PLAN, (plan, text)
        case RemovePlan(plan):
            return KIND_REMOVE_PLAN, (plan,)
        case EpochStart(active, incarnation):
            return KIND_EPOCH_START, (active, incarnation)
        case TableStatement(request, plan, text):
            return KIND_TABLE_STATEMENT, (request, plan, text)
        case Quarantine(sequence, plan, rows, suspends, cause, reason):
            ranges = [(each.publication, each.first, each.end) for each in rows]
            return KIND_QUARANTINE, (sequence, plan, ranges, suspends, cause, reason[:REASON_LENGTH_MAX])
        case _:
            assert_never(body)


def _read_body(kind: Any, value: Any) -> EntryBody:
    match kind:
        case 1:
            items = fields.sequence(value, "an entry's publications")
            return Publications(tuple([read_publication(item, "a publication") for item in items]))
        case 2:
            if value is not None:
                raise MalformedFrame("a time tick has no body")
            return TimeTick()
        case 3:
            plan, text = fields.record(value, "a deployment", 2)
            return DeployPlan(
                fields.name(plan, "a deployment's plan"), fields.text(text, "a plan's text", PLAN_TEXT_LENGTH_MAX)
            )
        case 4:
            [plan] = fields.record(value, "a removal", 1)
            return RemovePlan(fields.name(plan, "a removal's plan"))
        case 5:
            active, incarnation = fields.record(value, "an epoch start", 2)
            return EpochStart(
                NodeId(fields.name(active, "an epoch's active")),
                Incarnation(fields.name(incarnation, "an epoch's incarnation")),
            )
        case 6:
            request, plan, text = fields.record(value, "a statement", 3)
            return TableStatement(
                fields.name(request, "a statement's request"),
                fields.name(plan, "a statement's plan"),
                fields.text(text, "a statement's text", STATEMENT_LENGTH_MAX),
            )
        case 7:
            return _read_quarantine(value)
        case _:
            raise MalformedFrame(f"an entry of unknown kind {kind!r:.20}: was it written by a newer version?")


def _read_quarantine(value: Any) -> Quarantine:
    sequence, plan, ranges, suspends, cause, reason = fields.record(value, "a quarantine", 6)
    if cause not in CAUSES:
        raise MalformedFrame(f"a quarantine's cause must be one of {', '.join(CAUSES)}")
    listed = fields.sequence(ranges, "a quarantine's rows")
    if len(listed) > QUARANTINED_RANGES_MAX:
        raise MalformedFrame(f"a quarantine names at most {QUARANTINED_RANGES_MAX} ranges of rows, not {len(listed)}")
    return Quarantine(
        Sequence(fields.integer(sequence, "a quarantine's sequence", 1)),
        fields.text(plan, "a quarantine's plan"),
        tuple([_read_range(each) for each in listed]),
        fields.boolean(suspends, "whether a quarantine suspends"),
        cause,
        fields.text(reason, "a quarantine's reason", REASON_LENGTH_MAX),
    )


def _read_range(value: Any) -> RowRange:
    publication, first, end = fields.record(value, "a range of rows", 3)
    start = fields.integer(first, "a range's first row", 0, PUBLICATION_ROWS_MAX)
    return RowRange(
        fields.integer(publication, "a range's publication", 0, ARRAY_ITEMS_MAX),
        start,
        fields.integer(end, "a range's end", start, PUBLICATION_ROWS_MAX),
    )
