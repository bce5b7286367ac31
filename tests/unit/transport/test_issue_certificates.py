"""Certificates as OpenSSL and strict clients want them, in files that only their owner reads."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from eiha.cli.main import main
from eiha.errors import ConfigurationError
from eiha.transport.issue_certificates import Wanted, issue, make_authority
from eiha.transport.tls import TlsFiles, dialling_context, listening_context, read_certificate


def test_the_command_makes_an_authority_once_and_certificates_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "ca")
    node = [
        "certificates",
        "--out",
        out,
        "--domain",
        "flights",
        "--node",
        "node1",
        "--host",
        "10.0.0.1",
        "--host",
        "n1",
    ]
    assert main(node) == 0
    authority = (tmp_path / "ca" / "ca.pem").read_bytes()
    facts = read_certificate(tmp_path / "ca" / "node1.pem")
    assert facts.names == ("eiha://flights/node1", "n1", "10.0.0.1")
    assert timedelta(days=396) < facts.not_after - datetime.now(UTC) < timedelta(days=398)
    assert f'pins = "{facts.pin}" pins node1' in capsys.readouterr().out
    assert main(["certificates", "--out", out, "--client", "reader", "--days", "5"]) == 0
    assert (tmp_path / "ca" / "ca.pem").read_bytes() == authority
    assert read_certificate(tmp_path / "ca" / "reader.pem").names == ()
    for name in ("ca", "node1", "reader"):
        assert stat.S_IMODE((tmp_path / "ca" / f"{name}.key").stat().st_mode) == 0o600


def test_a_renewed_certificate_has_a_new_key_and_so_a_new_pin(tmp_path: Path) -> None:
    make_authority(tmp_path, "authority")
    pins = {issue(tmp_path, Wanted("node1", "flights")).pin for _ in range(2)}
    assert len(pins) == 2


@pytest.mark.parametrize(
    ("name", "domain", "host", "expected"),
    [
        ("ca", "d", "h", "cannot name a certificate"),
        ("../x", "d", "h", "cannot name a certificate"),
        ("n", "d", "é", "neither an address nor a host name"),
        ("n", "dé", "h", "cannot stand in a certificate"),
    ],
)
def test_a_name_that_cannot_be_is_refused(tmp_path: Path, name: str, domain: str, host: str, expected: str) -> None:
    make_authority(tmp_path, "authority")
    with pytest.raises(ConfigurationError, match=expected):
        issue(tmp_path, Wanted(name, domain, (host,)))


def test_half_an_authority_is_not_replaced(tmp_path: Path) -> None:
    make_authority(tmp_path, "authority")
    (tmp_path / "ca.key").unlink()
    with pytest.raises(ConfigurationError, match="put the other back"):
        make_authority(tmp_path, "authority")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        issue(tmp_path, Wanted("node1"))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"certificate": "absent.pem"}, "no certificate .* can be read"),
        ({"key": "other.key"}, "cannot be used together"),
        ({"key": "node1.pem"}, "cannot be used together"),
        ({"authority": "node1.key"}, "ca .* cannot be used"),
        ({"authority": "absent.pem"}, "ca .* cannot be used"),
    ],
)
def test_files_that_cannot_be_used_are_refused_by_name(tmp_path: Path, change: dict[str, str], expected: str) -> None:
    make_authority(tmp_path, "authority")
    for name in ("node1", "other"):
        issue(tmp_path, Wanted(name))
    given = {"certificate": "node1.pem", "key": "node1.key", "authority": "ca.pem"} | change
    files = TlsFiles(**{part: str(tmp_path / name) for part, name in given.items()})
    for make in (lambda: listening_context(files, "required"), lambda: dialling_context(files, check_host=True)):
        with pytest.raises(ConfigurationError, match=expected):
            make()


def test_a_listener_lacks_nothing_it_was_asked_for(tmp_path: Path) -> None:
    make_authority(tmp_path, "authority")
    issue(tmp_path, Wanted("node1"))
    own = TlsFiles(str(tmp_path / "node1.pem"), str(tmp_path / "node1.key"))
    with pytest.raises(ConfigurationError, match="needs a ca"):
        listening_context(own, "optional")
    with pytest.raises(ConfigurationError, match="needs a certificate"):
        listening_context(TlsFiles(), "none")
    assert listening_context(own, "none").num_tickets == 0, "a resumed session shows no certificate"
