"""On-demand statements on their way: into the log, committed, applied here. Whoever asked waits meanwhile.

Nothing is remembered across restarts: a statement whose outcome is not known may have been carried out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from eiha.errors import NotAnsweredNow, QueryError, QueryFailed
from eiha.ha.effects import RejectStatement
from eiha.ha.inputs import StatementAsked
from eiha.kernel.ids import Incarnation, Sequence
from eiha.node.engine_thread import StatementApplied
from eiha.protocol.log_entry import TableStatement

STATEMENT_TIMEOUT_S: Final = 10.0
STATEMENTS_MAX: Final = 64
"""Statements that may wait at once; further ones are refused."""


class OutcomeUnknown(QueryError):
    """It is not known whether a statement was, or will be, carried out."""


class Statements:
    """One per node.

    Args:
        feed: gives an input to the member.
        incarnation: of this node's disk; with ``run`` it makes the names of requests unique for all times.
        run: tells this run of the process from others.
    """

    def __init__(self, feed: Callable[[StatementAsked], None], incarnation: Incarnation, run: str) -> None:
        self._feed = feed
        self._prefix = f"{incarnation} {run}"
        self._count = 0
        self._waiting: dict[str, asyncio.Future[Sequence]] = {}

    async def carry_out(self, plan: str, text: str) -> Sequence:
        """Where in the log the statement was carried out, once it is committed and applied here.

        Raises:
            NotAnsweredNow: it is not in the log and will not be.
            QueryFailed: it is in the log but was refused where it stands; both nodes agree on that.
            OutcomeUnknown: it took too long, or this node ceased to be active meanwhile.
        """
        if len(self._waiting) >= STATEMENTS_MAX:
            raise NotAnsweredNow(f"{STATEMENTS_MAX} statements wait already; try again later")
        self._count += 1
        request = f"{self._prefix} {self._count}"
        outcome: asyncio.Future[Sequence] = asyncio.get_running_loop().create_future()
        self._waiting[request] = outcome
        try:
            self._feed(StatementAsked(TableStatement(request, plan, text)))
            async with asyncio.timeout(STATEMENT_TIMEOUT_S):
                return await outcome
        except TimeoutError:
            raise OutcomeUnknown(
                f"the statement was not applied within {STATEMENT_TIMEOUT_S:g} s: it may or may not be carried out; "
                "look before it is sent again"
            ) from None
        finally:
            del self._waiting[request]

    def rejected(self, effect: RejectStatement) -> None:
        """The member did not take it."""
        outcome = self._waiting.get(effect.request)
        if outcome is not None and not outcome.done():
            outcome.set_exception(NotAnsweredNow(f"nothing was changed: {effect.reason}"))

    def applied(self, statements: Iterable[StatementApplied]) -> None:
        """The engine of this node applied these."""
        for each in statements:
            outcome = self._waiting.get(each.request)
            if outcome is None or outcome.done():
                continue
            if each.refusal:
                outcome.set_exception(QueryFailed(each.refusal))
            else:
                outcome.set_result(each.sequence)
