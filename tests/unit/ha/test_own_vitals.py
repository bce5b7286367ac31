from __future__ import annotations

from eiha.ha.context import Context, MemberConfig
from eiha.ha.inputs import Tick
from eiha.ha.own_vitals import OwnVitals
from eiha.ha.policy import Policy
from eiha.ha.replica import Replica
from eiha.ha.roles import Role
from eiha.kernel.ids import Epoch, LogTimeMs, MonotonicMs, NodeId, Now, Sequence, WallMs
from eiha.protocol.log_entry import LogEntry, TimeTick
from eiha.protocol.vitals import EngineAt
from tests.unit.ha.test_outbox import output

ENTRY_3 = EngineAt(1, "entry", Sequence(3))


class Looking:
    """A node that is looked at, each time 10 ms after the last unless told otherwise."""

    def __init__(self) -> None:
        self.ctx = Context(MemberConfig("c", NodeId("a"), ("processed",), Policy(failure_timeout_ms=1_000)))
        self.replica = Replica(self.ctx, lambda _client, _sequence: None)
        self.vitals = OwnVitals(self.ctx, self.replica)
        self.ms = 0

    def tick(self, tick: Tick, after_ms: int = 10) -> OwnVitals:
        self.ms += after_ms
        self.ctx.begin(Now(MonotonicMs(self.ms), WallMs(self.ms)))
        self.vitals.tick(tick)
        return self.vitals


def test_an_engine_that_stays_at_one_entry_is_timed_and_the_next_entry_begins_anew() -> None:
    node = Looking()
    for _ in range(4):
        node.tick(Tick(0, ENTRY_3))
    assert (node.vitals.now.engine_work, node.vitals.now.engine_sequence, node.vitals.now.engine_ms) == ("entry", 3, 30)
    assert node.tick(Tick(0, EngineAt(2, "entry", Sequence(4)))).now.engine_ms == 0
    assert node.tick(Tick()).now.engine_ms == 0


def test_a_node_that_slept_does_not_find_everything_stuck_when_it_wakes() -> None:
    node = Looking()
    node.tick(Tick(0, ENTRY_3))
    node.tick(Tick(0, ENTRY_3), after_ms=60_000)
    assert node.vitals.now.engine_ms == 500


def test_a_log_that_owes_an_answer_is_timed_until_it_gives_one() -> None:
    node = Looking()
    log = node.replica.log
    for sequence in (1, 2):
        log.append(LogEntry(Epoch(1), Sequence(sequence), LogTimeMs(0), TimeTick(), b"x"))
    for _ in range(3):
        node.tick(Tick())
    assert node.vitals.now.log_ms == 20
    log.mark_persisted(log.end)
    assert node.tick(Tick()).now.log_ms == 0


def test_outputs_that_no_store_takes_are_timed_on_the_active_only() -> None:
    node = Looking()
    node.replica.outbox.add([output(1)])
    for _ in range(3):
        node.tick(Tick())
    assert (node.vitals.now.store_ms, node.vitals.now.outbox_rows) == (0, node.replica.outbox.rows)
    node.ctx.role = Role.ACTIVE
    for _ in range(3):
        node.tick(Tick())
    assert node.vitals.now.store_ms == node.vitals.store_ms("processed") == 20


def test_the_worst_lateness_of_the_loop_is_told_for_a_second_or_two() -> None:
    node = Looking()
    node.tick(Tick(300))
    assert [node.tick(Tick(1), 500).now.loop_lag_ms for _ in range(6)] == [300, 300, 300, 1, 1, 1]
