"""The plain client: the asynchronous one on a thread of its own."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Coroutine, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy.typing as npt

from eiha.client.async_client import Client
from eiha.client.options import ClientOptions
from eiha.errors import ClientClosed
from eiha.events.schema import StreamDefinition

_T = TypeVar("_T")
Acknowledgement = concurrent.futures.Future[int]


class SyncClient:
    """As ``Client``, for programs without an event loop. May be used by several threads.

    ``publish_columns`` and ``publish_rows`` return when the publication is taken (which may wait for room); their
    result's ``result(timeout)`` waits for the acknowledgement. ``flush`` waits for all of them.
    """

    def __init__(
        self, nodes: Sequence[str], client_id: str | None = None, options: ClientOptions | None = None
    ) -> None:
        self._loop = asyncio.new_event_loop()
        self._client: Client | None = None
        self._arguments = (nodes, client_id, options)
        self._thread = threading.Thread(target=self._loop.run_forever, name="eiha-client", daemon=True)

    def __enter__(self) -> Self:
        self.connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(flush=kind is None)

    def connect(self) -> None:
        """Start and wait until a node welcomed the client. Raises ``NoNodeReachable``; may be called again then."""
        if self._loop.is_closed():
            raise ClientClosed("the client was closed")
        if not self._thread.is_alive():
            self._thread.start()
        if self._client is None:
            self._client = self._call(self._make())
        self._call(self._client.connect())

    async def _make(self) -> Client:
        return Client(*self._arguments)

    def publish_columns(
        self,
        stream: str,
        columns: Mapping[str, Any],
        timestamps: Sequence[int] | npt.NDArray[Any] | None = None,
    ) -> Acknowledgement:
        """See ``Client.publish_columns``."""
        return self._call(self._publish(self._connected().publish_columns(stream, columns, timestamps)))

    def publish_rows(
        self, stream: str, rows: Sequence[Sequence[Any]], timestamps: Sequence[int] | None = None
    ) -> Acknowledgement:
        """See ``Client.publish_rows``."""
        return self._call(self._publish(self._connected().publish_rows(stream, rows, timestamps)))

    async def _publish(self, publishing: Coroutine[Any, Any, asyncio.Future[int]]) -> Acknowledgement:
        acknowledged = await publishing
        result: Acknowledgement = concurrent.futures.Future()

        def settle(future: asyncio.Future[int]) -> None:
            if future.cancelled():
                result.cancel()
            elif (error := future.exception()) is not None:
                result.set_exception(error)
            else:
                result.set_result(future.result())

        acknowledged.add_done_callback(settle)
        return result

    def definition(self, stream: str) -> StreamDefinition:
        """See ``Client.definition``."""
        return self._call(self._connected().definition(stream))

    def flush(self, timeout_s: float | None = None) -> None:
        """See ``Client.flush``. Raises ``TimeoutError`` after ``timeout_s``; nothing is given up by that."""
        self._call(self._connected().flush(), timeout_s)

    def close(self, *, flush: bool = True) -> None:
        """See ``Client.close``. Ends the thread."""
        if self._loop.is_closed():
            return
        try:
            if self._client is not None:
                self._call(self._client.close(flush=flush))
        finally:
            if self._thread.is_alive():
                self._loop.call_soon_threadsafe(self._loop.stop)
                self._thread.join()
            self._loop.close()

    def _connected(self) -> Client:
        if self._client is None or self._loop.is_closed():
            raise ClientClosed("the client is not connected: use it as a context manager, or call connect()")
        return self._client

    def _call(self, work: Coroutine[Any, Any, _T], timeout_s: float | None = None) -> _T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout_s)
        except concurrent.futures.TimeoutError:
            future.cancel()
            raise
