"""Health, metrics, status and administrative actions on the HTTP port, beside the HTTP receiver's routes.

The status code is the answer wherever a load balancer or an orchestrator may ask.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from eiha.errors import EihaError, PlanError
from eiha.node.admin_signature import SIGNATURE_HEADER, TIME_HEADER, SignatureCheck

PLAN_BYTES_MAX = 4 << 20


class Operations(Protocol):
    """What a node lets its operator see and do."""

    def role_document(self) -> dict[str, Any]:
        """``node``, ``role``, ``state``, ``epoch``."""

    def not_ready(self) -> str:
        """Why clients should not be sent here now; empty when they should."""

    def status_document(self) -> dict[str, Any]:
        """Everything."""

    def metrics_text(self) -> str:
        """Prometheus text."""

    async def switchover(self) -> str:
        """Hand over to the passive; who is active then. Raises ``EihaError`` with the reason if it is not done."""

    async def snapshot(self) -> int:
        """Take a snapshot and save it; its sequence. Raises ``EihaError``."""

    async def deploy(self, plan: str, text: str) -> tuple[int, tuple[str, ...]]:
        """Deploy or replace a plan; the sequence at which it is, and what in it has no effect. Raises ``EihaError``."""

    async def remove(self, plan: str) -> int:
        """Remove a plan; the sequence at which it went. Raises ``EihaError``."""

    async def accept_loss(self) -> str:
        """Go on although acknowledged events may be lost. Raises ``EihaError``."""


def operations_routes(operations: Operations, check: SignatureCheck) -> list[Route]:
    """The routes of one node; ``check`` guards the actions."""

    async def live(_request: Request) -> Response:
        return JSONResponse({"live": True})

    async def ready(_request: Request) -> Response:
        reason = operations.not_ready()
        return JSONResponse({"ready": not reason, "reason": reason}, status_code=503 if reason else 200)

    async def role(_request: Request) -> Response:
        return JSONResponse(operations.role_document())

    async def active(_request: Request) -> Response:
        document = operations.role_document()
        return JSONResponse(document, status_code=200 if document["role"] == "active" else 503)

    async def metrics(_request: Request) -> Response:
        return PlainTextResponse(operations.metrics_text(), media_type="text/plain; version=0.0.4")

    async def status(_request: Request) -> Response:
        return JSONResponse(operations.status_document())

    async def admin(request: Request) -> Response:
        body = await _body(request)
        if body is None:
            return _problem(413, f"a plan may have {PLAN_BYTES_MAX} bytes")
        refused = check.check(
            request.method,
            request.url.path,
            request.headers.get(TIME_HEADER, ""),
            request.headers.get(SIGNATURE_HEADER, ""),
            body,
            int(time.time() * 1_000),
        )
        if refused:
            await asyncio.sleep(_lateness_s(check, request))
            return _problem(401, refused)
        try:
            return JSONResponse(await _act(operations, request, body))
        except PlanError as error:
            return _problem(422, str(error))
        except UnicodeDecodeError as error:
            return _problem(422, f"a plan must be UTF-8: {error}")
        except EihaError as error:
            return _problem(409, str(error))

    return [
        Route("/live", live),
        Route("/ready", ready),
        Route("/role", role),
        Route("/active", active),
        Route("/metrics", metrics),
        Route("/status", status),
        Route("/v1/admin/switchover", admin, methods=["POST"]),
        Route("/v1/admin/snapshot", admin, methods=["POST"]),
        Route("/v1/admin/accept-loss", admin, methods=["POST"]),
        Route("/v1/admin/plans/{plan}", admin, methods=["PUT", "DELETE"]),
    ]


def _lateness_s(check: SignatureCheck, request: Request) -> float:
    """How late a refusal is answered; who signs rightly never waits."""
    address = request.client.host if request.client is not None else ""
    return check.delay_s(address, asyncio.get_running_loop().time())


async def _body(request: Request) -> bytes | None:
    parts = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > PLAN_BYTES_MAX:
            return None
        parts.append(part)
    return b"".join(parts)


async def _act(operations: Operations, request: Request, body: bytes) -> dict[str, Any]:
    plan = request.path_params.get("plan")
    if plan is not None and request.method == "PUT":
        sequence, warnings = await operations.deploy(plan, body.decode("utf-8"))
        return {"plan": plan, "deployed_at": sequence, "warnings": list(warnings)}
    if plan is not None:
        return {"plan": plan, "removed_at": await operations.remove(plan)}
    action = request.url.path.rsplit("/", 1)[-1]
    if action == "switchover":
        return {"active": await operations.switchover()}
    if action == "snapshot":
        return {"sequence": await operations.snapshot()}
    assert action == "accept-loss"
    return {"accepted": await operations.accept_loss()}


def _problem(status: int, detail: str) -> JSONResponse:
    """RFC 9457."""
    return JSONResponse(
        {"type": "about:blank", "status": status, "detail": detail},
        status_code=status,
        media_type="application/problem+json",
    )
