"""Nodes and the arbiter over TLS, with the secret's proof bound to the certificates."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from eiha.ha.witness_row import Read, Unknown
from eiha.kernel.ids import Incarnation, NodeId
from eiha.net.arbiter_server import ArbiterServer, ArbiterSettings, Asker
from eiha.net.arbiter_witness import ArbiterAddress, ArbiterWitness
from eiha.observability.logs import EventLog
from eiha.protocol.witness_messages import RowHeld, WitnessRequest
from eiha.transport.gated_listener import MakeContext
from eiha.transport.issue_certificates import Wanted, issue, make_authority
from eiha.transport.tls import TlsFiles, dialling_context, listening_context

SECRET, FORMER = b"the present secret", b"the former secret"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("certificates")
    for authority in (directory, directory / "other"):
        make_authority(authority, str(authority))
    for name, hosts in (("third", ("127.0.0.1",)), ("elsewhere", ("10.9.9.9",)), ("node1", ())):
        issue(directory, Wanted(name, hosts=hosts))
    return directory


def dialling(authority: Path, certificate: Path | None = None) -> MakeContext:
    own = (f"{certificate}.pem", f"{certificate}.key") if certificate is not None else ("", "")
    context = dialling_context(TlsFiles(*own, str(authority / "ca.pem")), check_host=True)
    return lambda: context


async def asked(
    certificates: Path,
    tls: MakeContext | None,
    *,
    shown: str = "third",
    client_auth: str = "none",
    secret: bytes = SECRET,
    previous: bytes = b"",
) -> Read | Unknown:
    """What a node reads at an arbiter with certificate ``shown``, which knows both secrets."""
    files = TlsFiles(
        str(certificates / f"{shown}.pem"), str(certificates / f"{shown}.key"), str(certificates / "ca.pem")
    )
    context = listening_context(files, client_auth)
    settings = ArbiterSettings("127.0.0.1", 0, {"c": SECRET}, "the arbiter", 60.0, {"c": FORMER}, lambda: context)

    def answer(asker: Asker, request: WitnessRequest) -> None:
        asker.answer(RowHeld(request.request, None, b""))

    server = ArbiterServer(settings, answer, EventLog(logging.getLogger("test.arbiter.tls")))
    port = await server.start()
    address = ArbiterAddress("127.0.0.1", port, "c", NodeId("node1"), Incarnation("disk"), secret, previous, tls)
    witness = ArbiterWitness(address, timeout_s=5.0)
    try:
        return await witness.read()
    finally:
        await witness.close()
        await server.stop()


@pytest.mark.parametrize("client_auth", ["none", "required"])
async def test_a_node_reads_over_tls(certificates: Path, client_auth: str) -> None:
    tls = dialling(certificates, certificates / "node1")
    assert await asked(certificates, tls, client_auth=client_auth) == Read(None)


@pytest.mark.parametrize(("secret", "previous"), [(FORMER, b""), (b"a secret to come", SECRET), (SECRET, FORMER)])
async def test_either_of_two_secrets_is_taken_while_it_is_changed(
    certificates: Path, secret: bytes, previous: bytes
) -> None:
    assert await asked(certificates, dialling(certificates), secret=secret, previous=previous) == Read(None)


async def test_an_arbiter_that_is_not_the_one_that_was_dialled_is_told_nothing(certificates: Path) -> None:
    for tls, shown, expected in (
        (dialling(certificates / "other"), "third", "of the ca here|that the ca here"),
        (dialling(certificates), "elsewhere", "does not name the address that was dialled"),
    ):
        found = await asked(certificates, tls, shown=shown)
        assert isinstance(found, Unknown)
        assert any(part in found.cause for part in expected.split("|")), found.cause


async def test_a_node_without_tls_or_without_a_certificate_that_is_asked_for_reads_nothing(certificates: Path) -> None:
    assert isinstance(await asked(certificates, None), Unknown)
    assert isinstance(await asked(certificates, dialling(certificates), client_auth="required"), Unknown)
