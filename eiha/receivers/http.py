"""HTTP ingest: ``POST /v1/streams/{stream}``, answered when the events are committed.

Answers are 200, or a problem document (RFC 9457) that says where in the body what is wrong. At a bound the answer is
429 or 503 with ``Retry-After``, at once: a request never waits in a queue for room.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from eiha.errors import Overloaded, WrongSchema, WrongValue
from eiha.events.rows import objects_to_batch
from eiha.events.wire import encode
from eiha.protocol.plan_streams import find_stream
from eiha.receivers.client_budgets import ClientRates
from eiha.receivers.http_body import MalformedBody, UnsupportedType, parse_body
from eiha.receivers.http_session import KeyedRequests, NodeSession, OutcomeUnknown
from eiha.receivers.intake import Intake
from eiha.receivers.refusals import unknown_stream

CLIENT_KEY: Final = "eiha.client"
"""Where the connection puts, in a request's scope, whom limits by client are kept for."""

KEY_LENGTH_MAX: Final = 200
"""Characters of an ``Idempotency-Key``: with its prefix it must fit a client's name."""


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Bounds. ``body_bytes_max``: 413 above. ``bodies_bytes_max``: of all requests under way, 503 above.

    ``unacked_*``: 429 above. ``ack_timeout_s``: 504 after.
    """

    body_bytes_max: int = 16 << 20
    bodies_bytes_max: int = 256 << 20
    unacked_requests_max: int = 4_096
    unacked_rows_max: int = 1_000_000
    ack_timeout_s: float = 30.0
    keys_max: int = 10_000


class Problem(Exception):
    """A refusal on its way to the client. ``more``: further members of the document."""

    def __init__(self, status: int, code: str, detail: str, *, retry_after_ms: int = 0, **more: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.retry_after_ms = retry_after_ms
        self.more = more

    def response(self) -> Response:
        """The problem document."""
        document: dict[str, Any] = {
            "type": f"urn:eiha:problem:{self.code}",
            "title": self.code.replace("-", " "),
            "status": self.status,
            "detail": self.detail,
            **self.more,
        }
        headers = {}
        if self.retry_after_ms:
            document["retry_after_ms"] = self.retry_after_ms
            headers["Retry-After"] = str(math.ceil(self.retry_after_ms / 1000))
        return Response(orjson.dumps(document), self.status, headers, "application/problem+json")


class HttpReceiver:
    """The ingest routes of one node. Counters are read by metrics."""

    def __init__(self, intake: Intake, limits: HttpLimits | None = None, rates: ClientRates | None = None) -> None:
        self.limits = limits or HttpLimits()
        self.rates = rates or ClientRates()
        self.bodies_bytes = 0
        self.rejected_by_code: dict[str, int] = {}
        self.unacked_requests = 0
        self.unacked_rows = 0
        self._intake = intake
        self._session = NodeSession(intake)
        self._keyed = KeyedRequests(intake, self.limits.keys_max, self.limits.ack_timeout_s)

    def routes(self) -> list[BaseRoute]:
        """To be mounted in the node's application."""
        return [Route("/v1/streams/{stream}", self.publish, methods=["POST"])]

    async def close(self) -> None:
        """Give up what is under way."""
        self._session.close()
        await self._keyed.close()

    async def publish(self, request: Request) -> Response:
        """One request: one publication."""
        held = _HeldBytes(self)
        try:
            return await self._publish(request, held)
        except Problem as problem:
            self.count_rejection(problem.code)
            return problem.response()
        finally:
            held.release()

    def count_rejection(self, code: str) -> None:
        """One more refusal, by reason."""
        self.rejected_by_code[code] = self.rejected_by_code.get(code, 0) + 1

    async def _publish(self, request: Request, held: _HeldBytes) -> Response:
        definition = find_stream(self._intake.streams(), request.path_params["stream"])
        if definition is None:
            # a node that starts does not know its streams yet: that is no answer for good
            self._check_open()
            detail = unknown_stream(request.path_params["stream"], self._intake.streams())
            raise Problem(404, "unknown-stream", detail)
        self._check_open()
        client = str(request.scope.get(CLIENT_KEY) or (request.client.host if request.client else ""))
        self._check_rate(client)
        body = await self._body(request, held)
        try:
            objects = parse_body(body, request.headers.get("content-type", ""))
            asked = request.query_params
            batch = objects_to_batch(objects, definition.schema, asked.get("event_time"), asked.get("event_time_key"))
        except UnsupportedType as refusal:
            raise Problem(415, "unsupported-type", str(refusal)) from refusal
        except MalformedBody as refusal:
            place = {"line": refusal.line} if refusal.line else {}
            raise Problem(400, "malformed-body", str(refusal), **place) from refusal
        except WrongValue as refusal:
            raise Problem(422, "wrong-value", str(refusal), row=refusal.row, field=refusal.attribute) from refusal
        except WrongSchema as refusal:
            raise Problem(422, "wrong-schema", str(refusal)) from refusal
        if self.rates.is_bounded:
            self.rates.take(client, batch.rows, len(body), asyncio.get_running_loop().time())
        if not batch.rows:
            return _accepted(0, replayed=False)
        return await self._commit(request, definition.name, batch.rows, encode(batch), body)

    def _check_open(self) -> None:
        state = self._intake.state()
        if not state.open:
            raise Problem(503, "not-taking-events", state.reason, retry_after_ms=state.retry_after_ms)

    def _check_rate(self, client: str) -> None:
        if not self.rates.is_bounded:
            return
        wait_s = self.rates.wait_s(client, asyncio.get_running_loop().time())
        if wait_s:
            detail = "this client sends more than ingest.client_events_per_s or client_bytes_per_s allow"
            raise Problem(429, "throttled", detail, retry_after_ms=math.ceil(wait_s * 1000))

    async def _body(self, request: Request, held: _HeldBytes) -> bytes:
        limit = self.limits.body_bytes_max
        length = request.headers.get("content-length", "0")
        too_large = Problem(413, "body-too-large", f"a body may have {limit} bytes: send the events in parts")
        if not length.isdecimal() or int(length) > limit:
            raise too_large
        chunks: list[bytes] = []
        size = 0
        try:
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    raise too_large
                if not held.take(len(chunk)):
                    detail = f"requests under way hold {self.bodies_bytes} bytes already"
                    raise Problem(503, "bodies-too-large", detail, retry_after_ms=1_000)
                chunks.append(chunk)
        except ClientDisconnect as gone:
            raise Problem(400, "incomplete-body", "the connection ended before the body did") from gone
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def _commit(self, request: Request, stream: str, rows: int, payload: bytes, body: bytes) -> Response:
        limits = self.limits
        self._check_open()
        if self.unacked_requests >= limits.unacked_requests_max or (
            self.unacked_rows and self.unacked_rows + rows > limits.unacked_rows_max
        ):
            detail = f"{self.unacked_requests} requests with {self.unacked_rows} events wait for their commit"
            raise Problem(429, "overloaded", detail, retry_after_ms=self._intake.state().retry_after_ms)
        self.unacked_requests += 1
        self.unacked_rows += rows
        try:
            async with asyncio.timeout(limits.ack_timeout_s):
                return await self._committed(request, stream, rows, payload, body)
        except Overloaded as refusal:
            is_open = self._intake.state().open
            raise Problem(
                429 if is_open else 503,
                "overloaded" if is_open else "not-taking-events",
                str(refusal),
                retry_after_ms=refusal.retry_after_ms or 100,
            ) from refusal
        except TimeoutError as late:
            raise _unknown(f"not committed within {limits.ack_timeout_s:g} s") from late
        except OutcomeUnknown as stopped:
            raise _unknown(str(stopped)) from stopped
        finally:
            self.unacked_requests -= 1
            self.unacked_rows -= rows

    async def _committed(self, request: Request, stream: str, rows: int, payload: bytes, body: bytes) -> Response:
        key = request.headers.get("idempotency-key")
        if key is None:
            await self._session.submit(stream, rows, payload)
            return _accepted(rows, replayed=False)
        if not 0 < len(key) <= KEY_LENGTH_MAX:
            raise Problem(400, "bad-idempotency-key", f"an Idempotency-Key must have 1 to {KEY_LENGTH_MAX} characters")
        fingerprint = hashlib.blake2b(
            b"\0".join((request.url.path.encode(), request.url.query.encode(), body))
        ).digest()
        replayed = await self._keyed.submit(key, fingerprint, stream, rows, payload)
        if replayed is None:
            detail = f"Idempotency-Key {key!r} was used for another request: a key belongs to one body for ever"
            raise Problem(422, "idempotency-key-reused", detail)
        return _accepted(rows, replayed=replayed)


class _HeldBytes:
    """What one request holds of ``bodies_bytes_max``."""

    __slots__ = ("_receiver", "_size")

    def __init__(self, receiver: HttpReceiver) -> None:
        self._receiver = receiver
        self._size = 0

    def take(self, size: int) -> bool:
        """Hold ``size`` bytes more, if there is room."""
        if self._receiver.bodies_bytes + size > self._receiver.limits.bodies_bytes_max:
            return False
        self._receiver.bodies_bytes += size
        self._size += size
        return True

    def release(self) -> None:
        """Hold nothing more."""
        self._receiver.bodies_bytes -= self._size
        self._size = 0


def build_app(receiver: HttpReceiver, routes: Sequence[BaseRoute] = ()) -> Starlette:
    """The application of the node's HTTP port: ingest, and whatever routes the node adds (health, metrics, status)."""
    return Starlette(routes=[*receiver.routes(), *routes], exception_handlers={HTTPException: _no_such_thing})


async def _no_such_thing(request: Request, refusal: Exception) -> Response:
    """Paths and methods that do not exist, as problem documents too."""
    assert isinstance(refusal, HTTPException)
    if refusal.status_code == 405:
        allowed = (refusal.headers or {}).get("Allow", "other methods")
        response = Problem(405, "wrong-method", f"{request.url.path} takes {allowed}, not {request.method}").response()
        response.headers["Allow"] = allowed
        return response
    detail = f"nothing is at {request.url.path}; events go to POST /v1/streams/<stream>"
    return Problem(refusal.status_code, "unknown-path" if refusal.status_code == 404 else "refused", detail).response()


def _unknown(why: str) -> Problem:
    detail = (
        f"{why}: the events may be committed, or not. Repeat the request with its Idempotency-Key; without one, "
        "a repeat may count twice"
    )
    return Problem(504, "outcome-unknown", detail, retry_after_ms=1_000)


def _accepted(rows: int, *, replayed: bool) -> Response:
    headers = {"Idempotent-Replayed": "true"} if replayed else None
    return Response(b'{"accepted":%d}' % rows, 200, headers, "application/json")
