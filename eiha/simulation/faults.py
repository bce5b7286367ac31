"""The nemesis: draws faults by the seed's odds, does them, undoes them after a while, and all of them when told to.

It never destroys what nothing else holds: a machine loses its disk, or what its memory owed the disk, only while the
witness names another disk that has everything (losing both is outside the fault model and is an operator's decision).
"""

# ruff: noqa: ARG002 - every fault is given a node, some befall what the nodes share
from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from eiha.ha.inputs import Channel, StatementAsked, StopAsked, SwitchoverAsked
from eiha.protocol.log_entry import DeployPlan, TableStatement
from eiha.simulation.clients import Clients
from eiha.simulation.engine import SummingEngine
from eiha.simulation.fault_profiles import Fault, FaultOdds
from eiha.simulation.node import Process, SimulatedNode, World
from eiha.simulation.poison import POISONS
from eiha.simulation.scheduler import MS

MINUTE_MS = 60_000
WATCHDOG_MS = 4_000
"""When the watchdog ends a process whose event loop stands still."""


class Nemesis:
    """Faults of one run."""

    def __init__(
        self,
        world: World,
        nodes: tuple[SimulatedNode, ...],
        clients: Clients,
        odds: FaultOdds,
        rng: random.Random,
        *,
        boot_counts: bool,
        make_statement: Callable[[int], tuple[str, str]],
    ) -> None:
        self._world = world
        self._nodes = nodes
        self._clients = clients
        self._odds = odds
        self._rng = rng
        self._boot_counts = boot_counts
        self._make_statement = make_statement
        self._undo: dict[int, Callable[[], None]] = {}
        self._undo_count = 0
        self._on = True
        self._deployments = 0
        self.counts: dict[Fault, int] = {}
        self._do: dict[Fault, Callable[[SimulatedNode], bool]] = {
            Fault.CRASH: self._crash,
            Fault.CRASH_MID_STEP: self._crash_mid_step,
            Fault.CRASH_BOTH: self._crash_both,
            Fault.POWER_LOSS: self._power_loss,
            Fault.POWER_LOSS_BOTH: self._power_loss_both,
            Fault.WIPE: self._wipe,
            Fault.STOP: self._stop,
            Fault.PAUSE: self._pause,
            Fault.CUT_PEER: self._cut_peer,
            Fault.CUT_ONE_WAY: self._cut_one_way,
            Fault.CUT_CHANNEL: self._cut_channel,
            Fault.RESET_LINKS: self._reset_links,
            Fault.SLOW_LINK: self._slow_link,
            Fault.ISOLATE: self._isolate,
            Fault.WITNESS_DOWN: self._witness_down,
            Fault.WITNESS_UNREACHABLE: self._witness_unreachable,
            Fault.WITNESS_LOSSY: self._witness_lossy,
            Fault.SINK_DOWN: self._sink_down,
            Fault.SINK_LOSSY: self._sink_lossy,
            Fault.SLOW_DISK: self._slow_disk,
            Fault.FULL_DISK: self._full_disk,
            Fault.SLOW_ENGINE: self._slow_engine,
            Fault.CLOCK_STEP: self._clock_step,
            Fault.SWITCHOVER: self._switchover,
            Fault.DEPLOY: self._deploy,
            Fault.FLOOD: self._flood,
            Fault.CLIENT_DROP: self._client_drop,
            Fault.CORRUPT_SNAPSHOT: self._corrupt_snapshot,
            Fault.WITNESS_LATE: self._witness_late,
            Fault.DIVERGE: self._diverge,
            Fault.POISON: self._poison,
            Fault.STUCK_ENGINE: self._stuck_engine,
            Fault.STUCK_LOOP: self._stuck_loop,
            Fault.SLOW_STORE: self._slow_store,
            Fault.FLAPPING: self._flapping,
        }

    def start(self) -> None:
        """Plan the first fault."""
        self._plan()

    def never(self, fault: Fault) -> None:
        """Leave ``fault`` out of this run."""
        kept = tuple((each, weight) for each, weight in self._odds.weights if each is not fault)
        self._odds = replace(self._odds, weights=kept)

    def heal(self) -> None:
        """No more faults; undo all that is in force."""
        self._on = False
        for undo in list(self._undo.values()):
            undo()
        self._undo.clear()
        for node in self._nodes:
            if node.process is not None:
                node.process.dies_after_effects = -1
                node.process.resume()
            node.start()

    def _plan(self) -> None:
        delay_ms = min(int(self._rng.expovariate(1 / self._odds.between_ms)), 5 * self._odds.between_ms)
        self._world.scheduler.after(delay_ms * MS, self._strike)

    def _strike(self) -> None:
        if not self._on:
            return
        fault = self._odds.choose(self._rng)
        if fault is None:
            return
        node = self._choose_node()
        if self._do[fault](node):
            self.counts[fault] = self.counts.get(fault, 0) + 1
            self._world.trace.note("nemesis", fault.value, node.name)
        self._plan()

    def _choose_node(self) -> SimulatedNode:
        """Any node, the active more often: that is where it hurts."""
        row = self._world.witness.row
        if row is not None and self._rng.random() < 0.4:
            return next(node for node in self._nodes if node.name == row.active)
        return self._rng.choice(self._nodes)

    def _other(self, node: SimulatedNode) -> SimulatedNode:
        return self._nodes[1] if node is self._nodes[0] else self._nodes[0]

    def _later(self, low_ms: int, high_ms: int, undo: Callable[[], None]) -> None:
        """Call ``undo`` after a random while, or when everything heals."""
        self._undo_count += 1
        key = self._undo_count
        self._undo[key] = undo
        # most faults are short, some outlast every timeout
        span_ms = high_ms if self._rng.random() < 0.15 else (low_ms + high_ms) // 3
        delay_ms = self._rng.randint(low_ms, max(low_ms, span_ms))
        self._world.scheduler.after(delay_ms * MS, self._undo_one, key)

    def _undo_one(self, key: int) -> None:
        undo = self._undo.pop(key, None)
        if undo is not None:
            undo()

    # Processes and machines

    def _crash(self, node: SimulatedNode) -> bool:
        if node.process is None:
            return False
        node.kill()
        self._later(5, 4_000, node.start)
        return True

    def _crash_mid_step(self, node: SimulatedNode) -> bool:
        if node.process is None:
            return False
        node.process.dies_after_effects = self._rng.randint(0, 30)
        self._later(200, 3_000, node.start)
        return True

    def _crash_both(self, node: SimulatedNode) -> bool:
        return self._crash(node) | self._crash(self._other(node))

    def _power_loss(self, node: SimulatedNode) -> bool:
        if self._boot_counts and not self._is_covered(node):
            return False
        self._world.witness.forget_requests_of(node.name)
        node.kill(silently=True)
        lost = node.disk.lose_power(self._rng)
        self._world.trace.note(node.name, "lost power", f"{lost} entries lost")
        self._later(100, 5_000, node.start)
        return True

    def _power_loss_both(self, node: SimulatedNode) -> bool:
        if self._boot_counts:
            return False
        return self._power_loss(node) & self._power_loss(self._other(node))

    def _wipe(self, node: SimulatedNode) -> bool:
        if not self._is_covered(node):
            return False
        self._world.witness.forget_requests_of(node.name)
        node.kill(silently=True)
        node.disk.wipe()
        self._later(100, 5_000, node.start)
        return True

    def _is_covered(self, node: SimulatedNode) -> bool:
        row = self._world.witness.row
        other = self._other(node)
        return row is not None and other.identity in row.synced

    def _stop(self, node: SimulatedNode) -> bool:
        process = node.process
        if process is None:
            return False
        process.ask(StopAsked())

        def restart() -> None:
            if node.process is process:
                node.kill()
            node.start()

        self._later(3_500, 6_000, restart)
        return True

    def _pause(self, node: SimulatedNode) -> bool:
        if node.process is None:
            return False
        high_ms = self._rng.choice((300, 1_500, 6_000, 20_000))
        node.process.pause(self._rng.randint(1, high_ms) * MS)
        return True

    # Network

    def _cut(self, *pipes: tuple[str, Channel]) -> bool:
        network = self._world.network
        for sender, channel in pipes:
            network.cut(sender, channel)

        def repair() -> None:
            for sender, channel in pipes:
                network.repair(sender, channel)

        self._later(20, 6_000, repair)
        return True

    def _cut_peer(self, node: SimulatedNode) -> bool:
        return self._cut(*((one.name, channel) for one in (node, self._other(node)) for channel in Channel))

    def _cut_one_way(self, node: SimulatedNode) -> bool:
        return self._cut(*((node.name, channel) for channel in Channel))

    def _cut_channel(self, node: SimulatedNode) -> bool:
        channel = self._rng.choice(tuple(Channel))
        return self._cut((node.name, channel), (self._other(node).name, channel))

    def _reset_links(self, node: SimulatedNode) -> bool:
        channels = self._rng.choice((tuple(Channel), (Channel.EVENT_SYNC,), (Channel.MANAGEMENT,)))
        for channel in channels:
            self._world.network.reset_links(channel)
        return True

    def _slow_link(self, node: SimulatedNode) -> bool:
        network = self._world.network
        network.latency_us = (1 * MS, self._rng.choice((30, 200, 600)) * MS)

        def restore() -> None:
            network.latency_us = (100, 2 * MS)

        self._later(100, 3_000, restore)
        return True

    def _isolate(self, node: SimulatedNode) -> bool:
        """The node is alone: neither peer nor witness."""
        self._witness_unreachable(node)
        return self._cut_peer(node)

    # Witness

    def _witness_down(self, node: SimulatedNode) -> bool:
        witness = self._world.witness
        witness.up = False

        def restore() -> None:
            witness.up = True

        self._later(100, 5_000, restore)
        return True

    def _witness_unreachable(self, node: SimulatedNode) -> bool:
        unreachable = self._world.witness.unreachable
        unreachable[node.name] = True

        def restore() -> None:
            unreachable[node.name] = False

        self._later(100, 5_000, restore)
        return True

    def _witness_lossy(self, node: SimulatedNode) -> bool:
        witness = self._world.witness
        witness.loss_odds = self._rng.choice((0.1, 0.3, 0.5))
        witness.late_odds = self._rng.choice((0.0, 0.3, 0.6))

        def restore() -> None:
            witness.loss_odds = witness.late_odds = 0.0

        self._later(300, 6_000, restore)
        return True

    def _witness_late(self, node: SimulatedNode) -> bool:
        """Most changes are made long after they were asked for."""
        witness = self._world.witness
        witness.late_odds = 0.8

        def restore() -> None:
            witness.late_odds = 0.0

        self._later(1_000, 4_000, restore)
        return True

    # Stores, speed, clocks

    def _sink_down(self, node: SimulatedNode) -> bool:
        store = self._rng.choice(tuple(self._world.stores.values()))
        store.up = False

        def restore() -> None:
            store.up = True

        self._later(50, 5_000, restore)
        return True

    def _sink_lossy(self, node: SimulatedNode) -> bool:
        store = self._rng.choice(tuple(self._world.stores.values()))
        store.reply_loss_odds = self._rng.choice((0.1, 0.4))

        def restore() -> None:
            store.reply_loss_odds = 0.0

        self._later(300, 6_000, restore)
        return True

    def _slow_disk(self, node: SimulatedNode) -> bool:
        node.disk_us = (1 * MS, self._rng.choice((20, 150, 900)) * MS)

        def restore() -> None:
            node.disk_us = (50, 800)

        self._later(100, 4_000, restore)
        return True

    def _full_disk(self, node: SimulatedNode) -> bool:
        if any(each.disk_full for each in self._nodes):
            return False  # one at a time: with both full nothing can be expected of the pair
        node.disk_full = True

        def restore() -> None:
            node.disk_full = False

        self._later(300, 9_000, restore)
        return True

    def _slow_engine(self, node: SimulatedNode) -> bool:
        node.apply_us = (1 * MS, self._rng.choice((20, 300)) * MS)

        def restore() -> None:
            node.apply_us = (30, 300)

        self._later(100, 4_000, restore)
        return True

    def _slow_store(self, node: SimulatedNode) -> bool:
        store = self._rng.choice(tuple(self._world.stores.values()))
        store.request_us = (10 * MS, self._rng.choice((100, 1_000, 3_000)) * MS)

        def restore() -> None:
            store.request_us = None

        self._later(300, 6_000, restore)
        return True

    def _stuck_engine(self, node: SimulatedNode) -> bool:
        """No entry comes to its end in this process; only a new one would."""
        process = node.process
        if not isinstance(process, Process):
            return False
        process.stick_engine(stuck=True)
        self._later(500, 12_000, lambda: process.stick_engine(stuck=False))
        return True

    def _stuck_loop(self, node: SimulatedNode) -> bool:
        """The event loop stands still; the watchdog ends the process, and a supervisor starts another."""
        process = node.process
        if not isinstance(process, Process):
            return False
        process.pause(WATCHDOG_MS * MS)

        def end() -> None:
            if node.process is process and not process.is_awake:
                node.kill()
            node.start()

        self._world.scheduler.after(WATCHDOG_MS * MS - 1, end)
        return True

    def _flapping(self, node: SimulatedNode) -> bool:
        """The links break again and again, each time for longer than anybody waits."""
        times = self._rng.randint(4, 9)
        period_ms = self._rng.randint(400, 900)
        for number in range(times):
            self._world.scheduler.after(number * period_ms * MS, self._break_links_shortly, node)
        return True

    def _break_links_shortly(self, node: SimulatedNode) -> None:
        if self._on:
            network = self._world.network
            pipes = tuple((one.name, channel) for one in (node, self._other(node)) for channel in Channel)
            for channel in Channel:
                network.reset_links(channel)
            for sender, channel in pipes:
                network.cut(sender, channel)

            def repair() -> None:
                for sender, channel in pipes:
                    network.repair(sender, channel)

            self._later(120, 250, repair)

    def _clock_step(self, node: SimulatedNode) -> bool:
        node.wall_offset_ms = self._rng.choice((-60, -1, 1, 60)) * self._rng.randint(1, MINUTE_MS)
        return True

    # Operators and clients

    def _switchover(self, node: SimulatedNode) -> bool:
        if node.process is None:
            return False
        node.process.ask(SwitchoverAsked())
        return True

    def _deploy(self, node: SimulatedNode) -> bool:
        if node.process is None:
            return False
        self._deployments += 1
        node.process.change_plan(DeployPlan("scale", "x" * self._deployments))
        request = f"{node.name} {self._deployments}"
        node.process.ask(StatementAsked(TableStatement(request, *self._make_statement(self._deployments))))
        return True

    def _flood(self, node: SimulatedNode) -> bool:
        client = self._rng.choice(tuple(self._clients.by_id.values()))
        client.burst(self._rng.randint(10, 60))
        return True

    def _client_drop(self, node: SimulatedNode) -> bool:
        self._rng.choice(tuple(self._clients.by_id.values())).disconnect()
        return True

    def _poison(self, node: SimulatedNode) -> bool:
        """A client publishes a row that raises, kills the process, or never ends."""
        if node.process is None or not isinstance(node.process.engine, SummingEngine):
            return False
        self._rng.choice(tuple(self._clients.by_id.values())).publish_poison(self._rng.choice(POISONS))
        return True

    # State

    def _corrupt_snapshot(self, node: SimulatedNode) -> bool:
        return node.disk.corrupt_newest_snapshot(self._rng)

    def _diverge(self, node: SimulatedNode) -> bool:
        """The passive's engine state changes by itself; the pair must notice and mend it."""
        row = self._world.witness.row
        if row is None or len(row.synced) < 2:
            return False
        passive = next(one for one in self._nodes if one.name != row.active)
        if passive.process is None or not isinstance(passive.process.engine, SummingEngine):
            return False
        passive.process.engine.flip()
        return True
