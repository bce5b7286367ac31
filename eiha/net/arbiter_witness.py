"""The witness at an arbiter, as a node asks it: ``ports.Witness`` over one TCP connection.

The connection is made when it is first needed, kept, and made anew after any doubt. A swap whose reply was lost is
looked up: if the row shows that very swap, it was mine; else the outcome stays ``Unknown``, for the request may still
be under way.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
import ssl
from dataclasses import dataclass
from typing import Final, TypeVar

from eiha.errors import MalformedFrame, ProtocolError, StoreUnavailable
from eiha.ha.witness_row import CasOutcome, Mine, Others, Read, ReadOutcome, Unknown
from eiha.kernel.ids import Incarnation, NodeId
from eiha.net.framed_connection import FramedConnection
from eiha.protocol.framing import Frame
from eiha.protocol.handshake import HANDSHAKE_TABLE, Handshake, HandshakeIdentity, Refused, Side
from eiha.protocol.limits import NONCE_BYTES, NUMBER_MAX, SWAP_NAME_BYTES, WITNESS_ANSWER_BYTES_MAX
from eiha.protocol.witness_codec import WITNESS_CHANNEL, WITNESS_TABLE
from eiha.protocol.witness_messages import (
    HistoryHeld,
    NotDone,
    NotSwapped,
    ReadHistory,
    ReadRow,
    RowChange,
    RowHeld,
    Swapped,
    SwapRow,
    WitnessAnswer,
    WitnessRequest,
    WitnessRow,
)
from eiha.transport.gated_listener import MakeContext
from eiha.transport.tls_refusal import tls_remedy

QUEUE_BYTES_MAX: Final = 1 << 20

_FAILURES: Final = (OSError, TimeoutError, StoreUnavailable, ProtocolError)
_Answer = TypeVar("_Answer", bound=RowHeld | HistoryHeld | Swapped | NotSwapped)


@dataclass(frozen=True, slots=True)
class ArbiterAddress:
    """Where the arbiter is, who asks, and with which secret."""

    host: str
    port: int
    cluster: str
    node: NodeId
    incarnation: Incarnation
    secret: bytes
    secret_previous: bytes = b""
    tls: MakeContext | None = None

    def __str__(self) -> str:
        return f"arbiter {self.host}:{self.port}"


class ArbiterWitness:
    """``ports.Witness`` at an arbiter. Used by one request at a time; others wait.

    Args:
        address: see ``ArbiterAddress``.
        timeout_s: a read or change that takes longer, connecting included, is ``Unknown``.
    """

    def __init__(self, address: ArbiterAddress, *, timeout_s: float) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._link: _ArbiterLink | None = None
        self._turn = asyncio.Lock()
        self._numbers = itertools.count(1)

    async def read(self) -> ReadOutcome:
        """The row as it is on the arbiter's disk; ``Unknown`` when that cannot be told in time."""
        try:
            async with asyncio.timeout(self._timeout_s), self._turn:
                return Read((await self._held()).row)
        except _FAILURES as cause:
            return self._unknown("read", cause)

    async def compare_and_set(self, expected_version: int | None, row: WitnessRow) -> CasOutcome:
        """Replace the row iff its version is ``expected_version`` (None: iff there is none)."""
        assert row.cluster == self._address.cluster
        assert row.version > (expected_version or 0)
        try:
            async with asyncio.timeout(self._timeout_s), self._turn:
                return await self._swap(expected_version, row)
        except _FAILURES as cause:
            return self._unknown("compare-and-set", cause)

    async def history(self, before_version: int = NUMBER_MAX) -> tuple[RowChange, ...]:
        """The newest changes before ``before_version`` that the arbiter keeps, in their order.

        Raises:
            StoreUnavailable: the arbiter does not answer in time; the text says why.
        """
        try:
            async with asyncio.timeout(self._timeout_s), self._turn:
                request = ReadHistory(next(self._numbers), before_version)
                return (await self._ask(await self._connected(), request, (HistoryHeld,))).changes
        except _FAILURES as cause:
            raise StoreUnavailable(self._unknown("history", cause).cause) from cause

    async def close(self) -> None:
        """Give the connection back."""
        if self._link is not None:
            self._link.connection.close("the node stops")
            await asyncio.wait([self._link.ended], timeout=1.0)
            self._link = None

    async def _held(self) -> RowHeld:
        """Ask for the row; once more when the connection turns out to be dead, for a read harms nobody."""
        kept = self._link is not None
        try:
            return await self._ask(await self._connected(), ReadRow(next(self._numbers)), (RowHeld,))
        except (OSError, StoreUnavailable):
            if not kept:
                raise
        return await self._ask(await self._connected(), ReadRow(next(self._numbers)), (RowHeld,))

    async def _swap(self, expected_version: int | None, row: WitnessRow) -> CasOutcome:
        swap = secrets.token_bytes(SWAP_NAME_BYTES)
        link = await self._connected()
        request = SwapRow(next(self._numbers), swap, expected_version, row)
        try:
            answer = await self._ask(link, request, (Swapped, NotSwapped))
        except (OSError, StoreUnavailable, ProtocolError) as lost:
            return await self._look_up(swap, row, lost)
        return Others(answer.row) if isinstance(answer, NotSwapped) else Mine(row)

    async def _look_up(self, swap: bytes, row: WitnessRow, lost: BaseException) -> CasOutcome:
        held = await self._held()
        if held.swap == swap:
            return Mine(row)
        raise StoreUnavailable(f"the swap was not confirmed ({lost}), and the row does not show it yet")

    async def _connected(self) -> _ArbiterLink:
        if self._link is not None and self._link.connection.is_open:
            return self._link
        address = self._address
        loop = asyncio.get_running_loop()
        link = self._link = _ArbiterLink(address)
        try:
            context = address.tls() if address.tls is not None else None
            await loop.create_connection(lambda: link.connection, address.host, address.port, ssl=context)
            link.begin()
            await asyncio.shield(link.proven)
        except BaseException:
            self._drop(link, "it was not made in time")
            raise
        return link

    async def _ask(self, link: _ArbiterLink, request: WitnessRequest, kinds: tuple[type[_Answer], ...]) -> _Answer:
        """The answer, of one of ``kinds``. Raises ``StoreUnavailable`` when there is none or the arbiter could not."""
        try:
            answer = await link.ask(request)
        except BaseException:
            self._drop(link, "a request was not answered")
            raise
        if isinstance(answer, NotDone):
            raise StoreUnavailable(answer.reason)
        if isinstance(answer, kinds):
            return answer
        self._drop(link, "the arbiter answered something else")
        raise MalformedFrame(f"{type(answer).__name__} is no answer to {type(request).__name__}")

    def _drop(self, link: _ArbiterLink, reason: str) -> None:
        """After any doubt nothing may come over this connection any more: a late answer would be another's."""
        link.connection.abort(reason)
        if self._link is link:
            self._link = None

    def _unknown(self, doing: str, cause: BaseException) -> Unknown:
        text = tls_remedy(cause) if isinstance(cause, ssl.SSLError) else str(cause)
        if isinstance(cause, TimeoutError):
            text = f"no answer within {self._timeout_s:g} s"
        return Unknown(f"witness {doing} at {self._address}: {text or type(cause).__name__}")


class _ArbiterLink:
    """One connection: its handshake, then answers by their request's number."""

    def __init__(self, address: ArbiterAddress) -> None:
        loop = asyncio.get_running_loop()
        self.connection = FramedConnection(queue_bytes_max=QUEUE_BYTES_MAX)
        self.proven: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        me = HandshakeIdentity(address.cluster, WITNESS_CHANNEL, address.node, address.incarnation)
        nonce = secrets.token_bytes(NONCE_BYTES)
        self._handshake = Handshake(Side.INITIATOR, me, address.secret, nonce, previous_secret=address.secret_previous)
        self._waiting: dict[int, asyncio.Future[WitnessAnswer]] = {}
        # whoever waited may have given up; a failure nobody waits for is no error
        self.proven.add_done_callback(lambda done: done.cancelled() or done.exception())

    def begin(self) -> None:
        """Say who asks."""
        _, arbiters = self.connection.certificates
        self._handshake.bind(b"", arbiters)  # whether this node's own was asked for, TLS does not tell
        self.connection.send_bytes(self._handshake.start())
        self.connection.attach(self._on_frame, self._on_lost)

    async def ask(self, request: WitnessRequest) -> WitnessAnswer:
        """The answer. Raises ``StoreUnavailable`` when the connection ends before it came."""
        if not self.connection.is_open:
            raise StoreUnavailable("the connection is closed")
        answer: asyncio.Future[WitnessAnswer] = asyncio.get_running_loop().create_future()
        self._waiting[request.request] = answer
        self.connection.send(*WITNESS_TABLE.encode(request))
        try:
            return await answer
        finally:
            self._waiting.pop(request.request, None)

    def _on_frame(self, frame: Frame) -> None:
        if not self.proven.done():
            self._shake_hands(frame)
            return
        if frame.type < _FIRST_TYPE:
            message = HANDSHAKE_TABLE.decode(frame.type, frame.body)
            raise MalformedFrame(message.reason if isinstance(message, Refused) else "a handshake after the handshake")
        answer = WITNESS_TABLE.decode(frame.type, frame.body)
        if isinstance(answer, WitnessRequest):
            raise MalformedFrame(f"{type(answer).__name__} is for an arbiter, not from one")
        waiting = self._waiting.get(answer.request)
        if waiting is None or waiting.done():
            raise MalformedFrame(f"an answer to request {answer.request}, which nobody made")
        waiting.set_result(answer)

    def _shake_hands(self, frame: Frame) -> None:
        step = self._handshake.receive(frame)
        if step.send:
            self.connection.send_bytes(step.send)
        if step.failure is not None:
            self.proven.set_exception(step.failure)
            self.connection.close(str(step.failure))
        elif step.peer is not None:
            self.connection.allow_frames_of(WITNESS_ANSWER_BYTES_MAX)
            self.proven.set_result(None)

    def _on_lost(self, reason: str) -> None:
        if not self.proven.done():
            self.proven.set_exception(StoreUnavailable(f"the connection was lost in the handshake: {reason}"))
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(StoreUnavailable(f"the connection was lost: {reason}"))
        if not self.ended.done():
            self.ended.set_result(None)


_FIRST_TYPE: Final = min(spec.number for spec in WITNESS_TABLE.specs)
