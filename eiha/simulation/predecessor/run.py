"""The same seed twice: the same faults and clients upon the predecessor's algorithm and upon this project's."""

from __future__ import annotations

from collections import Counter
from typing import Final

from eiha.kernel.ids import NO_EPOCH
from eiha.protocol.log_entry import Publications
from eiha.simulation.engine import EVENTS_SINK, PROCESSED_SINK, decode_rows
from eiha.simulation.fault_profiles import Fault
from eiha.simulation.node import RunningNode, SimulatedNode
from eiha.simulation.options import SimulationOptions
from eiha.simulation.predecessor.messages import Role
from eiha.simulation.predecessor.process import PredecessorProcess, Timing
from eiha.simulation.predecessor.tally import EventId, Losses, Stage, counted
from eiha.simulation.scheduler import MS
from eiha.simulation.simulator import Simulator

_QUIET_MS: Final = 6_000
"""After the last fault: enough for every timer of the predecessor to have fired several times."""

_WARM_UP_MS: Final = 4_000
"""Before the first event: a node that has not decided yet what it is throws events away, which is not the question."""

TRY_STATE_MS: Final = 200
SYNC_RETRY_MS: Final = 200


class PredecessorSimulator(Simulator):
    """The simulator's world with predecessor nodes in it."""

    def __init__(self, seed: int, options: SimulationOptions | None = None) -> None:
        super().__init__(seed, options)
        self.stage = Stage()
        policy = self.policy
        stage, timing = (
            self.stage,
            Timing(
                policy.heartbeat_ms,
                policy.failure_timeout_ms,
                TRY_STATE_MS,
                SYNC_RETRY_MS,
                policy.snapshot_interval_ms,
            ),
        )
        self._processes: dict[str, PredecessorProcess] = {}

        def make_process(node: SimulatedNode) -> RunningNode:
            process = self._processes[node.name] = PredecessorProcess(node, stage, timing)
            return process

        self.world.make_process = make_process
        self.nemesis.never(Fault.POISON)  # it would end both nodes, one after the other

    def losses(self) -> Losses:
        """Run, and count."""
        for node in self.nodes:
            self.scheduler.at(self._setup.randint(0, 200) * MS, node.start)
        for client in self.clients.by_id.values():
            self.scheduler.at((_WARM_UP_MS + self._setup.randint(0, 300)) * MS, client.start)
        self.scheduler.at((_WARM_UP_MS + self._setup.randint(200, 800)) * MS, self.nemesis.start)
        self.scheduler.run_until((_WARM_UP_MS + self.options.safety_ms) * MS)
        self.nemesis.heal()
        self.scheduler.run_until(self.scheduler.now_us + _QUIET_MS * MS)
        for client in self.clients.by_id.values():
            client.burst(1)  # kept outputs are published with the next one only
        self.scheduler.run_until(self.scheduler.now_us + _QUIET_MS * MS)
        acknowledged = _acknowledged(self)
        return counted(
            acknowledged,
            self.stage.events,
            self.stage.outputs,
            two_actives_ms=self.stage.two_actives_us // MS,
            has_wrong_state=self._final_sums() != _sums(self, acknowledged),
        )

    def _final_sums(self) -> dict[int, int]:
        for process in self._processes.values():
            if process.alive and process.role is Role.ACTIVE:
                return process.summing.totals()
        return {}


def losses_of_the_pair(seed: int, options: SimulationOptions | None = None) -> Losses:
    """The same counts of a run of this project's nodes. Raises ``AssertionError`` when a promise was broken."""
    simulator = Simulator(seed, options)
    simulator.nemesis.never(Fault.POISON)  # what is left out of the log on purpose is not lost, but would be counted
    verdict = simulator.run()
    assert verdict.passed, (verdict.violation, verdict.replay_command)
    return counted(_acknowledged(simulator), _stored(simulator, EVENTS_SINK), _stored(simulator, PROCESSED_SINK))


def _acknowledged(simulator: Simulator) -> set[EventId]:
    acked = simulator.checkers.lost.acked
    return {(client, number) for client, through in acked.items() for number in range(1, through + 1)}


def _sums(simulator: Simulator, events: set[EventId]) -> dict[int, int]:
    """What the sums by key are when each event counts once."""
    totals: dict[int, int] = {}
    for client in simulator.clients.by_id.values():
        for publication in client.publications:
            if (publication.client_id, publication.client_sequence) in events:
                for key, value in decode_rows(publication):
                    totals[key] = totals.get(key, 0) + value
    return totals


def _stored(simulator: Simulator, sink: str) -> Counter[EventId]:
    """How often each publication's first row stands in a store: rows of an entry lie in the order of its items."""
    by_sequence: dict[int, list[int]] = {}
    for _, _, sequence, ordinal, _, values in simulator.stores[sink].rows:
        if values[0] >= 0:  # rows of timers have negative keys
            by_sequence.setdefault(sequence, []).append(ordinal)
    found: Counter[EventId] = Counter()
    for entry in simulator.checkers.order.committed:
        if not isinstance(entry.body, Publications):
            continue
        assert entry.epoch > NO_EPOCH
        ordinals = sorted(by_sequence.get(entry.sequence, ()))
        times = Counter(ordinals)
        place = 0
        distinct = sorted(times)
        for publication in entry.body.items:
            if place < len(distinct):
                found[(publication.client_id, publication.client_sequence)] += times[distinct[place]]
            place += publication.rows
    return found
