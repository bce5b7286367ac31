"""MariaDB over TLS: the server is judged by its certificate, and nothing is asked of one that cannot show it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from eiha.errors import StoreUnavailable
from eiha.storage.datasource import DatabaseTls, describe, parse_datasource
from eiha.storage.dedicated_connection import DATABASE_ERRORS, DedicatedConnection, Session
from eiha.transport.issue_certificates import Wanted, issue, make_authority
from tools import mariadb

pytestmark = [pytest.mark.mariadb, pytest.mark.processes, pytest.mark.timeout(120)]


@dataclass(frozen=True, slots=True)
class Served:
    """A server with a certificate for 127.0.0.1, beside others of no use to it."""

    url: str
    certificates: Path


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    certificates = tmp_path_factory.mktemp("certificates")
    make_authority(certificates, "authority")
    make_authority(certificates / "other", "another authority")
    issue(certificates, Wanted("server", hosts=("127.0.0.1",)))
    directory = tmp_path_factory.mktemp("server")
    own = certificates / "server"
    try:
        server = mariadb.start(
            directory, options=(f"--ssl-cert={own}.pem", f"--ssl-key={own}.key", f"--ssl-ca={certificates / 'ca.pem'}")
        )
    except mariadb.ServerError as error:
        pytest.skip(str(error))
    try:
        yield Served(server.url, certificates)
    finally:
        mariadb.stop(directory)


async def cipher(served: Served, tls: DatabaseTls, url: str = "") -> str:
    """What the connection is encrypted with; empty when it is not."""

    async def prepare(_session: Session) -> None:
        """Nothing."""

    async def ask(session: Session) -> str:
        found = (await session.execute("SHOW SESSION STATUS LIKE 'Ssl_cipher'")).one()
        return str(found[1])

    connection = DedicatedConnection(parse_datasource(url or served.url, tls=tls), prepare)
    try:
        return await connection.run(ask, timeout_s=20.0)
    finally:
        await connection.close()


async def test_a_connection_is_encrypted_when_an_authority_is_named_or_tls_is_on(served: Served) -> None:
    authority = str(served.certificates / "ca.pem")
    assert (await cipher(served, DatabaseTls(authority=authority))).startswith("TLS_")
    assert (await cipher(served, DatabaseTls("on", authority))).startswith("TLS_")
    assert (await cipher(served, DatabaseTls(), f"{served.url}?ssl_ca={authority}")).startswith("TLS_")
    assert await cipher(served, DatabaseTls("off")) == ""
    assert await cipher(served, DatabaseTls()) == ""


@pytest.mark.parametrize("tls", ["another authority", "the system's authorities"])
async def test_a_server_whose_certificate_is_not_good_is_not_used(served: Served, tls: str) -> None:
    authority = str(served.certificates / "other" / "ca.pem") if tls == "another authority" else ""
    with pytest.raises((StoreUnavailable, *DATABASE_ERRORS)) as refused:
        await cipher(served, DatabaseTls("on", authority))
    assert "TLS: " in describe(refused.value)
    assert "authority" in describe(refused.value) or "signed itself" in describe(refused.value)
