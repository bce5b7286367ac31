from __future__ import annotations

import asyncio
import logging
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eiha.kernel.ids import Incarnation, NodeId
from eiha.net.discovery import (
    Announcement,
    MulticastDiscovery,
    MulticastGroup,
    decode_announcement,
    encode_announcement,
)
from eiha.net.member_address import MemberLocation
from eiha.observability.logs import EventLog

SECRET = b"a secret for tests"


def location(node: str) -> MemberLocation:
    return MemberLocation(NodeId(node), "127.0.0.1", "127.0.0.1", 10_005, 11_224, 9_763, 11_225)


def test_an_announcement_comes_back_as_it_was_sent() -> None:
    datagram = encode_announcement("d", location("node1"), Incarnation("i"), SECRET)
    assert decode_announcement(datagram, "d", SECRET) == Announcement(location("node1"), Incarnation("i"))


def test_an_announcement_of_another_domain_is_passed_over() -> None:
    assert decode_announcement(encode_announcement("e", location("node1"), Incarnation("i"), b"x"), "d", SECRET) is None


def test_an_announcement_under_another_secret_is_refused() -> None:
    refused = decode_announcement(encode_announcement("d", location("node1"), Incarnation("i"), b"x"), "d", SECRET)
    assert isinstance(refused, str)
    assert "check cluster.secret" in refused


@given(st.binary(max_size=200))
def test_any_datagram_may_come(data: bytes) -> None:
    assert decode_announcement(data, "d", SECRET) is None


@given(st.integers(0, 200), st.integers(1, 255))
def test_a_changed_announcement_is_never_taken(position: int, change: int) -> None:
    datagram = bytearray(encode_announcement("d", location("node1"), Incarnation("i"), SECRET))
    datagram[position % len(datagram)] ^= change
    assert not isinstance(decode_announcement(bytes(datagram), "d", SECRET), Announcement)


async def test_two_nodes_find_each_other_and_a_third_domain_does_not_disturb(caplog: pytest.LogCaptureFixture) -> None:
    group = MulticastGroup("239.7.7.7", 20_000 + os.getpid() % 20_000, 0, "127.0.0.1", 0.02)
    found: dict[str, MemberLocation] = {}

    def node(name: str, domain: str) -> MulticastDiscovery:
        return MulticastDiscovery(
            group,
            domain,
            location(name),
            Incarnation(name),
            SECRET,
            lambda heard: found.__setitem__(name, heard),
            EventLog(logging.getLogger("test")),
        )

    tasks = [asyncio.create_task(node(*who).run()) for who in (("node1", "d"), ("node2", "d"), ("node1", "other"))]
    try:
        async with asyncio.timeout(10):
            while set(found) != {"node1", "node2"}:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    assert found == {"node1": location("node2"), "node2": location("node1")}
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
