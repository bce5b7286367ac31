"""Annotations: what a plan asks for beside its statements, and what of that has no effect here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from eiha.events.schema import AttributeType, Schema
from eiha.plan.connections import Buffering, Connection, bind_buffering, bind_connection
from eiha.plan.nodes import Deduplication, PlaybackIdle
from eiha.plan.refusals import Refusals
from eiha.siddhiql.annotation_tree import Annotation
from eiha.siddhiql.cursor import Cursor, Mismatch
from eiha.siddhiql.diagnostics import did_you_mean
from eiha.siddhiql.parse_expressions import time_literal
from eiha.siddhiql.tokens import TokenKind

DEDUPLICATION_KEYS_DEFAULT: Final = 100_000
"""Keys remembered for a stream with ``dedup.key`` and no ``dedup.size``."""

_SCOPE_OF_3X: Final = "plan"
"""Of ``@Plan:async``, which plans of 3.x may carry; 5.x refuses ``@app:async``."""

_DOCUMENTING: Final = frozenset({"name", "description", "version"})
_SOURCE_KEYS: Final = ("type", "events.duplicated.in.cluster", "dedup.key", "dedup.size")
_PLAYBACK_KEYS: Final = ("idle.time", "increment")
_ERROR_ACTIONS: Final = ("LOG", "STREAM", "STORE")
_SINK_ERROR_ACTIONS: Final = ("LOG", "WAIT", "STREAM", "STORE")
_STORE_WAITS: Final = "WAIT"
"""What a store does when it cannot be written to, whatever a plan asks for: its outputs wait, none is dropped."""


@dataclass(frozen=True, slots=True)
class Header:
    """What the head of a plan says."""

    name: str | None
    playback: bool
    warnings: tuple[str, ...]
    idle: PlaybackIdle | None = None


@dataclass(frozen=True, slots=True)
class StreamNotes:
    """What the annotations of one stream say."""

    is_stored: bool
    is_published: bool
    deduplication: Deduplication | None
    warnings: tuple[str, ...]
    on_error: str
    connections: tuple[Connection | Buffering, ...] = ()


def bind_header(annotations: Sequence[Annotation], refusals: Refusals) -> Header:
    """``@app:...`` of 5.x and ``@Plan:...`` of 3.x."""
    name: str | None = None
    playback = False
    idle: PlaybackIdle | None = None
    warnings: list[str] = []
    for note in annotations:
        match note.name.lower():
            case "name":
                name = _value(note, refusals)
            case "playback":
                playback = True
                idle = _idle(note, refusals)
                warnings += [
                    f"{_text(note)}: {element.key or element.value} has no effect"
                    for element in note.elements
                    if (element.key or "").lower() not in _PLAYBACK_KEYS
                ]
            case "async" if (note.scope or "").lower() != _SCOPE_OF_3X:
                refusals.refuse(note.span, "a whole plan cannot be @async; write it before a stream")
            case known if known in _DOCUMENTING:
                pass
            case _:
                warnings.append(f"{_text(note)} has no effect")
    return Header(name, playback, tuple(warnings), idle)


def _idle(note: Annotation, refusals: Refusals) -> PlaybackIdle | None:
    """After what time without events the event clock moves by itself, and by how much."""
    given = {key: note.value(key) for key in _PLAYBACK_KEYS}
    missing = [key for key, value in given.items() if value is None]
    if len(missing) == len(given):
        return None
    if missing:
        refusals.refuse(note.span, f"@app:playback takes both idle.time and increment; {missing[0]} is missing")
    idle, increment = (milliseconds(key, value or "", note, refusals) for key, value in given.items())
    return PlaybackIdle(idle, increment)


def milliseconds(key: str, text: str, note: Annotation, refusals: Refusals) -> int:
    """The time that ``key`` of an annotation gives, such as ``5 min``."""
    cursor = Cursor(text)
    try:
        literal = time_literal(cursor)
        is_whole = cursor.token.kind is TokenKind.END
    except Mismatch:
        is_whole = False
    if not is_whole or literal.milliseconds <= 0:
        refusals.refuse(note.span, f"{key} is a time, e.g. '5 min', not {text!r}")
    return literal.milliseconds


def bind_stream_notes(
    stream: str, schema: Schema, annotations: Sequence[Annotation], refusals: Refusals
) -> StreamNotes:
    """The annotations of a stream definition: stores, sinks, sources with a dedup key, what to do on errors."""
    is_stored = is_published = False
    on_error = "LOG"
    deduplication: Deduplication | None = None
    connections: list[Connection | Buffering] = []
    warnings: list[str] = []
    for note in annotations:
        type_ = (note.value("type") or "").lower()
        match note.name.lower(), type_:
            case "store", "events":
                is_stored = True
            case "sink", "store":
                is_published = True
                warnings += _sink_errors(stream, note, refusals)
            case "source", "eiha":
                deduplication, more = _deduplication(stream, schema, note, refusals)
                warnings += more
            case "onerror", _:
                on_error = _error_action(note, refusals)
            case (("source" | "sink" as kind), _):
                connections.append(bind_connection(stream, note, refusals))
                instead = "a receiver of the node" if kind == "source" else "@sink(type='store')"
                warnings.append(f"{_text(note)} of type {type_!r} on stream {stream!r} has no effect; use {instead}")
            case "async", _:
                connections.append(bind_buffering(stream, note, refusals))
                warnings.append(f"{_text(note)} on stream {stream!r} has no effect: events are applied in one order")
            case _:
                warnings.append(f"{_text(note)} on stream {stream!r} has no effect")
    return StreamNotes(is_stored, is_published, deduplication, tuple(warnings), on_error, tuple(connections))


def bind_query_notes(annotations: Sequence[Annotation], refusals: Refusals) -> tuple[str | None, tuple[str, ...]]:
    """The name that ``@info`` gives a query, if any, and warnings."""
    name: str | None = None
    warnings: list[str] = []
    is_informed = False
    for note in annotations:
        if note.name.lower() != "info":
            warnings.append(f"{_text(note)} on a query has no effect")
            continue
        if is_informed:
            refusals.refuse(note.span, "a query takes one @info; put name and description into the same")
        is_informed = True
        name = note.value("name")
    return name, tuple(warnings)


def _error_action(note: Annotation, refusals: Refusals) -> str:
    action = (note.value("action") or "").upper()
    if action not in _ERROR_ACTIONS:
        message = f"the action on an error is one of {', '.join(_ERROR_ACTIONS)}, not {action!r}"
        refusals.refuse(note.span, message + did_you_mean(action, _ERROR_ACTIONS))
    return action


def _sink_errors(stream: str, note: Annotation, refusals: Refusals) -> list[str]:
    """What of ``@sink(type='store', ...)`` has no effect: it takes ``on.error='WAIT'``, which is what stores do."""
    warnings: list[str] = []
    for element in note.elements:
        match (element.key or "").lower():
            case "type":
                pass
            case "on.error":
                action = element.value.upper()
                if action not in _SINK_ERROR_ACTIONS:
                    message = f"on.error of a sink is one of {', '.join(_SINK_ERROR_ACTIONS)}, not {element.value!r}"
                    refusals.refuse(element.span, message + did_you_mean(action, _SINK_ERROR_ACTIONS))
                if action != _STORE_WAITS:
                    warnings.append(
                        f"on.error='{action}' of @sink(type='store') on stream {stream!r} has no effect: "
                        "outputs wait until the store takes them, and none is dropped"
                    )
            case _:
                what = element.key or element.value
                warnings.append(f"{what} of @sink(type='store') on stream {stream!r} has no effect")
    return warnings


def _deduplication(
    stream: str, schema: Schema, note: Annotation, refusals: Refusals
) -> tuple[Deduplication | None, list[str]]:
    """``@source(type='eiha', ...)``; the keys are checked, since a misspelt one would let duplicates through."""
    for element in note.elements:
        if element.key is None or element.key.lower() not in _SOURCE_KEYS:
            what = element.key or element.value
            message = f"@source(type='eiha') has no {what!r}; it takes {', '.join(_SOURCE_KEYS)}"
            refusals.refuse(element.span, message + did_you_mean(what, _SOURCE_KEYS))
    key = note.value("dedup.key")
    duplicated = (note.value("events.duplicated.in.cluster") or "false").lower()
    if duplicated not in ("true", "false"):
        refusals.refuse(note.span, f"events.duplicated.in.cluster is 'true' or 'false', not {duplicated!r}")
    if key is None or duplicated == "false":
        has_no_effect = key is not None or note.value("dedup.size") is not None
        reason = "without events.duplicated.in.cluster='true'" if key is not None else "without dedup.key"
        return None, [f"{_text(note)} on stream {stream!r}: dedup has no effect {reason}"] if has_no_effect else []
    position = schema.position(key)
    if position is None:
        message = f"dedup.key: stream {stream!r} has no attribute {key!r}; it has {schema}"
        refusals.refuse(note.span, message + did_you_mean(key, schema.names))
    if schema.attributes[position].type is AttributeType.OBJECT:
        refusals.refuse(note.span, f"dedup.key: {key!r} is an object, which cannot be compared")
    size = note.value("dedup.size") or str(DEDUPLICATION_KEYS_DEFAULT)
    if not (size.isascii() and size.isdigit() and len(size) <= 10 and int(size) > 0):
        refusals.refuse(note.span, f"dedup.size is a number of keys above 0, not {size!r}")
    return Deduplication(stream, position, int(size)), []


def _value(note: Annotation, refusals: Refusals) -> str:
    value = note.value() or note.value("name")
    if not value:
        refusals.refuse(note.span, f"{_text(note)} takes a name, e.g. {_text(note)}('Orders')")
    return value


def _text(note: Annotation) -> str:
    return f"@{note.scope}:{note.name}" if note.scope is not None else f"@{note.name}"
