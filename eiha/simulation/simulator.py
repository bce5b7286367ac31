"""The whole pair in one thread and in virtual time: safety under faults first, then convergence without."""

from __future__ import annotations

import itertools
import random
from typing import Final

from eiha.ha.member import Member
from eiha.ha.policy import Policy
from eiha.ha.witness_row import WitnessRow
from eiha.kernel.ids import ClientId, NodeId
from eiha.simulation.availability import Availability
from eiha.simulation.checkers import Checkers, Violation
from eiha.simulation.clients import Clients, SimulatedClient
from eiha.simulation.disk import SimulatedDisk
from eiha.simulation.engines import choose_workload
from eiha.simulation.fault_profiles import PROFILES, Fault, draw_odds
from eiha.simulation.faults import Nemesis
from eiha.simulation.members import make_member, make_policy
from eiha.simulation.mutations import MUTATIONS, planted
from eiha.simulation.network import SimulatedNetwork
from eiha.simulation.node import Process, SimulatedNode, World
from eiha.simulation.options import DURABILITIES, NODES, SimulationOptions
from eiha.simulation.randomness import Randomness
from eiha.simulation.scheduler import MS, Scheduler
from eiha.simulation.sinks import SimulatedStore
from eiha.simulation.slowness import Slowness, check_end_for_stuck_engine
from eiha.simulation.trace import Trace
from eiha.simulation.verdict import Figures, Verdict
from eiha.simulation.witness import SimulatedWitness
from eiha.simulation.workload import Workload

LOOK_MS: Final = 50
"""How often the healing phase looks whether the pair has converged."""


class Simulator:
    """One run. ``Simulator(seed, options).run()`` says how it ended; equal arguments, equal runs."""

    def __init__(self, seed: int, options: SimulationOptions | None = None) -> None:
        self.seed = seed
        self.options = options or SimulationOptions()
        randomness = Randomness(seed)
        setup = randomness.stream("setup")
        self.durability = self.options.durability or setup.choice(DURABILITIES)
        self.scheduler = Scheduler()
        self.trace = Trace(self.scheduler, on=self.options.trace)
        self.workload: Workload = choose_workload(self.options)
        # with ``block`` a peer that stands still for good would never be put out, so only where nothing does
        slow_peer = "block" if self.options.faults == "slow" else "solo"
        self.policy: Policy = make_policy(setup, randomness.stream("limits"), slow_peer=slow_peer)
        self.checkers = Checkers(self.workload.make_engine(), self.policy.digest_interval_entries)
        self.clients = Clients(self.trace, self.checkers)
        self.network = SimulatedNetwork(self.scheduler, randomness.stream("network"), NODES)
        self.witness = SimulatedWitness(self.scheduler, randomness.stream("witness"), self._row_changed)
        self.stores = {name: SimulatedStore(name) for name in self.workload.sinks}
        self.world = World(
            scheduler=self.scheduler,
            trace=self.trace,
            checkers=self.checkers,
            network=self.network,
            witness=self.witness,
            stores=self.stores,
            make_member=self._make_member,
            make_engine=self.workload.make_engine,
            ended_stuck=self._ended_stuck,
            plans=self.workload.plans,
            tick_ms=self.policy.tick_ms,
            durable=self.durability == "disk",
            syncs_at_start=self.durability == "disk",
            clients=self.clients,
            make_process=Process,
        )
        boot_counts = self.durability == "replicated"
        self.nodes = tuple(
            SimulatedNode(self.world, NodeId(name), SimulatedDisk(name, boot_counts), randomness.stream(name))
            for name in NODES
        )
        self._add_clients(setup, randomness)
        profile = PROFILES[self.options.faults]
        self.slowness = Slowness(self.policy)
        self.slowness.put_out.never = slow_peer == "block"
        self.nemesis = Nemesis(
            self.world,
            self.nodes,
            self.clients,
            draw_odds(profile, setup),
            randomness.stream("faults"),
            boot_counts=boot_counts,
            make_statement=self.workload.make_statement,
        )
        self._setup = setup
        self._healed_at_us = 0
        if self.options.faults == "divergence":
            self.checkers.outputs.compares_digests = False

    def run(self) -> Verdict:
        """Safety phase, healing phase, verdict."""
        violation: Violation | None = None
        mutation = MUTATIONS[self.options.mutation] if self.options.mutation else None
        try:
            with planted(mutation, self):
                self._run_phases()
        except Violation as found:
            violation = found
            self.trace.note("checker", "VIOLATION", str(found))
        return Verdict(
            seed=self.seed,
            options=self.options,
            violation=None if violation is None else f"at {self.scheduler.now_us / MS:.3f} ms: {violation}",
            checker=None if violation is None else violation.checker,
            checksum=self.trace.checksum,
            figures=self._figures(),
            timeline=tuple(self.trace.lines),
        )

    def _run_phases(self) -> None:
        for node in self.nodes:
            self.scheduler.at(self._setup.randint(0, 200) * MS, node.start)
        for client in self.clients.by_id.values():
            self.scheduler.at(self._setup.randint(0, 300) * MS, client.start)
        self.scheduler.at(self._setup.randint(200, 800) * MS, self.nemesis.start)
        self.scheduler.after(LOOK_MS * MS, self._look_for_slowness)
        self._run_safety_phase(self.options.safety_ms * MS)
        self.trace.note("nemesis", "HEALED", "no more faults from here on")
        self.nemesis.heal()
        self._healed_at_us = self.scheduler.now_us
        if Fault.DIVERGE in self.nemesis.counts:
            self._go_on_publishing()
        end_us = self._healed_at_us + self.options.healing_ms * MS
        while not self._has_converged():
            if self.scheduler.now_us >= end_us:
                raise Violation("convergence", self._what_is_missing())
            self.scheduler.run_until(self.scheduler.now_us + LOOK_MS * MS)
        self._check_the_end()

    def _run_safety_phase(self, end_us: int) -> None:
        if self.options.faults != "full_disks":
            self.scheduler.run_until(end_us)
            return
        availability = Availability(self.policy)
        while self.scheduler.now_us < end_us:
            self.scheduler.run_until(min(end_us, self.scheduler.now_us + LOOK_MS * MS))
            availability.look(self.clients.by_id.values(), self.scheduler.now_us)

    def _go_on_publishing(self) -> None:
        """States are compared every so many entries: enough of them must follow the last fault."""
        for client in self.clients.by_id.values():
            for number in range(2 * self.policy.digest_interval_entries):
                self.scheduler.after(number * 30 * MS, client.burst, 1)

    def _look_for_slowness(self) -> None:
        witness_up = self.witness.up and not self.witness.loss_odds and not any(self.witness.unreachable.values())
        self.slowness.look(self.nodes, self.witness.row, witness_up=witness_up)
        self.scheduler.after(LOOK_MS * MS, self._look_for_slowness)

    # Convergence

    def _has_converged(self) -> bool:
        return self._what_is_missing() == ""

    def _what_is_missing(self) -> str:
        """The first thing that the healed pair still owes, or nothing."""
        row = self.witness.row
        if row is None:
            return "the witness has no row"
        for node in self.nodes:
            if node.identity not in row.synced:
                return f"{node.disk.incarnation} is not synced: {row}"
        for client in self.clients.by_id.values():
            if not client.is_done:
                return f"{client.client} sent {client.sent}, acknowledged are {client.acked}"
        for store in self.stores.values():
            if not self.checkers.outputs.complete(store):
                return f"{store.name} is published through {store.published_through} only"
        return self._what_differs()

    def _what_differs(self) -> str:
        """Whether both engines applied the whole log and agree."""
        committed = len(self.checkers.order.committed)
        digests: list[bytes] = []
        for node in self.nodes:
            if node.process is None:
                return f"{node.name} does not run"
            if node.process.applied_through != committed or node.disk.log_end.sequence != committed:
                return f"{node.name} applied {node.process.applied_through} of {committed}, log end {node.disk.log_end}"
            digests.append(node.process.engine.digest())
        return "" if digests[0] == digests[1] else "the nodes' states differ"

    def _check_the_end(self) -> None:
        for node in self.nodes:
            self.checkers.lost.check(node.disk, "at the end")
        for client, acked in self.checkers.lost.acked.items():
            if self.checkers.once.last(client) < acked:
                raise Violation("nothing lost", f"{client} was acknowledged through {acked}, the log ends before")

    # Parts

    def _ended_stuck(self, node: SimulatedNode) -> None:
        check_end_for_stuck_engine(node, self.witness.row, self.nodes)

    def _row_changed(self, before: WitnessRow | None, after: WitnessRow) -> None:
        self.trace.note("witness", "row", lambda: repr(after))
        self.checkers.row_changed(before, after, (node.disk for node in self.nodes))
        self.slowness.put_out.row_changed(before, after, self.scheduler.now_us)

    def _make_member(self, name: NodeId) -> Member:
        return make_member(name, self.policy, self.workload.sinks)

    def _add_clients(self, setup: random.Random, randomness: Randomness) -> None:
        count = self.options.clients or setup.randint(1, 3)
        both = setup.random() < 0.2
        for index in range(count):
            total = self.options.publications or setup.randint(20, 120)
            self.clients.add(
                SimulatedClient(
                    self.scheduler,
                    self.trace,
                    randomness.stream(f"client {index}"),
                    ClientId(f"client{index}"),
                    self.nodes,
                    self.workload.make_payload,
                    total=total,
                    interval_us=self.options.safety_ms * MS // total,
                    both=both,
                )
            )

    def _figures(self) -> Figures:
        history = self.witness.history
        failovers = sum(1 for before, after in itertools.pairwise(history) if before.active != after.active)
        return Figures(
            virtual_ms=self.scheduler.now_us // MS,
            actions=self.scheduler.actions_run,
            promotions=len({row.epoch for row in history}),
            failovers=failovers,
            crashes=sum(max(0, node.runs - 1) for node in self.nodes),
            acknowledged=self.checkers.lost.acks,
            entries=len(self.checkers.order.committed),
            rows=sum(len(store.rows) for store in self.stores.values()),
            convergence_ms=(self.scheduler.now_us - self._healed_at_us) // MS if self._healed_at_us else 0,
            faults=dict(self.nemesis.counts),
        )
