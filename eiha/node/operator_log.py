"""Facts of the core and of the shells → the lines an operator looks for. Event ids are stable."""

from __future__ import annotations

from eiha.ha.effects import Fact, RoleChanged
from eiha.observability.logs import EventLog
from eiha.observability.node_metrics import ROLES, NodeMetrics


class OperatorLog:
    """Says what happened, and keeps the role metric.

    Args:
        log: where lines go.
        metrics: the role gauge.
    """

    def __init__(self, log: EventLog, metrics: NodeMetrics) -> None:
        self._log = log
        self._metrics = metrics
        self.set_role("starting")

    def set_role(self, role: str) -> None:
        """Set the role gauge."""
        for name in ROLES:
            self._metrics.role.set(1 if name == role else 0, name)

    def role_changed(self, change: RoleChanged) -> None:
        """A line for each change of role."""
        self.set_role(change.after)
        text = f"{change.before} → {change.after}: {change.trigger}"
        self._log.info("role_changed", f"{text} ({change.detail})" if change.detail else text)

    def fact(self, fact: Fact) -> None:
        """A fact of the core."""
        if fact.event == "digest_mismatch":
            self._metrics.digest_mismatches.add(1)
        elif fact.event in ("event_quarantined", "plan_suspended"):
            self._metrics.quarantined.add(1)
        self._log.write(fact.level, fact.event, fact.detail)
