"""What a connection asks of its socket."""

from __future__ import annotations

import socket

import pytest

from eiha.net.framed_connection import UNANSWERED_MS, _tune


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this system has no TCP_USER_TIMEOUT")
def test_a_connection_that_is_not_answered_ends_long_before_tcp_gives_up() -> None:
    with socket.socket() as raw:
        _tune(raw, 0)
        assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == UNANSWERED_MS == 10_000
        assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
