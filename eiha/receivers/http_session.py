"""Who numbers what comes over HTTP: the node itself, or the request's ``Idempotency-Key``.

Requests without a key share a session of the node's own: each is one publication, answered when its number is
acknowledged. A request with a key is a session of its own with one publication, so a repeat, at whichever node, is a
duplicate like any other resend.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from eiha.errors import Overloaded
from eiha.kernel.ids import ClientId, ClientSequence
from eiha.protocol.log_entry import Publication
from eiha.receivers.intake import Intake

FIRST: Final = ClientSequence(1)

_NODE_PREFIX: Final = "http:"
_KEY_PREFIX: Final = "http-key:"
RESERVED_PREFIXES: Final = (_NODE_PREFIX, _KEY_PREFIX)
"""How the sessions made here are called; no other client may be called so."""


class OutcomeUnknown(Exception):
    """The node stopped listening before it was told: the publication may be committed, or not."""


class _NumberedSession:
    """A ``ClientListener``: numbers publications from 1 and answers each. After a refusal it takes no more."""

    def __init__(self, intake: Intake, client_id: ClientId) -> None:
        self.client_id = client_id
        self.is_spent = False
        self._intake = intake
        self._next = 1
        self._waiting: OrderedDict[int, asyncio.Future[None]] = OrderedDict()
        self._detach: Callable[[], None] | None = intake.attach(client_id, self)

    def submit(self, stream: str, rows: int, payload: bytes) -> asyncio.Future[None]:
        """Submit under the next number; the future is done at the commit, or fails with ``Overloaded``."""
        assert not self.is_spent
        number = ClientSequence(self._next)
        self._next += 1
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        self._intake.submit((Publication(self.client_id, number, stream, rows, payload),))
        return future

    def acked(self, through: ClientSequence) -> None:
        """See ``ClientListener``."""
        while self._waiting:
            number, future = next(iter(self._waiting.items()))
            if number > through:
                break
            del self._waiting[number]
            if not future.done():
                future.set_result(None)
        self._end_if_spent()

    def rejected(self, sequence: ClientSequence, reason: str, retry_after_ms: int, expected: ClientSequence) -> None:
        """See ``ClientListener``: what follows a refused number would be a gap, so it is refused with it."""
        del expected
        self.is_spent = True
        for number in [number for number in self._waiting if number >= sequence]:
            future = self._waiting.pop(number)
            if not future.done():
                future.set_exception(Overloaded(reason, retry_after_ms=retry_after_ms))
                future.exception()  # the request may be gone
        self._end_if_spent()

    def _end_if_spent(self) -> None:
        if self.is_spent and not self._waiting:
            self.close()

    def close(self) -> None:
        """Hear no more: what is unanswered fails with ``OutcomeUnknown``."""
        if self._detach is not None:
            self._detach()
            self._detach = None
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(OutcomeUnknown("the node is stopping"))
                future.exception()
        self._waiting.clear()
        self.is_spent = True


class NodeSession:
    """The node's own numbering for requests without a key. Names are never used twice, also over restarts."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._current: _NumberedSession | None = None

    def submit(self, stream: str, rows: int, payload: bytes) -> asyncio.Future[None]:
        """As ``_NumberedSession.submit``, in a session that still takes publications."""
        if self._current is None or self._current.is_spent:
            name = f"{_NODE_PREFIX}{self._intake.facts().node}:{secrets.token_hex(8)}"
            self._current = _NumberedSession(self._intake, ClientId(name))
        return self._current.submit(stream, rows, payload)

    def close(self) -> None:
        """Hear no more."""
        if self._current is not None:
            self._current.close()
            self._current = None


class KeyedSession:
    """A ``ClientListener`` for one keyed request: asks what is known of the key, submits once if nothing is."""

    def __init__(self, intake: Intake, key: str) -> None:
        self._intake = intake
        self._client_id = ClientId(f"{_KEY_PREFIX}{key}")
        self._answered: asyncio.Future[ClientSequence] = asyncio.get_running_loop().create_future()
        self._committed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._detach = intake.attach(self._client_id, self)

    async def run(self, stream: str, rows: int, payload: bytes, timeout_s: float) -> bool:
        """Until committed; whether it had been before. Raises ``Overloaded`` and ``TimeoutError``."""
        try:
            async with asyncio.timeout(timeout_s):
                if await self._answered >= FIRST:
                    return True
                self._intake.submit((Publication(self._client_id, FIRST, stream, rows, payload),))
                await self._committed
                return False
        finally:
            self._detach()

    def acked(self, through: ClientSequence) -> None:
        """See ``ClientListener``."""
        if not self._answered.done():
            self._answered.set_result(through)
        if through >= FIRST and not self._committed.done():
            self._committed.set_result(None)

    def rejected(self, sequence: ClientSequence, reason: str, retry_after_ms: int, expected: ClientSequence) -> None:
        """See ``ClientListener``."""
        del sequence, expected
        if not self._committed.done():
            self._committed.set_exception(Overloaded(reason, retry_after_ms=retry_after_ms))
            self._committed.exception()


@dataclass(slots=True)
class _Keyed:
    fingerprint: bytes
    outcome: asyncio.Task[bool]


class KeyedRequests:
    """Requests by key: repeats that overlap wait for the first one; another body under the same key is noticed.

    Remembers the last ``keys_max`` keys of this node; beyond, and on the other node, the log recognises a repeat.
    """

    def __init__(self, intake: Intake, keys_max: int, timeout_s: float) -> None:
        self._intake = intake
        self._keys_max = keys_max
        self._timeout_s = timeout_s
        self._keys: OrderedDict[str, _Keyed] = OrderedDict()

    async def submit(self, key: str, fingerprint: bytes, stream: str, rows: int, payload: bytes) -> bool | None:
        """Whether the request was committed before; None if the key was used for something else.

        Raises:
            Overloaded: not taken now.
        """
        known = self._keys.get(key)
        if known is not None and not _failed(known.outcome):
            if known.fingerprint != fingerprint:
                return None
            try:
                await asyncio.shield(known.outcome)
                return True
            except TimeoutError:
                pass  # the first attempt ran out of its time, this request still has some: it asks anew
        outcome = asyncio.create_task(KeyedSession(self._intake, key).run(stream, rows, payload, self._timeout_s))
        outcome.add_done_callback(_failed)  # looked at here: the request may be gone
        self._keys[key] = _Keyed(fingerprint, outcome)
        self._keys.move_to_end(key)
        while len(self._keys) > self._keys_max and next(iter(self._keys.values())).outcome.done():
            self._keys.popitem(last=False)
        return await asyncio.shield(outcome)

    async def close(self) -> None:
        """Give up what is under way."""
        tasks = [keyed.outcome for keyed in self._keys.values() if not keyed.outcome.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _failed(outcome: asyncio.Task[bool]) -> bool:
    return outcome.done() and (outcome.cancelled() or outcome.exception() is not None)
