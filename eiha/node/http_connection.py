"""uvicorn's HTTP connection with the bounds it does not have: headers in bytes, and a request in time.

Without them a client holds a connection for ever with a header a minute, or memory with one header without end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from eiha.receivers.client_budgets import client_key
from eiha.receivers.http import CLIENT_KEY
from eiha.transport.gated_listener import Admission

HEADER_BYTES_MAX: Final = 32 << 10
"""Request line and headers: four times what proxies and servers commonly take. Refused with 431 above."""


@dataclass(frozen=True, slots=True)
class HttpBounds:
    """``request_timeout_s``: for headers and body of one request to arrive. ``refused`` counts by reason."""

    request_timeout_s: float
    refused: Callable[[str], None]


class BoundedHttpConnection(HttpToolsProtocol):
    """One HTTP connection. Made with uvicorn's arguments and its own ``admission`` and ``bounds``."""

    def __init__(self, *arguments: Any, admission: Admission, bounds: HttpBounds, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._admission = admission
        self._bounds = bounds
        self._client_key = ""
        self._head_bytes = 0
        self._in_head = True
        self._alarm: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The first request is awaited from here on."""
        super().connection_made(transport)
        self._client_key = client_key(transport)
        self._set_alarm()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place back."""
        self._end_alarm()
        self._admission.end()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bound the head; uvicorn does the rest."""
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > HEADER_BYTES_MAX:
            self._refuse("headers-too-large", 431, f"a request's headers may have {HEADER_BYTES_MAX} bytes")

    def on_message_begin(self) -> None:
        """A request begins."""
        self._in_head = True
        self._set_alarm()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its head is whole."""
        self._in_head = False
        self._head_bytes = 0
        self.scope[CLIENT_KEY] = self._client_key  # type: ignore[typeddict-unknown-key]
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """It is whole; how long the answer takes is the application's matter."""
        self._end_alarm()
        self._in_head = True
        super().on_message_complete()

    def _set_alarm(self) -> None:
        self._end_alarm()
        self._alarm = self.loop.call_later(self._bounds.request_timeout_s, self._too_late)

    def _end_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _too_late(self) -> None:
        self._refuse("request-too-slow", 408, f"the request was not whole after {self._bounds.request_timeout_s:g} s")

    def _refuse(self, code: str, status: int, text: str) -> None:
        """Say why, if no answer has begun, and close. What is not read is not waited for."""
        self._end_alarm()
        if self.transport.is_closing():
            return
        self._bounds.refused(code)
        cycle: Any = self.cycle  # None before the first request, whatever its annotation says
        if cycle is None or cycle.response_complete:
            answer = f"HTTP/1.1 {status} \r\ncontent-length: {len(text)}\r\nconnection: close\r\n\r\n{text}"
            self.transport.write(answer.encode("ascii"))
            self.transport.close()
            self.loop.call_later(1.0, self.transport.abort)
        else:
            self.transport.abort()
