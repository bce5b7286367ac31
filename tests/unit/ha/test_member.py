"""What the scenarios in tests/golden/ha do not tell: stops on doubt, bounds, timers, plans, snapshots, outputs."""

from __future__ import annotations

from typing import Any, TypeVar

import pytest

from eiha.ha.effects import (
    AckClient,
    Apply,
    Effect,
    Fact,
    Halt,
    OpenSink,
    Persist,
    Publish,
    RejectClient,
    RejectStatement,
    RevokePermit,
    SetIntake,
    TakeSnapshot,
    TrimLog,
)
from eiha.ha.inputs import (
    Applied,
    ApplyFailed,
    ChangePlan,
    Channel,
    ClientHello,
    Flush,
    Input,
    LinkUp,
    Persisted,
    Published,
    SinkFenced,
    SinkOpened,
    SnapshotAsked,
    SnapshotFailed,
    SnapshotTaken,
    Start,
    StatementAsked,
    Submit,
    SwitchoverAsked,
    Tick,
    WitnessCasDone,
    WitnessReadDone,
)
from eiha.ha.member import Member, MemberConfig
from eiha.ha.policy import Policy
from eiha.ha.witness_row import Mine, Others, Read, WitnessRow
from eiha.kernel.ids import (
    ClientId,
    ClientSequence,
    Epoch,
    Incarnation,
    LinkId,
    MonotonicMs,
    NodeId,
    Now,
    Sequence,
    WallMs,
)
from eiha.protocol.log_entry import (
    DeployPlan,
    EpochStart,
    Publication,
    Publications,
    Quarantine,
    RemovePlan,
    TableStatement,
    TimeTick,
)
from eiha.protocol.peer_messages import PeerIdentity
from eiha.protocol.snapshot_format import SnapshotManifest
from tests.unit.ha.test_outbox import output

E = TypeVar("E")
ME = PeerIdentity(NodeId("a"), Incarnation("a.1"))


class Alone:
    """A member without a peer. Writes to its log and swaps succeed at once; the engine answers when told to."""

    def __init__(self, policy: Policy | None = None, plans: tuple[DeployPlan, ...] = (), seen: int = 0) -> None:
        self.member = Member(MemberConfig("c", ME.node, ("processed",), policy or Policy()))
        self.ms = 0
        self.row: WitnessRow | None = None
        self.happened: list[Effect] = []
        self.put(Start(ME.incarnation, (), None, seen, plans))

    def put(self, *inputs: Input) -> list[Effect]:
        before = len(self.happened)
        todo = list(inputs)
        while todo:
            for effect in self.member.step(todo.pop(0), Now(MonotonicMs(self.ms), WallMs(1_000_000 + self.ms))):
                self.happened.append(effect)
                todo += self.answer(effect)
        return self.happened[before:]

    def answer(self, effect: Any) -> list[Input]:
        match type(effect).__name__:
            case "Persist":
                return [Persisted(effect.entries[-1].position)]
            case "ReadWitness":
                return [WitnessReadDone(effect.request, Read(self.row))]
            case "CompareAndSet":
                self.row = effect.row
                return [WitnessCasDone(effect.request, Mine(effect.row))]
        return []

    def apply_all(self, next_timer_ms: int | None = None, outputs: tuple[Any, ...] = ()) -> list[Effect]:
        handed = self.member.replica.handed_through
        return self.put(Applied(handed, outputs, next_timer_ms))

    def later(self, ms: int) -> list[Effect]:
        self.ms += ms
        return self.put(Tick())


def of(kind: type[E], effects: list[Effect]) -> list[E]:
    return [effect for effect in effects if isinstance(effect, kind)]


def bodies(effects: list[Effect]) -> list[Any]:
    return [entry.body for persist in of(Persist, effects) for entry in persist.entries]


def publication(number: int, size: int = 4, client: str = "shop") -> Publication:
    return Publication(ClientId(client), ClientSequence(number), "S", 1, b"x" * size)


@pytest.mark.parametrize(
    "peer", [PeerIdentity(ME.node, Incarnation("other")), PeerIdentity(NodeId("b"), ME.incarnation)]
)
def test_two_nodes_with_one_name_or_one_disk_stop_with_a_remedy(peer: PeerIdentity) -> None:
    (halt,) = of(Halt, Alone().put(LinkUp(Channel.MANAGEMENT, LinkId(1), peer)))
    assert halt.failed
    assert "its own name and data directory" in halt.reason


def test_a_witness_that_lost_its_row_stops_the_node() -> None:
    (halt,) = of(Halt, Alone(seen=4).happened)
    assert halt.failed
    assert "version 0 after it had shown 4" in halt.reason


def test_a_halted_member_does_nothing_any_more() -> None:
    alone = Alone(seen=4)
    assert alone.put(Tick(), Submit((publication(1),)), Flush()) == []
    assert alone.member.status().state == "halted"


def test_the_first_input_must_be_start() -> None:
    with pytest.raises(AssertionError):
        Member(MemberConfig("c", ME.node)).step(Tick(), Now(MonotonicMs(0), WallMs(0)))


def test_the_row_of_a_newer_epoch_ends_being_active_publishing_first() -> None:
    alone = Alone()
    other = WitnessRow("c", Epoch(2), NodeId("b"), Incarnation("b.1"), (), 2, "took over")
    alone.member.step(Submit((publication(1),)), Now(MonotonicMs(0), WallMs(0)))
    election = alone.member.election
    election.swap(alone.row, other, MonotonicMs(0))
    effects = alone.put(WitnessCasDone(election._request, Others(other)))
    assert isinstance(effects[0], RevokePermit)
    (refused,) = of(RejectClient, effects)
    assert (refused.client_id, refused.expected) == ("shop", 1)
    assert alone.member.status().role == "joining"


def test_what_arrives_while_nothing_is_on_its_way_becomes_an_entry_at_once() -> None:
    alone = Alone()
    effects = alone.put(Submit((publication(1), publication(2))))
    assert [len(body.items) for body in bodies(effects)] == [2]
    assert of(AckClient, effects) == [AckClient(ClientId("shop"), ClientSequence(2))]
    assert not alone.member.flush_wanted


def test_what_arrives_together_while_something_is_on_its_way_becomes_one_entry() -> None:
    alone = Alone()

    def step(happened: Input) -> list[int]:
        now = Now(MonotonicMs(alone.ms), WallMs(1_000_000 + alone.ms))
        return [len(body.items) for body in bodies([*alone.member.step(happened, now)])]

    assert step(Submit((publication(1),))) == [1]
    assert step(Submit((publication(2),))) == step(Submit((publication(3), publication(4)))) == []
    assert alone.member.flush_wanted
    assert step(Flush()) == [3]
    assert not alone.member.flush_wanted


def test_a_client_that_connects_is_told_what_is_committed_of_it() -> None:
    alone = Alone()
    alone.put(Submit((publication(1),)), Flush())
    assert of(AckClient, alone.put(ClientHello(ClientId("shop")))) == [AckClient(ClientId("shop"), ClientSequence(1))]
    assert of(AckClient, alone.put(ClientHello(ClientId("new")))) == [AckClient(ClientId("new"), ClientSequence(0))]


def test_at_the_bound_the_intake_closes_at_twice_the_bound_it_refuses_and_it_opens_at_half() -> None:
    alone = Alone(Policy(pending_bytes_max=1_000, unapplied_bytes_max=10))
    alone.put(Submit((publication(1, 200),)), Flush())  # committed, not applied: the engine is behind
    closed = alone.put(Submit((publication(2, 200),)))
    assert [intake.open for intake in of(SetIntake, alone.happened)][-1] is False
    assert closed == []
    assert not alone.member.status().intake_open
    refused = alone.put(*(Submit((publication(number, 500),)) for number in range(3, 9)))
    assert of(RejectClient, refused)[-1].retry_after_ms > 0
    assert alone.member.status().dropped != ()
    alone.apply_all()
    alone.put(Flush())
    while alone.member.replica.applied_through < alone.member.replica.handed_through:
        alone.apply_all()
    assert alone.member.status().intake_open


def test_a_timer_that_is_due_makes_one_tick_entry_and_no_second_one_while_that_is_on_its_way() -> None:
    alone = Alone()
    alone.apply_all(next_timer_ms=1_000_500)
    assert bodies(alone.later(499)) == []
    assert bodies(alone.later(1)) == [TimeTick()]
    assert bodies(alone.later(10)) == []
    assert bodies(alone.apply_all(next_timer_ms=1_000_505)) == [TimeTick()]


def test_configured_plans_are_deployed_once_and_a_start_takes_back_nothing_that_was_deployed_since() -> None:
    plan = DeployPlan("p", "define stream S (v long);")
    alone = Alone(plans=(plan,))
    assert bodies(alone.happened) == [EpochStart(ME.node, ME.incarnation), plan]
    alone.put(ChangePlan(DeployPlan("p", "define stream S (v long, w long);")))
    alone.apply_all()
    assert alone.member.status().plans == ("p",)
    log = alone.member.replica.log
    again = Alone.__new__(Alone)
    again.member, again.ms, again.row, again.happened = Member(alone.member.ctx.config), 0, alone.row, []
    entries = tuple(log.entries(Sequence(0), log.end.sequence))
    again.put(Start(ME.incarnation, entries, None, 1, (plan, DeployPlan("q", "new"))))
    assert bodies(again.happened) == [EpochStart(ME.node, ME.incarnation), DeployPlan("q", "new")]
    (told,) = [fact for fact in of(Fact, again.happened) if fact.event == "plan_file_differs"]
    assert "'p'" in told.detail


def test_a_plan_change_goes_through_the_log() -> None:
    alone = Alone()
    assert bodies(alone.put(ChangePlan(RemovePlan("p")))) == [RemovePlan("p")]


def test_snapshots_come_by_interval_and_the_log_is_trimmed_to_the_one_before_the_newest() -> None:
    alone = Alone(Policy(snapshot_interval_ms=1_000))
    assert of(TakeSnapshot, alone.later(1_000)) == []  # the engine has not answered yet
    (first,) = of(TakeSnapshot, alone.apply_all())
    assert of(TrimLog, alone.put(taken(first))) == []
    assert of(TakeSnapshot, alone.later(1_000)) == []  # nothing was applied since
    alone.put(Submit((publication(1),)), Flush())
    alone.apply_all()
    (second,) = of(TakeSnapshot, alone.later(10))
    assert of(TrimLog, alone.put(taken(second))) == [TrimLog(Sequence(1))]


def taken(cut: TakeSnapshot) -> SnapshotTaken:
    return SnapshotTaken(cut.request, SnapshotManifest(cut.position, cut.epoch_starts, 0, ()))


def test_while_a_snapshot_is_written_entries_are_applied_and_no_other_is_cut() -> None:
    alone = Alone(Policy(snapshot_interval_ms=1_000))
    alone.apply_all()
    (first,) = of(TakeSnapshot, alone.later(1_000))
    assert of(Apply, alone.put(Submit((publication(1),)), Flush())) != []
    alone.apply_all()
    alone.put(SnapshotAsked())
    assert of(TakeSnapshot, alone.later(5_000)) == []
    (second,) = of(TakeSnapshot, alone.put(taken(first)))
    assert second.position.sequence > first.position.sequence


def test_a_snapshot_that_fails_is_tried_again_after_a_pause_and_trims_nothing() -> None:
    alone = Alone(Policy(snapshot_interval_ms=60_000, snapshot_pause_ms=500))
    alone.apply_all()
    (first,) = of(TakeSnapshot, alone.put(SnapshotAsked()))
    effects = alone.put(SnapshotFailed(first.request, "the disk is full"))
    assert of(TrimLog, effects) == []
    assert of(TakeSnapshot, alone.later(400)) == []
    (again,) = of(TakeSnapshot, alone.later(200))
    assert alone.put(taken(first)) == []  # of a request that is over
    assert of(TrimLog, alone.put(taken(again))) == []


def test_intake_is_closed_while_the_log_has_more_without_a_snapshot_than_it_may_and_opens_with_one() -> None:
    alone = Alone(Policy(snapshot_interval_ms=60_000, snapshot_interval_bytes=400, log_uncovered_bytes_max=800))
    alone.apply_all()
    (first,) = of(TakeSnapshot, alone.put(SnapshotAsked()))
    number = 0
    while alone.member.replica.snapshots.uncovered_bytes <= 800:
        number += 1
        alone.put(Submit((publication(number),)), Flush())
        alone.apply_all()
    alone.later(20)
    assert not alone.member.status().intake_open
    assert "without a snapshot" in alone.member.status().intake_reason
    alone.put(SnapshotFailed(first.request, "the disk is full"))
    (again,) = of(TakeSnapshot, alone.later(alone.member.ctx.policy.snapshot_pause_ms))
    alone.put(taken(again))
    assert alone.member.status().intake_open
    alone.put(Submit((publication(number + 1),)), Flush())
    assert alone.member.replica.log.end.sequence > again.position.sequence


def test_a_snapshot_is_due_before_its_time_when_a_start_would_replay_much() -> None:
    alone = Alone(Policy(snapshot_interval_ms=60_000, snapshot_interval_entries=3, snapshot_early_ms=500))
    alone.apply_all()
    for number in (1, 2):
        alone.put(Submit((publication(number),)), Flush())
        alone.apply_all()
    assert of(TakeSnapshot, alone.later(400)) == []  # three entries, but the pause is not over
    assert len(of(TakeSnapshot, alone.later(100))) == 1


def test_snapshots_before_their_time_take_a_twentieth_of_it_at_most() -> None:
    alone = Alone(Policy(snapshot_interval_ms=600_000, snapshot_interval_entries=3, snapshot_early_ms=500))
    alone.apply_all()
    number = 0

    def replay() -> None:
        nonlocal number
        for _ in range(3):
            number += 1
            alone.put(Submit((publication(number),)), Flush())
            alone.apply_all()

    replay()
    (first,) = of(TakeSnapshot, alone.later(500))
    alone.later(100)  # so long it takes
    alone.put(taken(first))
    replay()
    assert of(TakeSnapshot, alone.later(20 * 100 - 200)) == []
    assert len(of(TakeSnapshot, alone.later(200))) == 1


def test_while_a_snapshot_waits_for_the_engine_nothing_is_applied_and_everything_is_acknowledged() -> None:
    alone = Alone()
    alone.member.replica.want_snapshot()
    effects = alone.put(Submit((publication(1),)), Flush())
    assert of(Apply, effects) == []
    assert of(AckClient, effects) == [AckClient(ClientId("shop"), ClientSequence(1))]
    effects = alone.apply_all()
    assert [type(e).__name__ for e in effects if isinstance(e, TakeSnapshot | Apply)] == ["TakeSnapshot", "Apply"]


def test_outputs_are_published_once_the_store_told_its_progress_and_go_on_from_there() -> None:
    alone = Alone()
    (opened,) = of(OpenSink, alone.happened)
    assert of(Publish, alone.apply_all(outputs=(output(1),))) == []
    (publish,) = of(Publish, alone.put(SinkOpened("processed", opened.permit.epoch, Sequence(0))))
    assert (publish.expected, publish.through, publish.permit) == (0, 1, opened.permit)
    alone.put(Submit((publication(1),)), Flush())
    assert of(Publish, alone.apply_all(outputs=(output(2),))) == []
    (following,) = of(Publish, alone.put(Published("processed", Epoch(1), Sequence(1))))
    assert (following.expected, following.through) == (1, 2)


def test_a_write_whose_reply_was_lost_is_answered_by_the_progress_and_not_repeated() -> None:
    alone = Alone()
    alone.put(SinkOpened("processed", Epoch(1), Sequence(0)))
    alone.apply_all(outputs=(output(1),))
    assert of(Publish, alone.put(SinkOpened("processed", Epoch(1), Sequence(1)))) == []
    assert alone.member.status().outbox_rows == 0


def test_a_store_of_an_older_epoch_or_this_one_fences_nobody() -> None:
    alone = Alone()
    assert of(RevokePermit, alone.put(SinkFenced("processed", Epoch(1)))) == []


def test_alone_there_is_nobody_to_switch_over_to() -> None:
    effects = Alone().put(SwitchoverAsked())
    assert [fact.event for fact in of(Fact, effects)] == ["switchover_refused"]


def test_an_entry_costs_the_same_however_long_the_log_is() -> None:
    """Counted in calls, not in time: what a step looks at must not grow with the log."""
    import sys

    def calls(alone: Alone, number: int) -> int:
        count = 0

        def tracer(_frame: object, event: str, _arg: object) -> None:
            nonlocal count
            count += event == "call"

        sys.setprofile(tracer)
        try:
            alone.put(Submit((publication(number),)), Flush())
            alone.apply_all()
        finally:
            sys.setprofile(None)
        return count

    alone = Alone()
    alone.apply_all()
    few = [calls(alone, number) for number in range(1, 10)]
    for number in range(10, 3_000):
        alone.put(Submit((publication(number),)), Flush())
        alone.apply_all()
    many = [calls(alone, number) for number in range(3_000, 3_010)]
    assert max(many) <= max(few) + 2


def test_publications_keep_their_payload_object_all_the_way() -> None:
    alone = Alone()
    sent = publication(1, 1_000)
    effects = alone.put(Submit((sent,)), Flush())
    (apply,) = of(Apply, effects)
    for found in (*bodies(effects), apply.entries[-1].body):
        if isinstance(found, Publications):
            assert found.items[0].payload is sent.payload


STATEMENT = TableStatement("r1", "p", "delete T")


def test_a_statement_goes_through_the_log() -> None:
    alone = Alone()
    alone.apply_all()
    alone.later(10)
    happened = alone.put(StatementAsked(STATEMENT))
    assert bodies(happened) == [STATEMENT]
    assert of(RejectStatement, happened) == []


def test_statements_do_not_pile_up_where_nothing_is_committed() -> None:
    alone = Alone(Policy(inflight_bytes_max=20))
    alone.answer = lambda _effect: []  # type: ignore[method-assign]  # the disk does not answer any more
    taken = [of(RejectStatement, alone.put(StatementAsked(STATEMENT))) for _ in range(4)]
    assert [len(refused) for refused in taken] == [0, 0, 1, 1]
    assert "as much waits" in taken[-1][0].reason


def test_a_statement_is_refused_at_once_where_it_cannot_go_into_the_log() -> None:
    alone = Alone(Policy(unapplied_bytes_max=1))
    alone.put(Submit((publication(1),)), Flush())
    happened = alone.put(StatementAsked(STATEMENT))
    assert bodies(happened) == []
    assert of(RejectStatement, happened) == [RejectStatement("r1", "outputs or the engine are behind")]
    passive = Member(MemberConfig("c", ME.node, ()))
    now = Now(MonotonicMs(0), WallMs(0))
    passive.step(Start(ME.incarnation, (), None, 0, ()), now)
    (refused,) = of(RejectStatement, list(passive.step(StatementAsked(STATEMENT), now)))
    assert refused == RejectStatement("r1", "this node is starting, not active")


def failure(sequence: int, plan: str = "p") -> Quarantine:
    return Quarantine(Sequence(sequence), plan, (), suspends=False, cause="killed", reason="SIGSEGV")


def test_an_entry_that_the_engine_cannot_apply_is_quarantined_by_the_log_and_handed_over_again() -> None:
    alone = Alone()
    alone.apply_all()
    alone.put(Submit((publication(1),)), Flush())
    bad = alone.member.replica.handed_through
    effects = alone.put(ApplyFailed(failure(bad)))
    assert bodies(effects) == [failure(bad)]
    assert [fact.event for fact in of(Fact, effects)] == ["event_quarantined"]
    [apply] = of(Apply, effects)
    assert [entry.sequence for entry in apply.entries] == [bad, bad + 1]
    assert apply.quarantined == (failure(bad),)


def test_an_entry_of_which_nothing_is_left_and_that_still_fails_stops_the_node() -> None:
    alone = Alone()
    alone.apply_all()
    alone.put(Submit((publication(1),)), Flush())
    bad = alone.member.replica.handed_through
    alone.put(ApplyFailed(failure(bad, "")))
    [halt] = of(Halt, alone.put(ApplyFailed(failure(bad, ""))))
    assert "everything is left out" in halt.reason
