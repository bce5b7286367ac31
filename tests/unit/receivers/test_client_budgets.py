"""What clients may leave unfinished, how fast they may send, how often they may guess."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from eiha.protocol import client_messages as messages
from eiha.protocol.framing import encode_frame
from eiha.receivers import tcp
from eiha.receivers.client_budgets import ClientRates, UnfinishedFrames
from eiha.receivers.tcp import CODE_OVERLOADED, CODE_THROTTLED, CODE_TOO_SLOW, TcpLimits
from tests.unit.receivers.memory_intake import MemoryIntake, MemoryLog
from tests.unit.receivers.test_tcp import ROWS, frame, publish, receiver


def hello(name: str, token: str = "") -> messages.Hello:
    return messages.Hello(1, 1, name, token, False)


def test_whose_frame_is_unfinished_longest_has_to_go() -> None:
    held: UnfinishedFrames[str] = UnfinishedFrames(100)
    assert held.note("old", 40, 1.0, new_frame=True) is None
    assert held.note("young", 40, 2.0, new_frame=True) is None
    assert held.note("young", 70, 3.0, new_frame=False) == "old"
    held.forget("old")
    assert held.size == 70
    assert held.note("third", 40, 4.0, new_frame=True) == "young"
    assert held.older_than(1.5, 4.0) == ["young"]
    held.touch("young", 4.0)
    assert held.older_than(1.5, 4.0) == []
    assert held.note("young", 0, 5.0, new_frame=True) is None
    assert held.size == 40


def test_rates_are_kept_for_each_client_over_all_it_sends() -> None:
    rates = ClientRates(events_per_s=100, bytes_per_s=1_000)
    assert rates.take("a", 100, 10, 0.0) == 0
    assert rates.take("a", 50, 10, 0.0) == pytest.approx(0.5)
    assert rates.take("b", 1, 3_000, 0.0) == pytest.approx(2.0)
    assert rates.wait_s("a", 0.5) == 0
    assert ClientRates().take("a", 1 << 60, 1 << 60, 0.0) == 0


async def test_halves_of_frames_of_all_clients_together_are_bounded() -> None:
    async with receiver(limits=TcpLimits(receive_bytes_max=100_000)) as (served, connect):
        clients = []
        for number in range(4):
            client = await connect()
            await client.hello(hello(f"c{number}"))
            client.send(encode_frame(66, b"x" * 90_000)[:40_000])
            clients.append(client)
            expected = 40_000 * min(number + 1, 2)
            async with asyncio.timeout(10):
                while served.unfinished.size != expected:  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
        for client in clients[:2]:
            while not isinstance(refused := await client.receive(), messages.Failed):
                assert refused is not None
            assert refused.code == CODE_OVERLOADED
        assert served.rejected_by_code[CODE_OVERLOADED] == 2
        assert len(served.connections) == 2


async def test_a_message_that_does_not_become_whole_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "SWEEP_S", 0.02)
    async with receiver(limits=TcpLimits(frame_timeout_s=0.1)) as (served, connect):
        client = await connect()
        await client.hello()
        client.send(frame(publish(1))[:20])
        while not isinstance(refused := await client.receive(), messages.Failed):
            assert refused is not None
        assert refused.code == CODE_TOO_SLOW
        assert served.unfinished.size == 0


async def test_a_client_over_its_rate_is_read_later_and_loses_nothing() -> None:
    intake = MemoryIntake(MemoryLog())
    rates = ClientRates(events_per_s=2 * len(ROWS))
    async with receiver(intake, rates=rates) as (served, connect):
        client = await connect()
        await client.hello()
        begun = asyncio.get_running_loop().time()
        for number in range(1, 7):
            client.send(publish(number))
            got: Any = None
            while got != messages.Acked(number):
                got = await client.receive()
        assert asyncio.get_running_loop().time() - begun > 1.0, "6 publications at 2 a second, 2 of them at once"
        assert served.rejected_by_code[CODE_THROTTLED] >= 1
        assert intake.log.rows() == ROWS * 6


async def test_wrong_tokens_are_answered_later_and_later_and_the_right_one_at_once() -> None:
    async with receiver(token="the right one") as (_, connect):
        loop = asyncio.get_running_loop()
        took = []
        for _ in range(5):
            client = await connect()
            begun = loop.time()
            client.send(hello("guesser", "a guess"))
            refused = await client.receive()
            assert isinstance(refused, messages.Failed)
            took.append(loop.time() - begun)
        assert took[-1] > 0.4 > max(took[:2])
        client = await connect()
        begun = loop.time()
        await client.hello(hello("good", "the right one"))
        assert loop.time() - begun < 0.4


async def test_clients_that_say_nothing_make_room_for_one_that_does() -> None:
    async with receiver(limits=TcpLimits(connections_max=3)) as (served, connect):
        silent = [await connect() for _ in range(3)]
        client = await connect()
        await client.hello()
        refused = await silent[0].receive()
        assert isinstance(refused, messages.Failed)
        assert refused.code == CODE_OVERLOADED
        assert served.rejected_by_code == {CODE_OVERLOADED: 1}


async def test_connections_of_one_address_are_bounded() -> None:
    async with receiver(limits=TcpLimits(connections_per_address_max=1)) as (served, connect):
        await (await connect()).hello()
        assert await (await connect()).receive() is None
        assert served.gate.refused_by_code == {"connections-per-address": 1}
