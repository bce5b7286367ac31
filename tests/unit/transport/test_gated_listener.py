"""The gate with real sockets and real TLS."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from eiha.transport.admission_limits import AdmissionLimits
from eiha.transport.gated_listener import Admission, GatedListener
from eiha.transport.issue_certificates import Wanted, issue, make_authority
from eiha.transport.tls import (
    EndpointContext,
    TlsFiles,
    certificate_facts,
    dialling_context,
    fingerprint,
    listening_context,
    own_fingerprint,
    peer_certificate,
)

DEADLINE_S = 10.0


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("certificates")
    make_authority(directory, "authority")
    for name in ("node1", "node2"):
        issue(directory, Wanted(name, "cluster", ("127.0.0.1",)))
    issue(directory, Wanted("old", "cluster", ("127.0.0.1",), days=-1))
    make_authority(directory / "other", "another authority")
    issue(directory / "other", Wanted("node2", "cluster", ("127.0.0.1",)))
    return directory


def files(directory: Path, name: str, authority: Path | None = None) -> TlsFiles:
    return TlsFiles(
        str(directory / f"{name}.pem"), str(directory / f"{name}.key"), str((authority or directory) / "ca.pem")
    )


class Echo(asyncio.Protocol):
    """Sends back what comes."""

    made: list[Echo]

    def __init__(self, admission: Admission, made: list[Echo]) -> None:
        self.admission = admission
        self.transport: Any = None
        made.append(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.admission.end()


Serving = Callable[..., contextlib.AbstractAsyncContextManager[tuple[GatedListener, tuple[str, int], list[Echo]]]]


@contextlib.asynccontextmanager
async def serving(
    **options: Any,
) -> AsyncIterator[tuple[GatedListener, tuple[str, int], list[Echo], list[tuple[str, str, str]]]]:
    made: list[Echo] = []
    refused: list[tuple[str, str, str]] = []
    gate = GatedListener(lambda admission: Echo(admission, made), refused=lambda *told: refused.append(told), **options)
    address = await gate.start("127.0.0.1", 0)
    try:
        yield gate, address, made, refused
    finally:
        gate.close()
        await gate.wait_closed()
        for echo in made:
            echo.transport.abort()
        await asyncio.sleep(0.01)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def echoed(address: tuple[str, int], context: ssl.SSLContext | None = None, said: bytes = b"word") -> bytes:
    """What comes back of a word; empty when the connection is closed instead."""
    reader, writer = await asyncio.open_connection(*address, ssl=context)
    try:
        writer.write(said)
        async with asyncio.timeout(DEADLINE_S):
            return await reader.read(4)
    except ConnectionError:
        return b""
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def test_a_connection_over_a_bound_is_closed_and_counted_and_leaving_makes_room() -> None:
    async with serving(limits=AdmissionLimits(connections_per_address_max=1)) as (gate, address, made, refused):
        reader, writer = await asyncio.open_connection(*address)
        await until(lambda: made)
        assert await echoed(address) == b""
        assert gate.refused_by_code == {"connections-per-address": 1}
        assert refused == [("connections-per-address", "127.0.0.1", "")]
        writer.close()
        await until(lambda: gate.book.connections == 0)
        assert await echoed(address) == b"word"
        del reader


async def test_both_sides_see_the_same_pair_of_certificates(certificates: Path) -> None:
    listening = listening_context(files(certificates, "node1"), "required")
    dialling = dialling_context(files(certificates, "node2"), check_host=True)
    async with serving(tls=lambda: listening) as (_, address, made, _refused):
        reader, writer = await asyncio.open_connection(*address, ssl=dialling)
        writer.write(b"word")
        assert await reader.readexactly(4) == b"word"
        (echo,) = made
        theirs, ours = writer.transport, echo.transport
        assert fingerprint(peer_certificate(ours)) == own_fingerprint(theirs) != b""
        assert fingerprint(peer_certificate(theirs)) == own_fingerprint(ours) != b""
        assert certificate_facts(peer_certificate(ours)).names == ("eiha://cluster/node2", "127.0.0.1")
        assert writer.get_extra_info("ssl_object").version() == "TLSv1.3"
        writer.close()


@pytest.mark.parametrize(
    ("dialler", "code", "sentence"),
    [
        (lambda own: files(own / "other", "node2", own), "certificate-refused", "authority"),
        (lambda own: files(own, "old"), "certificate-refused", "expired"),
        (lambda own: TlsFiles(authority=str(own / "ca.pem")), "certificate-missing", "showed no certificate"),
    ],
    ids=["another authority", "expired", "none"],
)
async def test_a_certificate_that_is_not_good_is_refused_before_the_protocol(
    certificates: Path, dialler: Callable[[Path], TlsFiles], code: str, sentence: str
) -> None:
    listening = listening_context(files(certificates, "node1"), "required")
    context = dialling_context(dialler(certificates), check_host=True)
    async with serving(tls=lambda: listening) as (gate, address, made, refused):
        with contextlib.suppress(OSError):
            assert await echoed(address, context) == b""
        await until(lambda: refused)
        assert refused[0][0] == code
        assert sentence in refused[0][2]
        assert made == []
        assert gate.book.connections == 0


async def test_a_plain_connection_to_an_encrypted_port_is_told_what_is_wrong(certificates: Path) -> None:
    listening = listening_context(files(certificates, "node1"), "none")
    async with serving(tls=lambda: listening) as (gate, address, _made, refused):
        await echoed(address, said=b"GET / HTTP/1.1\r\n\r\n")
        await until(lambda: refused)
        assert "does not speak TLS" in refused[0][2]
        assert gate.refused_by_code == {"tls-failed": 1}


async def test_a_handshake_that_does_not_end_is_ended_and_too_many_make_room(certificates: Path) -> None:
    listening = listening_context(files(certificates, "node1"), "none")
    limits = AdmissionLimits(handshakes_max=2)
    async with serving(tls=lambda: listening, limits=limits, handshake_timeout_s=0.3) as (gate, address, made, _):
        silent = [socket.create_connection(address) for _ in range(5)]
        await until(lambda: gate.refused_by_code.get("handshakes-max", 0) == 3)
        await until(lambda: gate.refused_by_code.get("handshake-timeout", 0) == 2)
        await until(lambda: gate.book.connections == 0)
        assert made == []
        for each in silent:
            each.close()


async def test_another_context_holds_from_the_next_connection_on(certificates: Path) -> None:
    contexts: list[EndpointContext] = [listening_context(files(certificates, "node1"), "none")]
    dialling = dialling_context(TlsFiles(authority=str(certificates / "ca.pem")), check_host=True)
    async with serving(tls=lambda: contexts[-1]) as (_, address, _made, _refused):
        _, kept = await asyncio.open_connection(*address, ssl=dialling)
        contexts.append(listening_context(files(certificates, "node2"), "none"))
        _, later = await asyncio.open_connection(*address, ssl=dialling)
        shown = [certificate_facts(peer_certificate(each.transport)).subject for each in (kept, later)]
        assert shown == ["CN=node1", "CN=node2"]
        assert not kept.transport.is_closing()
        kept.close()
        later.close()


async def test_a_stopped_gate_leaves_no_listener_and_can_be_started_again() -> None:
    gate = GatedListener(lambda admission: Echo(admission, []))
    address = await gate.start("127.0.0.1", 0)
    gate.close()
    await gate.wait_closed()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*address)
    assert await gate.start(*address) == address
    gate.close()
    await gate.wait_closed()
