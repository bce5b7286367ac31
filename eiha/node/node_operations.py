"""What an operator does to a running node: inputs to the member, and waiting for what comes of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from eiha.errors import EihaError
from eiha.ha.inputs import AcceptLossAsked, ChangePlan, SnapshotAsked, SwitchoverAsked
from eiha.ha.status import MemberStatus
from eiha.node.interpreter import Shells
from eiha.node.node_facts import FactsOfNode
from eiha.observability.logs import EventLog
from eiha.plan.compilation import compile_plan
from eiha.protocol.log_entry import DeployPlan, RemovePlan

ACTION_TIMEOUT_S: Final = 10.0
POLL_S: Final = 0.01


class ActionRefused(EihaError):
    """What an operator asked for cannot be done now; the text says why and where it can."""


class NodeOperations:
    """Implements ``operations_http.Operations`` for one node.

    Args:
        facts: what is told.
        member_status: the member's view.
        feed: gives an input to the member.
        shells: for the plans' streams and saved snapshots.
        log: told what of a deployed plan has no effect.
    """

    def __init__(
        self,
        facts: FactsOfNode,
        member_status: Callable[[], MemberStatus],
        feed: Callable[[ChangePlan | SwitchoverAsked | AcceptLossAsked | SnapshotAsked], None],
        shells: Shells,
        log: EventLog,
    ) -> None:
        self._facts = facts
        self._status = member_status
        self._feed = feed
        self._shells = shells
        self._log = log

    def role_document(self) -> dict[str, Any]:
        """See ``Operations``."""
        return self._facts.role_document()

    def not_ready(self) -> str:
        """See ``Operations``."""
        return self._facts.not_ready()

    def status_document(self) -> dict[str, Any]:
        """See ``Operations``."""
        return self._facts.status_document()

    def metrics_text(self) -> str:
        """See ``Operations``."""
        return self._facts.metrics_text()

    async def switchover(self) -> str:
        """Hand over to the passive, without loss; who is active then."""
        before = self._require_active("switchover")
        if before.state != "synced":
            raise ActionRefused(
                f"{before.node} is {before.state}: a switchover needs a passive that is synced; see `eiha status`"
            )
        self._feed(SwitchoverAsked())
        await self._until(
            lambda status: status.role != "active" and status.active not in (None, before.node),
            "the passive did not take over",
        )
        return str(self._status().active)

    async def snapshot(self) -> int:
        """Take and save a snapshot; its sequence."""
        saver = self._shells.snapshots
        applied = self._status().applied_through
        if saver.saved_sequence < applied or not applied:
            self._feed(SnapshotAsked())
            await self._until(lambda _status: saver.saved_sequence >= applied, "the snapshot was not saved")
        return saver.saved_sequence

    async def deploy(self, plan: str, text: str) -> tuple[int, tuple[str, ...]]:
        """Deploy or replace a plan."""
        self._require_active("deploy a plan")
        warnings = compile_plan(text, name=plan).warnings
        for warning in warnings:
            self._log.warning("plan_warning", f"plan {plan!r}: {warning}", plan=plan)
        return await self._change(ChangePlan(DeployPlan(plan, text))), warnings

    async def remove(self, plan: str) -> int:
        """Remove a plan."""
        plans = self._require_active("remove a plan").plans
        if plan not in plans:
            raise ActionRefused(f"there is no plan {plan!r}; deployed: {', '.join(plans) or 'none'}")
        return await self._change(ChangePlan(RemovePlan(plan)))

    async def accept_loss(self) -> str:
        """Go on although acknowledged events may be lost."""
        self._feed(AcceptLossAsked())
        await self._until(lambda status: status.role == "active", "the node did not become active; see its log")
        return self._status().node

    async def _change(self, change: ChangePlan) -> int:
        before = self._status().log_end
        self._feed(change)
        await self._until(lambda status: status.log_end > before, "the change did not get into the log")
        target = self._status().log_end
        await self._until(lambda status: status.applied_through >= target, "the change was not applied yet")
        return target

    def _require_active(self, action: str) -> MemberStatus:
        status = self._status()
        if status.role != "active":
            where = f"; {status.active} is active: ask it" if status.active else ""
            raise ActionRefused(f"{status.node} is {status.role} and cannot {action}{where}")
        return status

    async def _until(self, reached: Callable[[MemberStatus], bool], otherwise: str) -> None:
        """Wait until ``reached``; raise ``ActionRefused`` when it takes too long."""
        try:
            async with asyncio.timeout(ACTION_TIMEOUT_S):
                while not reached(self._status()):  # noqa: ASYNC110  the member has no events, only a state
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            status = self._status()
            raise ActionRefused(f"{otherwise} within {ACTION_TIMEOUT_S:g} s ({status.role}, {status.state})") from None
