"""The exception tree. Every expected failure is one of these; programmer errors are assertions.

EihaError
├── ConfigurationError        a node cannot start with this file
├── AddressUnavailable        a listener cannot bind its address
├── ExtensionError            a package's function, aggregator or window cannot be registered
├── PlanError                 a plan is refused (carries a place in its text)
│   ├── PlanSyntaxError
│   └── PlanSemanticError
│       └── UnsupportedConstruct
├── ProtocolError             a peer or client broke the wire protocol
│   ├── MalformedFrame
│   ├── MalformedBatch
│   ├── VersionMismatch
│   ├── AuthenticationFailed
│   │   └── OtherCluster
│   ├── NodeIdInUse           two nodes have the same id
│   └── WrongChannel          eventSync spoken to a management port, or the like
├── SubmissionError           one publication is refused, the connection lives on
│   ├── UnknownStream
│   ├── WrongSchema
│   │   └── WrongValue        (names row and attribute)
│   └── Overloaded            (retry later)
├── PlanFailed                a plan at work raised what nobody expected (names it)
├── PlanNotSaved              a plan's state cannot be told: no snapshot (names it)
├── QueryError                an on-demand query has no answer
│   ├── UnknownPlan
│   ├── AnswerTooLarge
│   ├── QueryFailed           (a row cannot be evaluated)
│   └── NotAnsweredNow        (retry later)
├── ClientError               the client library
│   ├── NoNodeReachable
│   ├── ClientClosed
│   └── SessionLost
├── StorageError
│   ├── CorruptFile
│   ├── DirectoryInUse        another process has the data directory
│   ├── StoreUnavailable      (retry later)
│   └── StaleEpoch            another node is active: demote
└── IllegalTransition         a state machine was asked for a move its table does not have
"""

from __future__ import annotations


class EihaError(Exception):
    """Base of every error that eiha raises on purpose."""


class ConfigurationError(EihaError):
    """The configuration cannot be used; the text names file, line, key and remedy."""


class AddressUnavailable(EihaError):
    """A listener cannot bind its address; the text names it and the configuration key to change."""


class ExtensionError(EihaError):
    """A function, aggregator, stream processor or window of a package cannot be registered; the text says why."""


class PlanError(EihaError):
    """A plan was refused.

    Args:
        message: what is wrong and what would have been valid, without the place.
        line: line in the plan text, from 1; 0 when the place is not known.
        column: column, from 0.
        excerpt: the offending line with a caret below it, or an empty string.
    """

    def __init__(self, message: str, *, line: int = 0, column: int = 0, excerpt: str = "") -> None:
        where = f"line {line}, column {column}: " if line else ""
        super().__init__(f"{where}{message}" + (f"\n{excerpt}" if excerpt else ""))
        self.message = message
        self.line = line
        self.column = column
        self.excerpt = excerpt


class PlanSyntaxError(PlanError):
    """The text is not SiddhiQL."""


class PlanSemanticError(PlanError):
    """The text is SiddhiQL, but names or types do not fit."""


class UnsupportedConstruct(PlanSemanticError):
    """The text is valid SiddhiQL that this version does not run yet.

    Args:
        construct: the construct as the matrix in docs/siddhiql.md names it, e.g. ``window.session``.
        remedy: what to write instead, if there is something.
    """

    def __init__(self, construct: str, remedy: str = "", *, line: int = 0, column: int = 0, excerpt: str = "") -> None:
        message = f"{construct} is not supported" + (f"; {remedy}" if remedy else "")
        super().__init__(message, line=line, column=column, excerpt=excerpt)
        self.construct = construct


class ProtocolError(EihaError):
    """The other side broke the protocol; its connection is closed, others are not harmed."""


class MalformedFrame(ProtocolError):
    """A frame is truncated, oversized, fails its checksum or does not decode to a known message."""


class MalformedBatch(ProtocolError):
    """A batch payload does not decode, or its columns disagree about the number of rows."""


class VersionMismatch(ProtocolError):
    """The other side speaks a protocol version that this build does not."""


class AuthenticationFailed(ProtocolError):
    """The other side does not know the cluster secret, or belongs to another cluster."""


class OtherCluster(AuthenticationFailed):
    """The other side belongs to a cluster of another name."""


class NodeIdInUse(ProtocolError):
    """The other side has this node's own id: one of the two is configured wrongly, or a node reached itself."""


class WrongChannel(ProtocolError):
    """The other side opened a channel that this port does not serve."""


class SubmissionError(EihaError):
    """One publication is refused; the connection and other publications live on."""


class UnknownStream(SubmissionError):
    """No deployed plan defines the stream."""


class WrongSchema(SubmissionError):
    """A batch does not have the columns or types of the stream's definition."""


class WrongValue(WrongSchema):
    """A value does not fit its attribute.

    Args:
        message: what is wrong and what would have been valid.
        row: the row, from 0; -1 when it is about all of them.
        attribute: the attribute's name; empty when it is about the row.
    """

    def __init__(self, message: str, *, row: int, attribute: str) -> None:
        super().__init__(message)
        self.row = row
        self.attribute = attribute


class Overloaded(SubmissionError):
    """A bound is reached; the sender should retry after ``retry_after_ms``."""

    def __init__(self, message: str, *, retry_after_ms: int) -> None:
        super().__init__(message)
        self.retry_after_ms = retry_after_ms


class QueryError(EihaError):
    """An on-demand query has no answer, or its statement was not carried out; the text says why."""


class PlanFailed(EihaError):
    """A plan at work raised what nobody expected; the engine's state is undefined.

    Args:
        plan: its name; empty when none can be blamed.
        reason: class and text of what was raised.
    """

    def __init__(self, plan: str, reason: str) -> None:
        super().__init__(f"plan {plan!r}: {reason}" if plan else reason)
        self.plan = plan
        self.reason = reason


class PlanNotSaved(EihaError):
    """The state of a plan cannot be told, so there is no snapshot; the engine goes on, as it was.

    Args:
        plan: its name; empty when none can be blamed.
        reason: class and text of what was raised.
    """

    def __init__(self, plan: str, reason: str) -> None:
        super().__init__((f"plan {plan!r}: " if plan else "") + f"its state cannot be told: {reason}")
        self.plan = plan
        self.reason = reason


class UnknownPlan(QueryError):
    """No plan of that name is deployed."""


class AnswerTooLarge(QueryError):
    """A question found more rows than an answer may have."""


class QueryFailed(QueryError):
    """A row cannot be evaluated, or a statement was refused where it would have been carried out."""


class NotAnsweredNow(QueryError):
    """The node cannot answer now: its role or its load does not allow it."""


class ClientError(EihaError):
    """The client cannot do what it was asked to."""


class NoNodeReachable(ClientError):
    """No node of the list answered in time; the text says for each what it did instead."""


class ClientClosed(ClientError):
    """The client was closed before this was acknowledged: it may be in the log, or not."""


class SessionLost(ClientError):
    """The cluster does not know the client's session any more: this may be in the log, or not."""


class StorageError(EihaError):
    """A file or database did not do what it was asked to."""


class CorruptFile(StorageError):
    """A log segment or snapshot file fails its magic, version, length or checksum."""


class DirectoryInUse(StorageError):
    """Another process uses the data directory; the text names both."""


class StoreUnavailable(StorageError):
    """A database or disk cannot be reached now; the caller retries with backoff."""


class StaleEpoch(StorageError):
    """A store refused a write because a newer epoch owns it; the writer must demote."""


class IllegalTransition(EihaError):
    """A state machine was asked for a move that its table does not have."""
