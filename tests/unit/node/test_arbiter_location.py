from __future__ import annotations

import pytest

from eiha.node.arbiter_location import ArbiterLocation, parse_arbiter


@pytest.mark.parametrize(
    ("text", "location"),
    [
        ("tcp://third:11226", ArbiterLocation("third", 11226)),
        ("tls://third:11226", ArbiterLocation("third", 11226, tls=True)),
        ("tcp://10.0.0.3:1", ArbiterLocation("10.0.0.3", 1)),
        ("tcp://[fd00::3]:65535", ArbiterLocation("fd00::3", 65535)),
    ],
)
def test_a_host_and_a_port_are_a_location(text: str, location: ArbiterLocation) -> None:
    assert parse_arbiter(text) == location


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("third:11226", "does not begin with tls:// or tcp://"),
        ("http://third:80", "does not begin with tls:// or tcp://"),
        ("tcp://third", "names no port"),
        ("tcp://third:0", "names no port"),
        ("tcp://third:65536", "is none"),
        ("tcp://:11226", "names no host"),
        ("tcp://third:11226/x", "nothing but a host and a port"),
        ("tcp://u:secret@third:11226", "nothing but a host and a port"),
    ],
)
def test_anything_else_is_not_and_the_reason_is_told(text: str, why: str) -> None:
    found = parse_arbiter(text)
    assert isinstance(found, str)
    assert why in found
    assert "secret@" not in found
