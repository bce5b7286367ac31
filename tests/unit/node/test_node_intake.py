from __future__ import annotations

from eiha.events.schema import Schema, StreamDefinition
from eiha.ha.effects import AckClient, RejectClient, SetIntake
from eiha.ha.inputs import ClientHello, Submit
from eiha.kernel.ids import ClientId, ClientSequence, NodeId
from eiha.node.node_intake import NodeIntake
from eiha.observability.node_metrics import NodeMetrics
from eiha.protocol.log_entry import Publication
from eiha.receivers.intake import IntakeState, NodeFacts

CLIENT = ClientId("c")


class Listener:
    def __init__(self) -> None:
        self.heard: list[object] = []

    def acked(self, through: ClientSequence) -> None:
        self.heard.append(int(through))

    def rejected(self, sequence: ClientSequence, reason: str, retry_after_ms: int, expected: ClientSequence) -> None:
        self.heard.append((int(sequence), reason, retry_after_ms, int(expected)))


class Running:
    def __init__(self, log_end: int = 0) -> None:
        self.inputs: list[object] = []
        self.metrics = NodeMetrics()
        self.log_end = log_end
        self.role = "active"
        self.intake = NodeIntake(
            self.inputs.append,
            lambda: NodeFacts(NodeId("n"), self.role),
            lambda: self.log_end,
            self.metrics,
            plans=1,
        )


def publication(sequence: int, rows: int = 5) -> Publication:
    return Publication(CLIENT, ClientSequence(sequence), "S", rows, b"")


def ack(through: int) -> AckClient:
    return AckClient(CLIENT, ClientSequence(through))


def test_a_client_says_hello_and_all_its_listeners_hear() -> None:
    running, first, second = Running(), Listener(), Listener()
    running.intake.attach(CLIENT, first)
    detach = running.intake.attach(CLIENT, second)
    assert running.inputs == [ClientHello(CLIENT)] * 2
    running.intake.acked(ack(3))
    detach()
    running.intake.acked(ack(4))
    assert (first.heard, second.heard) == ([3, 4], [3])


def test_a_refusal_carries_everything() -> None:
    running, listener = Running(), Listener()
    running.intake.attach(CLIENT, listener)
    running.intake.rejected(RejectClient(CLIENT, ClientSequence(2), "full", 100, ClientSequence(1)))
    assert listener.heard == [(2, "full", 100, 1)]


def test_events_in_and_acknowledged_are_counted_once() -> None:
    running = Running()
    running.intake.attach(CLIENT, Listener())
    running.intake.submit((publication(1), publication(2)), duplicated=True)
    assert running.inputs[-1] == Submit((publication(1), publication(2)), duplicated=True)
    running.intake.acked(ack(1))
    running.intake.acked(ack(1))
    running.intake.acked(ack(2))
    assert running.metrics.events_received.value("S") == 10
    assert running.metrics.events_acked.total() == 10
    assert running.metrics.ack_latency.count == 2


def test_a_refused_publication_is_not_counted_as_acknowledged() -> None:
    running = Running()
    running.intake.attach(CLIENT, Listener())
    running.intake.submit((publication(1), publication(2)))
    running.intake.rejected(RejectClient(CLIENT, ClientSequence(2), "full", 100, ClientSequence(2)))
    running.intake.acked(ack(2))
    assert running.metrics.events_acked.total() == 5
    assert running.metrics.events_rejected.total() == 5


def test_the_intake_opens_only_when_the_plans_are_there() -> None:
    running, seen = Running(log_end=2), list[IntakeState]()
    running.intake.watch(seen.append)
    assert not running.intake.state().open
    running.intake.set_state(SetIntake(open=True, reason=""))
    assert seen == [IntakeState(False, "the plans are being deployed", 200)]
    running.intake.note_applied(1)
    assert not running.intake.state().open
    running.intake.note_applied(2)
    assert running.intake.state().open
    running.log_end = 99
    running.intake.set_state(SetIntake(open=False, reason="full"))
    running.intake.set_state(SetIntake(open=True, reason=""))
    assert [(state.open, state.reason) for state in seen[1:]] == [(True, ""), (False, "full"), (True, "")]


def test_a_restarted_node_does_not_wait_for_its_replay() -> None:
    running = Running(log_end=1_000)
    running.intake.set_state(SetIntake(open=True, reason=""))
    assert not running.intake.state().open
    running.intake.set_streams({"S": StreamDefinition("S", Schema(()))})
    running.intake.note_applied(500)
    assert running.intake.state().open


def test_a_node_that_joins_with_an_empty_log_waits_until_it_is_synced() -> None:
    running = Running(log_end=0)
    running.role = "joining"
    running.intake.set_state(SetIntake(open=True, reason=""))
    running.intake.note_applied(0)
    assert not running.intake.state().open
    running.log_end = 2
    running.role = "passive"
    running.intake.note_role()
    assert not running.intake.state().open
    running.intake.set_streams({"S": StreamDefinition("S", Schema(()))})
    running.intake.note_applied(2)
    assert running.intake.state().open


def test_a_node_that_is_synced_with_a_cluster_without_plans_opens() -> None:
    running = Running(log_end=1)
    running.role = "joining"
    running.intake.set_state(SetIntake(open=True, reason=""))
    running.intake.note_applied(1)
    assert not running.intake.state().open
    running.role = "passive"
    running.intake.note_role()
    assert running.intake.state().open


def test_a_cluster_without_plans_opens_so_that_clients_are_told_so() -> None:
    running = Running(log_end=7)
    running.intake.set_state(SetIntake(open=True, reason=""))
    running.intake.note_applied(6)
    assert not running.intake.state().open
    running.intake.note_applied(7)
    assert running.intake.state().open


def test_a_watch_ends() -> None:
    running, seen = Running(), list[IntakeState]()
    end = running.intake.watch(seen.append)
    end()
    running.intake.set_state(SetIntake(open=True, reason=""))
    assert seen == []
    assert running.intake.state().open


def test_streams_are_those_told_last() -> None:
    running = Running()
    running.intake.set_streams({"S": StreamDefinition("S", Schema(()))})
    assert set(running.intake.streams()) == {"S"}
