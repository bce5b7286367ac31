"""On-demand queries to a running node: questions to its engine, statements into the pair's log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from eiha.errors import NotAnsweredNow, QueryError
from eiha.ha.status import MemberStatus
from eiha.kernel.ids import Sequence
from eiha.node.interpreter import Shells
from eiha.protocol.answers import RowsFound, StatementFits

QUESTION_TIMEOUT_S: Final = 10.0

_ANSWERING: Final = ("active", "passive", "promoting")
"""Roles in which the engine's state is that of the cluster, up to what is on its way."""


class NotActive(QueryError):
    """Only the active takes statements. ``url``: where it answers HTTP, empty when that is not known."""

    def __init__(self, message: str, url: str) -> None:
        super().__init__(message)
        self.url = url


class NodeQueries:
    """Implements ``query_http.Queries`` for one node.

    Args:
        member_status: the member's view.
        active_url: where the active answers HTTP; empty when not known.
        shells: the engine, and the statements on their way.
    """

    def __init__(
        self, member_status: Callable[[], MemberStatus], active_url: Callable[[], str], shells: Shells
    ) -> None:
        self._status = member_status
        self._active_url = active_url
        self._shells = shells

    @property
    def node(self) -> str:
        """The node's name."""
        return self._status().node

    async def ask(self, plan: str, text: str) -> RowsFound | StatementFits:
        """See ``Queries``."""
        status = self._status()
        if status.role not in _ANSWERING:
            raise NotAnsweredNow(f"{status.node} is {status.role}: ask the other node, or later")
        answer = asyncio.wrap_future(self._shells.engine.ask(plan, text))
        try:
            async with asyncio.timeout(QUESTION_TIMEOUT_S):
                return await answer
        except TimeoutError:
            raise NotAnsweredNow(f"the engine did not get to it within {QUESTION_TIMEOUT_S:g} s") from None

    async def carry_out(self, plan: str, text: str) -> Sequence:
        """See ``Queries``."""
        status = self._status()
        if status.role != "active":
            where = f"; {status.active} is active: send it there" if status.active else ""
            raise NotActive(
                f"{status.node} is {status.role} and takes no statements{where}",
                self._active_url() if status.active not in (None, status.node) else "",
            )
        return await self._shells.statements.carry_out(plan, text)
