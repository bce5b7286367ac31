"""msgpack over TCP: frames in, publications to the intake, acknowledgements out.

Everything that one read brought is one ``submit``. A connection stops being read while the intake is closed, while
what it has unacknowledged passes its credit, or while it does not read its own acknowledgements. Whatever one client
does wrong ends, at worst, its own connection.
"""

from __future__ import annotations

import asyncio
import hmac
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, assert_never, cast

from eiha.errors import (
    AuthenticationFailed,
    MalformedBatch,
    MalformedFrame,
    ProtocolError,
    VersionMismatch,
    WrongSchema,
)
from eiha.events.rows import rows_to_batch
from eiha.events.schema import StreamDefinition
from eiha.events.wire import check as check_batch
from eiha.events.wire import encode as encode_batch
from eiha.kernel.ids import ClientId, ClientSequence
from eiha.protocol import client_messages as messages
from eiha.protocol.client_codec import decode_client_message, encode_client_message
from eiha.protocol.framing import PROTOCOL_VERSION, FrameDecoder, encode_frame
from eiha.protocol.limits import CLIENT_FRAME_BYTES_MAX, CLIENT_HELLO_BYTES_MAX, STREAMS_PER_CONNECTION_MAX
from eiha.protocol.log_entry import Publication
from eiha.protocol.plan_streams import find_stream
from eiha.receivers.client_budgets import ClientRates, UnfinishedFrames, client_key
from eiha.receivers.http_session import RESERVED_PREFIXES
from eiha.receivers.intake import Intake, IntakeState
from eiha.receivers.refusals import unknown_stream
from eiha.transport.admission_limits import AdmissionLimits, FailedLogins
from eiha.transport.gated_listener import Admission, GatedListener, MakeContext

CODE_OVERLOADED: Final = "overloaded"
CODE_TOO_SLOW: Final = "too-slow"
CODE_THROTTLED: Final = "throttled"
"""Only counted: the client is read later, and not told."""

FAREWELL_S: Final = 2.0
"""Time for the reason to be read by a client that has to go."""

SWEEP_S: Final = 5.0
"""How often unfinished frames are looked at."""


@dataclass(frozen=True, slots=True)
class TcpLimits:
    """Bounds of one receiver. At ``connections_max`` a new client is told so and closed."""

    credit_rows: int = 2_000_000
    credit_bytes: int = 64 << 20
    connections_max: int = 4_096
    hello_timeout_s: float = 10.0
    frame_timeout_s: float = 60.0
    """For one frame to arrive whole; a largest one needs 2.3 Mbit/s."""
    strangers_max: int = 1_024
    """Clients that have not said Hello; the oldest makes room."""
    receive_bytes_max: int = 512 << 20
    connections_per_address_max: int = 0
    connections_per_s_max: int = 0


class TcpReceiver:
    """Listens for clients. Counters are read by metrics.

    Args:
        intake: takes publications.
        token: what a client must show; empty: nothing.
        limits: bounds.
        rates: what one client may send, shared with other receivers; None: no bound.
        tls: gives the context of the next connection; None: not encrypted.
        refused: told of connections refused before anything was said, as ``GatedListener`` does.
    """

    def __init__(
        self,
        intake: Intake,
        *,
        token: str = "",
        limits: TcpLimits | None = None,
        rates: ClientRates | None = None,
        tls: MakeContext | None = None,
        refused: Callable[[str, str, str], None] | None = None,
    ) -> None:
        self.intake = intake
        self.token = token
        self.limits = limits = limits or TcpLimits()
        self.rates = rates or ClientRates()
        self.failed_logins = FailedLogins()
        self.unfinished: UnfinishedFrames[_Connection] = UnfinishedFrames(limits.receive_bytes_max)
        self.strangers: dict[_Connection, None] = {}
        self.gate = GatedListener(
            lambda admission: _Connection(self, admission),
            limits=AdmissionLimits(
                connections_per_address_max=limits.connections_per_address_max,
                connections_per_s_max=limits.connections_per_s_max,
            ),
            tls=tls,
            refused=refused,
        )
        self._sweep: asyncio.TimerHandle | None = None
        self.connections: dict[_Connection, None] = {}
        self.by_client: dict[ClientId, _Connection] = {}
        self.rejected_by_code: dict[str, int] = {}
        self._is_listening = False
        self._end_watch: Callable[[], None] | None = None

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Listen; the address that was bound. Raises ``OSError`` when the port is taken."""
        bound = await self.gate.start(host, port)
        self._is_listening = True
        self._end_watch = self.intake.watch(self._intake_changed)
        self._sweep_unfinished()
        return bound

    async def close(self, *, redirect: str = "") -> None:
        """Stop listening, say goodbye (and where to go) to every client, close."""
        if not self._is_listening:
            return
        self._is_listening = False
        self.gate.close()
        if self._sweep is not None:
            self._sweep.cancel()
        if self._end_watch is not None:
            self._end_watch()
        for connection in list(self.connections):
            connection.leave(redirect)
        await self.gate.wait_closed()

    def _sweep_unfinished(self) -> None:
        loop = asyncio.get_running_loop()
        for connection in self.unfinished.older_than(self.limits.frame_timeout_s, loop.time()):
            if not connection.is_read:
                continue  # it is this node that does not read
            connection.give_up(CODE_TOO_SLOW, f"a message was not whole after {self.limits.frame_timeout_s:g} s")
        self._sweep = loop.call_later(SWEEP_S, self._sweep_unfinished)

    def _intake_changed(self, state: IntakeState) -> None:
        for connection in list(self.connections):
            connection.intake_changed(state)

    def count_rejection(self, code: str) -> None:
        """One more refusal, by reason."""
        self.rejected_by_code[code] = self.rejected_by_code.get(code, 0) + 1


class _Connection(asyncio.Protocol):
    """One client. A ``ClientListener`` of its session once it said hello."""

    def __init__(self, receiver: TcpReceiver, admission: Admission) -> None:
        self._receiver = receiver
        self._admission = admission
        self._intake = receiver.intake
        self._decoder = FrameDecoder(CLIENT_HELLO_BYTES_MAX)
        self._transport: asyncio.Transport | None = None
        self._hello: messages.Hello | None = None
        self._detach: Callable[[], None] | None = None
        self._hello_timer: asyncio.TimerHandle | None = None
        self._welcomed = False
        self._streams: dict[int, StreamDefinition | messages.StreamRefused] = {}
        self._names: dict[int, str] = {}
        self._unanswered: dict[int, messages.OpenStream] = {}
        self._unacked: deque[tuple[int, int, int]] = deque()  # sequence, rows, bytes
        self._unacked_rows = 0
        self._unacked_bytes = 0
        self._intake_open = True
        self._writable = True
        self._reading = True
        self._client_key = ""
        self._throttle: asyncio.TimerHandle | None = None
        self._late_refusal: asyncio.TimerHandle | None = None

    # connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transports are not subclasses of asyncio's
        sock = self._transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        receiver = self._receiver
        limits = receiver.limits
        self._client_key = client_key(transport)
        if receiver.strangers and (
            len(receiver.connections) >= limits.connections_max or len(receiver.strangers) >= limits.strangers_max
        ):
            next(iter(receiver.strangers)).give_up(CODE_OVERLOADED, "others wait, and no Hello came")
        if len(receiver.connections) >= limits.connections_max:
            self._fail(CODE_OVERLOADED, f"{limits.connections_max} clients are connected already")
            return
        receiver.connections[self] = None
        receiver.strangers[self] = None
        self._intake_open = self._intake.state().open
        self._hello_timer = asyncio.get_running_loop().call_later(limits.hello_timeout_s, self._hello_missing)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio gives it
        for timer in (self._hello_timer, self._throttle, self._late_refusal):
            if timer is not None:
                timer.cancel()
        self._admission.end()
        if self._detach is not None:
            self._detach()
            self._detach = None
        self._leave_the_books()
        if self._hello is not None and self._receiver.by_client.get(ClientId(self._hello.client_id)) is self:
            del self._receiver.by_client[ClientId(self._hello.client_id)]
        self._transport = None

    def _leave_the_books(self) -> None:
        self._receiver.connections.pop(self, None)
        self._receiver.strangers.pop(self, None)
        self._receiver.unfinished.forget(self)

    @property
    def is_read(self) -> bool:
        """Whether this node reads what the client sends."""
        return self._reading

    def give_up(self, code: str, reason: str) -> None:
        """A bound is reached, and this connection has to go. What it does not read is not waited for long."""
        transport = self._transport
        self._fail(code, reason)
        self._leave_the_books()
        if transport is not None:
            asyncio.get_running_loop().call_later(FAREWELL_S, transport.abort)

    def pause_writing(self) -> None:
        self._writable = False
        self._regulate()

    def resume_writing(self) -> None:
        self._writable = True
        self._regulate()

    def leave(self, redirect: str) -> None:
        """The node stops serving clients."""
        if redirect:
            self._send(messages.Redirect(redirect, "this node stops serving clients"))
        self._send(messages.Goodbye())
        self._close()

    # bytes in

    def data_received(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing() or self._late_refusal is not None:
            return
        self._decoder.receive(data)
        batch: list[Publication] = []
        frames = 0
        try:
            while (frame := self._decoder.next_frame()) is not None:
                frames += 1
                self._take(decode_client_message(frame.type, frame.body), batch)
        except AuthenticationFailed as failure:
            self._refuse_login(failure)
        except ProtocolError as failure:
            self._fail(_failure_code(failure), str(failure))
        if batch:
            assert self._hello is not None
            self._intake.submit(tuple(batch), duplicated=self._hello.duplicated)
            if self._receiver.rates.is_bounded:
                self._note_rate(batch)
        self._note_unfinished(new_frame=frames > 0)
        self._regulate()

    def _refuse_login(self, failure: AuthenticationFailed) -> None:
        """Answer a wrong token the later, the more of them the address had; nobody else waits for that."""
        loop = asyncio.get_running_loop()
        delay_s = self._receiver.failed_logins.failed(self._admission.address, loop.time())
        code, text = _failure_code(failure), str(failure)
        if not delay_s:
            self._fail(code, text)
            return
        self._late_refusal = loop.call_later(delay_s, self._fail, code, text)
        self._regulate()

    def _note_rate(self, batch: list[Publication]) -> None:
        loop = asyncio.get_running_loop()
        rows = sum(publication.rows for publication in batch)
        size = sum(len(publication.payload) for publication in batch)
        wait_s = self._receiver.rates.take(self._client_key, rows, size, loop.time())
        if wait_s and self._throttle is None:
            self._receiver.count_rejection(CODE_THROTTLED)
            self._throttle = loop.call_later(wait_s, self._end_throttle)

    def _end_throttle(self) -> None:
        loop = asyncio.get_running_loop()
        wait_s = self._receiver.rates.wait_s(self._client_key, loop.time())
        # its other connections may have sent meanwhile
        self._throttle = loop.call_later(wait_s, self._end_throttle) if wait_s else None
        self._regulate()

    def _note_unfinished(self, *, new_frame: bool) -> None:
        if self not in self._receiver.connections:
            return
        size = self._decoder.buffered_bytes
        if not size:
            self._receiver.unfinished.forget(self)
            return
        now_s = asyncio.get_running_loop().time()
        culprit = self._receiver.unfinished.note(self, size, now_s, new_frame=new_frame)
        if culprit is not None:
            culprit.give_up(CODE_OVERLOADED, "all clients together have too many bytes of unfinished messages here")

    def _take(self, message: messages.ClientMessage, batch: list[Publication]) -> None:
        if self._hello is None and not isinstance(message, messages.Hello):
            raise MalformedFrame(f"{type(message).__name__} came before Hello")
        match message:
            case messages.Publish():
                self._publish(message, batch)
            case messages.PublishRows():
                self._publish_rows(message, batch)
            case messages.OpenStream():
                self._open_stream(message)
            case messages.Hello():
                self._welcome(message)
            case messages.Goodbye():
                self._close()
            case (
                messages.Welcome()
                | messages.StreamOpened()
                | messages.StreamRefused()
                | messages.Acked()
                | messages.Rejected()
                | messages.Credit()
                | messages.Redirect()
                | messages.Failed()
            ):
                raise MalformedFrame(f"{type(message).__name__} is for clients, not from them")
            case _:
                assert_never(message)

    def _welcome(self, hello: messages.Hello) -> None:
        if self._hello is not None:
            raise MalformedFrame("a second Hello on one connection")
        if not hello.version_min <= PROTOCOL_VERSION <= hello.version_max:
            raise VersionMismatch(
                f"the client speaks protocol versions {hello.version_min} to {hello.version_max}, "
                f"this node speaks {PROTOCOL_VERSION}"
            )
        if self._receiver.token and not hmac.compare_digest(hello.token.encode(), self._receiver.token.encode()):
            raise AuthenticationFailed("the token is not the one of ingest.token")
        if hello.client_id.startswith(RESERVED_PREFIXES):
            raise MalformedFrame(f"client ids that begin with {' or '.join(RESERVED_PREFIXES)} are the nodes' own")
        client = ClientId(hello.client_id)
        former = self._receiver.by_client.get(client)
        if former is not None:
            former.displace()
        self._hello = hello
        self._receiver.strangers.pop(self, None)
        self._receiver.by_client[client] = self
        self._decoder.frame_bytes_max = CLIENT_FRAME_BYTES_MAX
        if self._hello_timer is not None:
            self._hello_timer.cancel()
        self._detach = self._intake.attach(client, self)

    def _open_stream(self, message: messages.OpenStream) -> None:
        assert message.number < STREAMS_PER_CONNECTION_MAX
        definition = find_stream(self._intake.streams(), message.stream)
        self._names[message.number] = message.stream
        if definition is None and not self._intake_open:
            # a node that starts does not know its streams yet: that is no answer for good
            self._unanswered[message.number] = message
            return
        if definition is None:
            self._refuse_stream(
                message.number, messages.CODE_UNKNOWN_STREAM, unknown_stream(message.stream, self._intake.streams())
            )
            return
        attributes = tuple((a.name, a.type.value) for a in definition.schema.attributes)
        if message.attributes is not None and message.attributes != attributes:
            shown = "(" + ", ".join(f"{name} {type_}" for name, type_ in message.attributes) + ")"
            reason = f"stream {message.stream!r} has attributes {definition.schema}, the client was built for {shown}"
            self._refuse_stream(message.number, messages.CODE_WRONG_SCHEMA, reason)
            return
        self._streams[message.number] = definition
        self._send(messages.StreamOpened(message.number, message.stream, attributes))

    def _refuse_stream(self, number: int, code: str, reason: str) -> None:
        refused = messages.StreamRefused(number, code, reason)
        self._streams[number] = refused
        self._send(refused)

    def _publish(self, message: messages.Publish, batch: list[Publication]) -> None:
        definition = self._definition(message.client_sequence, message.number)
        if definition is None:
            return
        try:
            rows = check_batch(message.payload, definition.schema)
            if rows != message.rows:
                raise MalformedBatch(f"the message says {message.rows} rows, its payload {rows}")
        except (MalformedBatch, WrongSchema) as refusal:
            self._reject(message.client_sequence, refusal)
            return
        self._accept(message.client_sequence, definition.name, rows, message.payload, batch)

    def _publish_rows(self, message: messages.PublishRows, batch: list[Publication]) -> None:
        definition = self._definition(message.client_sequence, message.number)
        if definition is None:
            return
        try:
            payload = encode_batch(rows_to_batch(message.rows, definition.schema, message.timestamps))
        except WrongSchema as refusal:
            self._reject(message.client_sequence, refusal)
            return
        self._accept(message.client_sequence, definition.name, len(message.rows), payload, batch)

    def _definition(self, sequence: ClientSequence, number: int) -> StreamDefinition | None:
        """The stream's definition as it is now: a deployment may have changed it since it was opened."""
        name = self._names.get(number)
        if name is None:
            raise MalformedFrame(f"publication {sequence} is for stream number {number}, which was not opened")
        if number in self._unanswered:
            state = self._intake.state()
            self.rejected(sequence, state.reason, state.retry_after_ms, sequence)
            return None
        opened = self._streams[number]
        current = find_stream(self._intake.streams(), name)
        if current is None:
            self._refuse(sequence, messages.CODE_UNKNOWN_STREAM, unknown_stream(name, self._intake.streams()))
            return None
        if isinstance(opened, messages.StreamRefused):
            self._refuse(sequence, opened.code, opened.reason)
            return None
        return current

    def _accept(self, sequence: int, stream: str, rows: int, payload: bytes, batch: list[Publication]) -> None:
        assert self._hello is not None
        batch.append(Publication(ClientId(self._hello.client_id), ClientSequence(sequence), stream, rows, payload))
        self._unacked.append((sequence, rows, len(payload)))
        self._unacked_rows += rows
        self._unacked_bytes += len(payload)

    def _reject(self, sequence: int, refusal: MalformedBatch | WrongSchema) -> None:
        malformed = isinstance(refusal, MalformedBatch)
        self._refuse(sequence, messages.CODE_MALFORMED_BATCH if malformed else messages.CODE_WRONG_SCHEMA, str(refusal))

    def _refuse(self, sequence: int, code: str, reason: str) -> None:
        self._receiver.count_rejection(code)
        number = ClientSequence(sequence)
        self._send(messages.Rejected(number, code, reason, 0, number))

    # what the node says of the session (ClientListener)

    def acked(self, through: ClientSequence) -> None:
        """See ``ClientListener``: the first call is the answer to Hello."""
        if not self._welcomed:
            self._welcomed = True
            facts = self._intake.facts()
            state = self._intake.state()
            limits = self._receiver.limits
            hint = "" if facts.role == "active" else facts.active_address
            self._send(
                messages.Welcome(
                    PROTOCOL_VERSION, facts.node, facts.role, hint, through, limits.credit_rows, limits.credit_bytes
                )
            )
            if not state.open:
                self._send(messages.Credit(0, 0, state.reason))
        else:
            self._send(messages.Acked(through))
        unacked = self._unacked
        while unacked and unacked[0][0] <= through:
            self._forget(unacked.popleft())
        self._regulate()

    def rejected(self, sequence: ClientSequence, reason: str, retry_after_ms: int, expected: ClientSequence) -> None:
        """See ``ClientListener``."""
        self._receiver.count_rejection(messages.CODE_RETRY)
        self._send(messages.Rejected(sequence, messages.CODE_RETRY, reason, retry_after_ms, expected))
        for item in self._unacked:
            if item[0] == sequence:
                self._unacked.remove(item)
                self._forget(item)
                break
        self._regulate()

    def _forget(self, item: tuple[int, int, int]) -> None:
        self._unacked_rows -= item[1]
        self._unacked_bytes -= item[2]
        assert self._unacked_rows >= 0
        assert self._unacked_bytes >= 0

    def displace(self) -> None:
        """The same session came back on another connection."""
        self._fail(messages.CODE_DISPLACED, "the same client id connected again")

    # flow

    def intake_changed(self, state: IntakeState) -> None:
        """The node takes publications again, or no more."""
        if state.open != self._intake_open and self._welcomed:
            limits = self._receiver.limits
            if state.open:
                self._send(messages.Credit(limits.credit_rows, limits.credit_bytes, state.reason))
            else:
                self._send(messages.Credit(0, 0, state.reason))
        self._intake_open = state.open
        if state.open:
            waiting, self._unanswered = self._unanswered, {}
            for message in waiting.values():
                self._open_stream(message)
        self._regulate()

    def _regulate(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        limits = self._receiver.limits
        room = self._unacked_rows < limits.credit_rows and self._unacked_bytes < limits.credit_bytes
        wanted = self._hello is None or (room and self._intake_open and self._writable and self._throttle is None)
        wanted = wanted and self._late_refusal is None
        if wanted != self._reading:
            self._reading = wanted
            if wanted:
                self._receiver.unfinished.touch(self, asyncio.get_running_loop().time())
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    def _hello_missing(self) -> None:
        self._fail(messages.CODE_MALFORMED, f"no Hello within {self._receiver.limits.hello_timeout_s:g} seconds")

    def _fail(self, code: str, reason: str) -> None:
        self._receiver.count_rejection(code)
        self._send(messages.Failed(code, reason))
        self._close()

    def _send(self, message: messages.ClientMessage) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(encode_frame(*encode_client_message(message)))

    def _close(self) -> None:
        if self._detach is not None:
            self._detach()
            self._detach = None
        if self._transport is not None:
            self._transport.close()


def _failure_code(failure: ProtocolError) -> str:
    match failure:
        case VersionMismatch():
            return messages.CODE_VERSION
        case AuthenticationFailed():
            return messages.CODE_AUTHENTICATION
        case _:
            return messages.CODE_MALFORMED
