"""What is refused of a configuration because something would be sent in the clear, or TLS lacks a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from eiha.errors import ConfigurationError
from eiha.node.config import LISTENING_SECTIONS, NodeConfig
from eiha.node.config_check_tls import is_loopback
from eiha.node.config_reader import read_config
from eiha.node.tls_settings import client_auth, is_encrypted, port_files
from eiha.witness.config import read_arbiter_config

LEAST = '[cluster]\nnode = "node1"\nsecret = "a-secret-for-tests"\n'
TLS = '[tls]\ncertificate = "n.pem"\nprivate_key = "n.key"\nca = "ca.pem"\n'
PINNED = 'members = [{ node = "node2", host = "127.0.0.1", pins = "%s" }]\n'


def read(tmp_path: Path, text: str) -> NodeConfig:
    path = tmp_path / "node.toml"
    path.write_text(text)
    return read_config(path, {})


@pytest.mark.parametrize("section", LISTENING_SECTIONS)
@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.1", "node1.example", "::"])
def test_a_port_beyond_loopback_needs_tls_or_a_word(tmp_path: Path, section: str, host: str) -> None:
    text = f'{LEAST}[{section}]\nhost = "{host}"\n'
    with pytest.raises(ConfigurationError, match=f"node.toml:5: {section}.host is .* not encrypted") as refused:
        read(tmp_path, text)
    assert f"{section}.allow_plaintext = true" in str(refused.value)
    assert getattr(read(tmp_path, text + "allow_plaintext = true\n"), section).allow_plaintext
    assert is_encrypted(read(tmp_path, text + TLS), section)
    with pytest.raises(ConfigurationError, match="not encrypted"):
        read(tmp_path, f'{text}{TLS}[tls_ports.{section}]\ntls = "off"\n')


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("0.0.0.0", False), ("h", False)],
)
def test_only_what_this_machine_alone_reaches_is_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[tls]\nprivate_key = "x"', "tls.private_key is given without tls.certificate"),
        ('[tls]\ncertificate = "x"', "members show each other certificates on management: set tls.ca"),
        (TLS.replace("ca =", "client_auth = 'required'\n#"), "client_auth asks for certificates on http"),
        (TLS + '[tls_ports.htpp]\nca = "x"', "did you mean 'http'?"),
        (TLS + '[tls_ports.management]\nclient_auth = "none"', "management takes no client_auth"),
        ('[tls_ports.http]\nca = "x"', "names no certificate, and [tls] has none either"),
        (PINNED % "sha256:12", "is no pin"),
        (PINNED % ("sha256:" + "0" * 64), "has pins, but the members do not speak TLS"),
        ('[witness]\narbiter = "tcp://third:1"', "write tls:// instead of tcp://, or say witness.allow_plaintext"),
        ('[datasources.d]\nurl = "mysql://h/d"\ntls = "off"\ntls_ca = "x"', "certificates are named beside it"),
    ],
)
def test_what_does_not_fit_together_is_refused_with_the_remedy(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read(tmp_path, LEAST + text + "\n")
    assert expected in str(refused.value)


def test_a_port_may_have_files_and_demands_of_its_own(tmp_path: Path) -> None:
    own = '[tls_ports.http]\ncertificate = "public.pem"\nprivate_key = "public.key"\nclient_auth = "optional"\n'
    config = read(tmp_path, LEAST + TLS + own)
    assert port_files(config, "http").certificate == "public.pem"
    assert port_files(config, "http").authority == "ca.pem"
    assert port_files(config, "ingest").certificate == "n.pem"
    assert [client_auth(config, name) for name in LISTENING_SECTIONS] == ["required", "required", "optional", "none"]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ('host = "10.0.0.3"', "arbiter.host is 10.0.0.3"),
        ('private_key = "x"', "without arbiter.certificate"),
        ('client_auth = "required"', "set arbiter.certificate and arbiter.ca"),
    ],
)
def test_an_arbiter_listens_in_the_clear_beyond_loopback_only_when_told(
    tmp_path: Path, keys: str, expected: str
) -> None:
    path = tmp_path / "witness.toml"
    clusters = 'clusters = [{ domain = "d", secret = "a-secret-for-tests" }]\n'
    path.write_text(f"[arbiter]\n{clusters}{keys}\n")
    with pytest.raises(ConfigurationError, match=expected):
        read_arbiter_config(path, {})
    path.write_text(f'[arbiter]\n{clusters}host = "10.0.0.3"\nallow_plaintext = true\n')
    assert read_arbiter_config(path, {}).arbiter.allow_plaintext
