"""Oracles for what is slow or stuck: what a node holds is bounded, a stuck engine is replaced, flapping is slowed down.

They look at the pair every so often, and at each change of the row. The limits are those that the policy promises, plus
what one step may add to them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from eiha.ha.policy import Policy
from eiha.ha.witness_row import WitnessRow
from eiha.simulation.checkers import Violation
from eiha.simulation.node import Process, SimulatedNode
from eiha.simulation.scheduler import MS

UNNOTICED_MS = 1_000
"""How long the end of a node may stay unnoticed by the other."""
UNSEEN: Final = 1
"""Ways out that the active may not have counted: its witness's answer was lost, and the peer back before it asked."""
WINDOW_PART = 0.8
"""The part of the flapping window that the oracle counts: a node learns of a change of the row a little later."""


class Bounded:
    """No queue of publications grows beyond its bound, whatever stands still."""

    def __init__(self, policy: Policy) -> None:
        self._pending_max = 2 * policy.pending_publications_max

    def look(self, node: SimulatedNode) -> None:
        """Compare what ``node`` holds."""
        if not isinstance(node.process, Process):
            return
        holds = node.process.holdings()
        for what, count, most in (
            ("publications that wait for the log", holds.pending_publications, self._pending_max),
            ("publications that wait for the active", holds.held_publications, self._pending_max),
        ):
            if count > most:
                raise Violation("bounded", f"{node.name} holds {count} {what}, more than {most}")


class StuckIsReplaced:
    """An active whose engine is stuck does not stay active while the other node could go on."""

    def __init__(self, policy: Policy) -> None:
        # a passive that just came back is judged by its heartbeats, and both clocks drift a little
        self._most_ms = 1.1 * policy.stuck_engine_ms + 2 * policy.failure_timeout_ms + 1_000
        self._since_ms: dict[str, float] = {}

    def look(self, node: SimulatedNode, *, replaceable: bool, now_us: int) -> None:
        """``replaceable``: ``node`` is active, its engine stuck, and the other node synced, awake and in touch."""
        if not replaceable:
            self._since_ms.pop(node.name, None)
            return
        since_ms = self._since_ms.setdefault(node.name, now_us / MS)
        if now_us / MS - since_ms > self._most_ms:
            raise Violation("stuck engine", f"{node.name} has been active with a stuck engine for too long")


class PutOut:
    """Rules for who leaves the synced set because of slowness, and how soon it comes back."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.never = False
        """With ``block``, and nothing but slowness going on, nobody is ever put out."""
        self._times_ms: list[float] = []

    def row_changed(self, before: WitnessRow | None, after: WitnessRow, now_us: int) -> None:
        """The row was replaced; a change of the active starts the count anew, since each process counts for itself."""
        now_ms = now_us / MS
        if before is None or after.epoch != before.epoch:
            self._times_ms = []
            return
        if len(after.synced) < len(before.synced):
            if self.never:
                raise Violation("block", f"the peer was put out: {after.reason}")
            self._times_ms.append(now_ms)
        elif len(after.synced) > len(before.synced) and self._times_ms:
            self._came_back(now_ms)

    def _came_back(self, now_ms: float) -> None:
        policy = self._policy
        last_ms = self._times_ms[-1]
        recent = [at for at in self._times_ms if last_ms - at <= WINDOW_PART * policy.flapping_window_ms]
        if len(recent) > policy.flapping_allowed + UNSEEN and now_ms - last_ms < WINDOW_PART * policy.flapping_hold_ms:
            raise Violation(
                "flapping", f"put out {len(recent)} times, and let in again after {now_ms - last_ms:.0f} ms only"
            )


class Slowness:
    """All of them for one run."""

    def __init__(self, policy: Policy) -> None:
        self.bounded = Bounded(policy)
        self.stuck = StuckIsReplaced(policy)
        self.put_out = PutOut(policy)

    def look(self, nodes: tuple[SimulatedNode, ...], row: WitnessRow | None, *, witness_up: bool) -> None:
        """Look at both nodes as they are now."""
        for node in nodes:
            self.bounded.look(node)
            other = next(each for each in nodes if each is not node)
            replaceable = witness_up and row is not None and _could_replace(node, other, row)
            self.stuck.look(node, replaceable=replaceable, now_us=node.world.scheduler.now_us)


def _could_replace(node: SimulatedNode, other: SimulatedNode, row: WitnessRow) -> bool:
    mine, theirs = node.process, other.process
    if row.active != node.name or other.identity not in row.synced:
        return False
    if not isinstance(mine, Process) or not isinstance(theirs, Process):
        return False
    well = mine.is_awake and mine.is_in_touch and theirs.is_awake and theirs.is_in_touch
    return well and mine.engine_is_stuck and not theirs.engine_is_stuck


def check_end_for_stuck_engine(node: SimulatedNode, row: WitnessRow | None, nodes: Iterable[SimulatedNode]) -> None:
    """A node that ends because its engine is stuck leaves one behind that can go on, or that it took for such."""
    others = [other for other in nodes if other is not node]
    unnoticed = any(other.ended_us >= node.world.scheduler.now_us - UNNOTICED_MS * MS for other in others)
    if unnoticed:
        return
    if row is None or not any(other.identity in row.synced and other.process is not None for other in others):
        raise Violation("stuck engine", f"{node.name} ended for its stuck engine, and nobody could go on: {row}")
