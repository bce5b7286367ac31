"""Bodies of ingest requests: JSON object, JSON array or NDJSON → rows, with the place of what is wrong."""

from __future__ import annotations

from typing import Any, Final

import orjson

from eiha.kernel.container_budget import CONTAINERS_MAX, json_containers_exceed

JSON_TYPES: Final = frozenset({"application/json"})
NDJSON_TYPES: Final = frozenset(
    {"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"}
)
ACCEPTED: Final = "application/json (an object or an array of objects) or application/x-ndjson (an object a line)"


class MalformedBody(ValueError):
    """The body is not what its content type says. ``line``: from 1, 0 when the body is not made of lines."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


class UnsupportedType(ValueError):
    """A content type that is not taken."""


def parse_body(body: bytes, content_type: str) -> list[Any]:
    """The rows of ``body``, not looked into yet.

    Raises:
        UnsupportedType: the content type is none of those taken.
        MalformedBody: the body does not parse.
    """
    media, _, parameters = content_type.partition(";")
    media = media.strip().lower()
    charset = parameters.lower().replace(" ", "").removeprefix("charset=").strip('"')
    if charset not in ("", "utf-8", "utf8"):
        raise UnsupportedType(f"charset {charset!r} is not taken; send UTF-8")
    if json_containers_exceed(body):
        raise MalformedBody(f"the body has more than {CONTAINERS_MAX} lists and objects: send the events in parts")
    if media in JSON_TYPES or not media:
        return _json(body)
    if media in NDJSON_TYPES:
        return _ndjson(body)
    raise UnsupportedType(f"content type {media!r} is not taken; send {ACCEPTED}")


def _json(body: bytes) -> list[Any]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as cause:
        raise MalformedBody(f"the body is not JSON: {cause}") from cause
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        return [value]
    raise MalformedBody(f"the body must be an object or an array of objects, not {type(value).__name__}")


def _ndjson(body: bytes) -> list[Any]:
    body = body.strip()
    if not body:
        return []
    try:
        # one call for the whole body: a line feed inside a JSON text is always escaped, so each one ends a line
        rows = orjson.loads(b"[" + body.replace(b"\n", b",") + b"]")
    except orjson.JSONDecodeError:
        return _line_by_line(body)
    if len(rows) != body.count(b"\n") + 1:
        return _line_by_line(body)
    return list(rows)


def _line_by_line(body: bytes) -> list[Any]:
    rows: list[Any] = []
    for number, line in enumerate(body.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            rows.append(orjson.loads(line))
        except orjson.JSONDecodeError as cause:
            raise MalformedBody(f"line {number} is not JSON: {cause}", number) from cause
    return rows
