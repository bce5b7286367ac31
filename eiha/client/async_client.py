"""The asynchronous client: publish rows or columns, get a future for each acknowledgement."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import numpy.typing as npt

from eiha.client.arrays import arrays_to_batch
from eiha.client.connection import Attributes
from eiha.client.failover import Link, parse_address
from eiha.client.options import ClientOptions
from eiha.client.row_buffer import RowBuffer, encode_calls
from eiha.client.session import MakeMessage, Session
from eiha.errors import (
    ClientClosed,
    ConfigurationError,
    NoNodeReachable,
    SessionLost,
    SubmissionError,
    UnknownStream,
    WrongSchema,
)
from eiha.events.schema import Attribute, AttributeType, Schema, StreamDefinition
from eiha.events.wire import encode
from eiha.protocol import client_messages as messages


class Client:
    """Publishes to a cluster, whichever of its nodes is up.

    Args:
        nodes: client addresses ``host:port`` of the nodes, in order of preference.
        client_id: a name for logs and status; every client instance is a session of its own under it.
        options: bounds and times.

    Nothing that was acknowledged is lost, and nothing is counted twice when the client sends again after a failover.
    What was not acknowledged when the process ends may be in the log or not.
    """

    def __init__(
        self, nodes: Sequence[str], client_id: str | None = None, options: ClientOptions | None = None
    ) -> None:
        if not nodes:
            raise ConfigurationError("a client needs at least one node address, host:port")
        for address in nodes:
            parse_address(address)
        self.options = options or ClientOptions()
        self.session = Session(f"{client_id or 'client'}#{secrets.token_hex(8)}")
        groups = [[node] for node in nodes] if self.options.events_duplicated_in_cluster else [list(nodes)]
        self.links = [Link(group, self, self.options, self._changed) for group in groups]
        self._tasks: list[asyncio.Task[None]] = []
        self._definitions: dict[str, StreamDefinition] = {}
        self._asked: dict[str, asyncio.Future[StreamDefinition]] = {}
        self._buffers: dict[str, RowBuffer] = {}
        self._buffered_rows = 0
        self._flush_timer: asyncio.Handle | None = None
        self._waiting: list[asyncio.Future[None]] = []
        self._failure: Exception | None = None
        self._forgotten_since_s = 0.0
        self._is_closed = False

    # life

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close(flush=kind is None)

    async def connect(self) -> None:
        """Wait until a node welcomed the client. Raises ``NoNodeReachable`` after ``give_up_s``."""
        if self._is_closed:
            raise ClientClosed("the client was closed")
        if not self._tasks:
            self._tasks = [asyncio.create_task(link.run()) for link in self.links]
        try:
            async with asyncio.timeout(self.options.give_up_s):
                while not self._ready():
                    await self._next_change()
        except TimeoutError:
            raise NoNodeReachable(f"no node answered within {self.options.give_up_s:g} s: {self._told()}") from None

    async def close(self, *, flush: bool = True) -> None:
        """Flush (unless told not to), say goodbye. What stays unacknowledged fails with ``ClientClosed``."""
        try:
            if flush and self._tasks:
                await self.flush()
        finally:
            self._is_closed = True
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._abandon()
            self._changed()

    def _abandon(self) -> None:
        gone = ClientClosed("the client was closed before this was acknowledged: it may be in the log, or not")
        if self._flush_timer is not None:
            self._flush_timer.cancel()
        left: list[asyncio.Future[Any]] = list(self._asked.values())
        left += [call.future for buffer in self._buffers.values() for call in buffer.calls]
        left += [future for pending in self.session.drain() for future in pending.futures]
        self._buffers.clear()
        for future in left:
            _fail(future, gone)

    # publishing

    async def publish_columns(
        self,
        stream: str,
        columns: Mapping[str, Any],
        timestamps: Sequence[int] | npt.NDArray[Any] | None = None,
    ) -> asyncio.Future[int]:
        """Publish columns by attribute name (see ``arrays_to_batch``); waits while too much is unacknowledged.

        Returns:
            A future that resolves to the number of rows once they are committed.

        Raises:
            UnknownStream, WrongSchema: at once, if it can be seen here; else the future has it.
        """
        definition = await self.definition(stream)
        batch = arrays_to_batch(columns, definition, timestamps)
        payload = encode(batch)
        await self._room(batch.rows, len(payload))
        if self._buffers:
            self._send_buffers()
        future = self._future()
        self._enqueue(stream, batch.rows, len(payload), _publish(batch.rows, payload), [future])
        return future

    async def publish_rows(
        self, stream: str, rows: Sequence[Sequence[Any]], timestamps: Sequence[int] | None = None
    ) -> asyncio.Future[int]:
        """Publish rows, each a list of values in the order of the attributes. Small calls share publications.

        Returns and raises as ``publish_columns``, except that a wrong value fails the future, not the call.
        """
        definition = await self.definition(stream)
        await self._room(len(rows), 0)
        future = self._future()
        buffer = self._buffers.get(stream)
        if buffer is not None and buffer.is_stamped != (timestamps is not None):
            self._send_buffers()
            buffer = None
        if buffer is None:
            buffer = self._buffers[stream] = RowBuffer(definition, is_stamped=timestamps is not None)
        buffer.add(rows, timestamps, future)
        self._buffered_rows += len(rows)
        if buffer.rows >= self.options.batch_rows:
            self._send_buffers()
        elif self._flush_timer is None:
            loop = asyncio.get_running_loop()
            linger_s = self.options.linger_s
            self._flush_timer = (
                loop.call_later(linger_s, self._send_buffers) if linger_s > 0 else loop.call_soon(self._send_buffers)
            )
        return future

    async def flush(self) -> None:
        """Wait until everything published so far is settled; raise the first failure since the last flush."""
        self._send_buffers()
        while len(self.session) and not self._is_closed:
            await self._next_change()
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    async def definition(self, stream: str) -> StreamDefinition:
        """The stream's attributes, as a node tells them. Raises ``UnknownStream``."""
        known = self._definitions.get(stream)
        if known is not None:
            return known
        if self._is_closed or not self._tasks:
            raise ClientClosed("the client is not connected: use it as a context manager, or call connect()")
        asked = self._asked.get(stream)
        if asked is None:
            asked = self._asked[stream] = asyncio.get_running_loop().create_future()
            self._ask()
        return await asyncio.shield(asked)

    @property
    def unacked_rows(self) -> int:
        """Rows published and not yet acknowledged."""
        return self.session.unacked_rows + self._buffered_rows

    def _enqueue(
        self, stream: str, rows: int, size: int, make: MakeMessage, futures: list[asyncio.Future[int]]
    ) -> None:
        self.session.add(stream, rows, size, make, futures)
        for link in self.links:
            if link.connection is not None:
                link.connection.pump()

    def _send_buffers(self) -> None:
        if self._flush_timer is not None:
            self._flush_timer.cancel()
            self._flush_timer = None
        buffers, self._buffers = self._buffers, {}
        self._buffered_rows = 0
        for stream, buffer in buffers.items():
            for part in encode_calls(buffer, rows_on_wire=self.options.rows_on_wire):
                if part.failure is not None:
                    self._failure = self._failure or part.failure
                    for call in part.calls:
                        _fail(call.future, part.failure)
                    continue
                self._enqueue(stream, part.rows, part.size, part.make, [call.future for call in part.calls])

    async def _room(self, rows: int, size: int) -> None:
        options, session = self.options, self.session
        while not self._is_closed:
            unacked = self.unacked_rows
            if not unacked or (
                unacked + rows <= options.unacked_rows_max and session.unacked_bytes + size <= options.unacked_bytes_max
            ):
                return
            if self._buffered_rows and not len(session):
                self._send_buffers()
                continue
            await self._next_change()
        raise ClientClosed("the client was closed")

    # what connections tell (ConnectionOwner)

    def known_attributes(self, stream: str) -> Attributes | None:
        """See ``ConnectionOwner``."""
        known = self._definitions.get(stream)
        return None if known is None else tuple((a.name, a.type.value) for a in known.schema.attributes)

    def stream_opened(self, stream: str, attributes: Attributes) -> None:
        """See ``ConnectionOwner``."""
        asked = self._asked.pop(stream, None)
        try:
            schema = Schema(tuple(Attribute(name, AttributeType(type_)) for name, type_ in attributes))
        except ValueError as unknown_type:
            if asked is not None:
                _fail(asked, WrongSchema(f"stream {stream!r}: {unknown_type}: this client is older than the node"))
            return
        definition = self._definitions[stream] = StreamDefinition(stream, schema)
        if asked is not None and not asked.done():
            asked.set_result(definition)

    def stream_refused(self, stream: str, code: str, reason: str) -> None:
        """See ``ConnectionOwner``."""
        self._definitions.pop(stream, None)
        asked = self._asked.pop(stream, None)
        if asked is not None:
            _fail(asked, _error(code, reason))

    def acked(self, through: int) -> None:
        """See ``ConnectionOwner``."""
        settled = self.session.ack(through)
        if settled:
            self._forgotten_since_s = 0.0
        for pending in settled:
            for future in pending.futures:
                if not future.done():
                    future.set_result(pending.rows)
        if settled:
            self._changed()
        self._pass_gap()
        for link in self.links:
            if link.connection is not None:
                link.connection.pump()

    def refused(self, sequence: int, code: str, reason: str, whole_stream: bool) -> None:
        """See ``ConnectionOwner``."""
        error = _error(code, reason)
        marked = self.session.mark_refused(sequence, whole_stream=whole_stream)
        for pending in marked:
            self._failure = self._failure or error
            if whole_stream:
                self._definitions.pop(pending.stream, None)
            for future in pending.futures:
                _fail(future, error)
        self._pass_gap()

    def _pass_gap(self) -> None:
        if self.session.drop_refused():
            self._reconnect("a publication was refused; the session goes on under a new id")

    def session_forgotten(self, *, certain: bool) -> None:
        """See ``ConnectionOwner``."""
        now_s = asyncio.get_running_loop().time()
        if not certain:
            self._forgotten_since_s = self._forgotten_since_s or now_s
            if now_s - self._forgotten_since_s < self.options.session_lost_s:
                return
            lost = SessionLost("the cluster has forgotten this session: what is unacknowledged is in the log, or not")
            self._failure = self._failure or lost
            for pending in self.session.drain():
                for future in pending.futures:
                    _fail(future, lost)
        self._forgotten_since_s = 0.0
        self.session.renew()
        self._reconnect("the cluster does not know the session any more; a new one begins")

    def _reconnect(self, reason: str) -> None:
        for link in self.links:
            if link.connection is not None:
                link.connection.close(reason)
        self._changed()

    def _ask(self) -> None:
        for link in self.links:
            if link.connection is not None and link.connection.is_ready:
                for stream in self._asked:
                    link.connection.ask_stream(stream)
                return

    # waiting

    def _ready(self) -> bool:
        return any(link.connection is not None and link.connection.is_ready for link in self.links)

    def _told(self) -> str:
        return "; ".join(f"{node}: {told}" for link in self.links for node, told in link.failures.items()) or "silence"

    def _changed(self) -> None:
        """Something happened that somebody may wait for: connected, acknowledged, closed."""
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            for waiter in waiting:
                if not waiter.done():
                    waiter.set_result(None)
        if self._asked:
            self._ask()

    async def _next_change(self) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        await waiter

    def _future(self) -> asyncio.Future[int]:
        return asyncio.get_running_loop().create_future()


def _publish(rows: int, payload: bytes) -> MakeMessage:
    return lambda sequence, number: messages.Publish(sequence, number, rows, payload)


def _fail(future: asyncio.Future[Any], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()  # flush raises it too: a caller that drops the future has not missed it


def _error(code: str, reason: str) -> SubmissionError:
    return UnknownStream(reason) if code == messages.CODE_UNKNOWN_STREAM else WrongSchema(reason)
