from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from eiha.ha.effects import Effect, Fact
from eiha.ha.inputs import AcceptLossAsked, Flush, Input, Start, StopAsked, SwitchoverAsked, Tick
from eiha.kernel.ids import Incarnation, Now, Sequence
from eiha.node.member_loop import MemberLoop
from eiha.node.system_clock import read_clocks
from eiha.observability.node_metrics import NodeMetrics
from eiha.protocol.vitals import EngineAt

AT_ENTRY = EngineAt(1, "entry", Sequence(1))
START = Start(Incarnation("i"), (), None, 0, ())


class Recorder:
    """A member that notes its inputs and answers each ``SwitchoverAsked`` with one fact."""

    def __init__(self) -> None:
        self.inputs: list[Input] = []
        self.react: Callable[[Input], None] = lambda _input: None
        self.flush_wanted = True

    def step(self, happened: Input, now: Now) -> tuple[Effect, ...]:
        self.inputs.append(happened)
        self.react(happened)
        return (Fact("info", "x", ""),) if isinstance(happened, SwitchoverAsked) else ()


class Running:
    def __init__(
        self, carry_out: Callable[[Effect], None] | None = None, settled: Callable[[], None] = lambda: None
    ) -> None:
        self.member = Recorder()
        self.failures: list[BaseException] = []
        self.late: list[float] = []
        self.metrics = NodeMetrics()
        self.loop = MemberLoop(
            self.member,
            read_clocks,
            carry_out or (lambda _effect: None),
            self.failures.append,
            self.metrics,
            self.late.append,
            settled=settled,
            engine_at=lambda: AT_ENTRY,
            turned=self.turned,
        )
        self.turns = 0

    def turned(self) -> None:
        self.turns += 1


async def test_inputs_of_one_turn_are_flushed_once() -> None:
    running = Running()
    running.loop.feed(START)
    running.loop.feed(StopAsked())
    running.loop.feed(AcceptLossAsked())
    await asyncio.sleep(0)
    assert running.member.inputs == [START, StopAsked(), AcceptLossAsked(), Flush()]
    running.loop.feed(StopAsked())
    await asyncio.sleep(0)
    assert running.member.inputs[4:] == [StopAsked(), Flush()]


async def test_a_member_that_keeps_nothing_back_is_not_flushed() -> None:
    running = Running()
    running.member.flush_wanted = False
    running.loop.feed(START)
    running.loop.feed(StopAsked())
    await asyncio.sleep(0)
    assert running.member.inputs == [START, StopAsked()]


async def test_inputs_that_come_while_the_shells_settle_are_taken_before_the_turn_ends() -> None:
    ends: list[int] = []

    def settled() -> None:
        ends.append(len(running.member.inputs))
        if len(ends) == 1:
            running.loop.feed(SwitchoverAsked())

    running = Running(settled=settled)
    running.loop.feed(START)
    assert running.member.inputs == [START, SwitchoverAsked()]
    assert ends == [1, 2]


async def test_the_shells_are_told_once_when_no_input_waits_any_more() -> None:
    order: list[str] = []
    running = Running(
        lambda _effect: (order.append("effect"), running.loop.feed(StopAsked()))[0],
        settled=lambda: order.append("settled"),
    )
    running.loop.feed(START)
    order.clear()
    running.member.react = lambda happened: order.append(type(happened).__name__)
    running.loop.feed(SwitchoverAsked())
    assert order == ["SwitchoverAsked", "effect", "StopAsked", "settled"]


async def test_what_comes_before_the_start_waits_for_it() -> None:
    running = Running()
    running.member.flush_wanted = False
    running.loop.feed(StopAsked())
    await asyncio.sleep(0)
    assert running.member.inputs == []
    running.loop.feed(START)
    assert running.member.inputs == [START, StopAsked()]


async def test_an_input_that_an_effect_causes_is_taken_after_the_step() -> None:
    order: list[str] = []
    running = Running(lambda _effect: (order.append("effect"), running.loop.feed(StopAsked()))[0])
    running.loop.feed(START)
    running.member.react = lambda happened: order.append(type(happened).__name__)
    running.loop.feed(SwitchoverAsked())
    assert order == ["SwitchoverAsked", "effect", "StopAsked"]


async def test_a_member_that_raises_ends_everything() -> None:
    running = Running()
    running.loop.feed(START)

    def fail(happened: Input) -> None:
        raise AssertionError("an invariant")

    running.member.react = fail
    running.loop.feed(StopAsked())
    running.loop.feed(AcceptLossAsked())
    await asyncio.sleep(0)
    assert [str(error) for error in running.failures] == ["an invariant"]
    assert running.member.inputs == [START, StopAsked()]


async def test_other_threads_feed_through_the_loop() -> None:
    running = Running()
    running.loop.feed(START)
    await asyncio.to_thread(running.loop.feed_from_thread, StopAsked())
    await asyncio.sleep(0)
    assert StopAsked() in running.member.inputs


async def test_time_passes_and_a_late_loop_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eiha.node.member_loop.LAG_WARNING_S", 0.01)
    running = Running()
    running.loop.feed(START)
    blocked = False

    def block_once(happened: Input) -> None:
        nonlocal blocked
        if isinstance(happened, Tick) and not blocked:
            blocked = True
            until = asyncio.get_running_loop().time() + 0.05
            while asyncio.get_running_loop().time() < until:
                pass

    running.member.react = block_once
    ticking = asyncio.create_task(running.loop.tick_forever(0.005))
    async with asyncio.timeout(10):
        while not running.late:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    ticking.cancel()
    assert running.late[0] > 0.01
    assert running.metrics.loop_lag.count > 0
    ticks = [happened for happened in running.member.inputs if isinstance(happened, Tick)]
    assert max(tick.loop_lag_ms for tick in ticks) >= 10
    assert running.turns == len(ticks)
    assert {tick.engine for tick in ticks} == {AT_ENTRY}
