"""``POST /query``: on-demand queries, beside the routes of operations.

A question is answered by whichever node is asked. A statement changes what the pair holds: it is signed like every
action, and the passive names the active instead (307 where its address is known, else 409).
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final, Protocol

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from eiha.errors import AnswerTooLarge, NotAnsweredNow, PlanError, QueryError, UnknownPlan
from eiha.kernel.ids import Sequence
from eiha.node.admin_signature import SIGNATURE_HEADER, TIME_HEADER, SignatureCheck
from eiha.node.answer_json import as_document, as_lines
from eiha.node.node_queries import NotActive
from eiha.node.statements import OutcomeUnknown
from eiha.observability.logs import EventLog
from eiha.protocol.answers import RowsFound, StatementFits
from eiha.protocol.limits import NAME_LENGTH_MAX, STATEMENT_LENGTH_MAX
from eiha.receivers.http import Problem
from eiha.receivers.http_body import NDJSON_TYPES

PATH: Final = "/query"
QUERY_BYTES_MAX: Final = 8 * STATEMENT_LENGTH_MAX
"""Body of a request: the longest text, however JSON writes its characters."""

RETRY_AFTER_MS: Final = 1_000


class Queries(Protocol):
    """What a node does with on-demand queries."""

    @property
    def node(self) -> str:
        """The node's name."""

    async def ask(self, plan: str, text: str) -> RowsFound | StatementFits:
        """Answer a question from what is applied here; look at a statement.

        Raises ``PlanError``, ``QueryError``, and whatever a defect of the engine raises.
        """

    async def carry_out(self, plan: str, text: str) -> Sequence:
        """Carry a statement out on both nodes; where in the log. Raises ``QueryError``."""


def query_routes(queries: Queries, check: SignatureCheck, log: EventLog) -> list[Route]:
    """The route of one node; ``check`` guards statements, ``log`` is told of defects."""

    async def query(request: Request) -> Response:
        try:
            body = await _body(request)
            plan, text = _parsed(body)
            try:
                found = await queries.ask(plan, text)
            except (PlanError, QueryError):
                raise
            except Exception as defect:  # a question changes nothing: whatever it hits, the node goes on
                log.failure("query_failed", f"plan {plan!r}: {type(defect).__name__}: {defect}", defect)
                raise Problem(500, "query-failed", "the engine failed on this query; see the node's log") from defect
            if isinstance(found, RowsFound):
                return await _shown(found, queries.node, request)
            await _check_signature(check, request, body)
            return _carried_out(queries.node, await queries.carry_out(plan, text))
        except Problem as problem:
            return problem.response()
        except (PlanError, QueryError) as refusal:
            return _refused(refusal)

    return [Route(PATH, query, methods=["POST"])]


async def _shown(found: RowsFound, node: str, request: Request) -> Response:
    wanted = {part.partition(";")[0].strip().lower() for part in request.headers.get("accept", "").split(",")}
    if wanted & NDJSON_TYPES:
        headers = {"X-Eiha-Node": node, "X-Eiha-Sequence": str(found.sequence)}
        return Response(await asyncio.to_thread(as_lines, found), 200, headers, "application/x-ndjson")
    return Response(await asyncio.to_thread(as_document, found, node), media_type="application/json")


def _carried_out(node: str, sequence: Sequence) -> Response:
    return JSONResponse({"columns": [], "types": [], "rows": [], "node": node, "carried_out_at": sequence})


async def _check_signature(check: SignatureCheck, request: Request, body: bytes) -> None:
    time_text = request.headers.get(TIME_HEADER, "")
    signature = request.headers.get(SIGNATURE_HEADER, "")
    refused = check.check(request.method, PATH, time_text, signature, body, int(time.time() * 1_000))
    if refused:
        address = request.client.host if request.client is not None else ""
        await asyncio.sleep(check.delay_s(address, asyncio.get_running_loop().time()))
        raise Problem(401, "not-signed", f"this is a statement, which changes tables: {refused}")


async def _body(request: Request) -> bytes:
    parts = []
    size = 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > QUERY_BYTES_MAX:
                raise Problem(413, "body-too-large", f"a query may have {STATEMENT_LENGTH_MAX} characters")
            parts.append(part)
    except ClientDisconnect as gone:
        raise Problem(400, "incomplete-body", "the connection ended before the body did") from gone
    return b"".join(parts)


def _parsed(body: bytes) -> tuple[str, str]:
    """Name of the plan and text of the query."""
    try:
        document: Any = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Problem(400, "malformed-body", f"the body is not JSON: {error}") from error
    if not isinstance(document, dict) or set(document) != {"plan", "query"}:
        raise Problem(400, "malformed-body", 'the body must be {"plan": "NAME", "query": "from T select ..."}')
    plan, text = document["plan"], document["query"]
    if not isinstance(plan, str) or not 0 < len(plan) <= NAME_LENGTH_MAX:
        raise Problem(400, "malformed-body", f"plan must be a text of 1 to {NAME_LENGTH_MAX} characters")
    if not isinstance(text, str):
        raise Problem(400, "malformed-body", "query must be a text")
    if len(text) > STATEMENT_LENGTH_MAX:
        raise Problem(413, "body-too-large", f"a query may have {STATEMENT_LENGTH_MAX} characters, not {len(text)}")
    return plan, text


def _refused(refusal: PlanError | QueryError) -> Response:
    match refusal:
        case PlanError():
            place = {"line": refusal.line, "column": refusal.column} if refusal.line else {}
            return Problem(400, "wrong-query", str(refusal), **place).response()
        case UnknownPlan():
            return Problem(404, "unknown-plan", str(refusal)).response()
        case NotAnsweredNow():
            return Problem(503, "not-now", str(refusal), retry_after_ms=RETRY_AFTER_MS).response()
        case NotActive():
            response = Problem(307 if refusal.url else 409, "not-active", str(refusal)).response()
            if refusal.url:
                response.headers["Location"] = refusal.url + PATH
            return response
        case OutcomeUnknown():
            return Problem(504, "outcome-unknown", str(refusal)).response()
        case AnswerTooLarge():
            return Problem(422, "answer-too-large", str(refusal)).response()
        case _:
            return Problem(422, "not-carried-out", str(refusal)).response()
