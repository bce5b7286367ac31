"""A node's certificates: which port shows which, reload, and the word before they end."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from eiha.errors import ConfigurationError
from eiha.node.config_reader import read_config
from eiha.node.node_tls import ARBITER, NodeTls
from eiha.observability.logs import EventLog
from eiha.transport.issue_certificates import Wanted, issue, make_authority
from eiha.transport.tls import EndpointContext

LEAST = '[cluster]\nnode = "node1"\ndomain = "d"\nsecret = "a-secret-for-tests"\n'


@pytest.fixture
def own(tmp_path: Path) -> Path:
    make_authority(tmp_path, "authority")
    for name in ("node1", "public"):
        issue(tmp_path, Wanted(name, "d", ("127.0.0.1",)))
    return tmp_path


def node_tls(own: Path, more: str = "") -> NodeTls:
    path = own / "node.toml"
    tls = f'[tls]\ncertificate = "{own}/node1.pem"\nprivate_key = "{own}/node1.key"\nca = "{own}/ca.pem"\n'
    path.write_text(LEAST + tls + more)
    return NodeTls(read_config(path, {}), EventLog(logging.getLogger("test.tls")))


def shown(tls: NodeTls, port: str) -> str:
    make = tls.listening(port)
    assert make is not None
    context = make()
    assert isinstance(context, EndpointContext)
    assert context.own is not None
    return context.own.subject


def test_each_port_shows_its_own_certificate(own: Path) -> None:
    tls = node_tls(own, f'[tls_ports.http]\ncertificate = "{own}/public.pem"\nprivate_key = "{own}/public.key"\n')
    assert [shown(tls, port) for port in ("management", "event_sync", "ingest")] == ["CN=node1"] * 3
    assert shown(tls, "http") == "CN=public"
    assert tls.dialling("management") is not None
    assert tls.dialling(ARBITER) is None
    assert node_tls(own, '[tls_ports.http]\ntls = "off"\n').listening("http") is None
    assert node_tls(own, '[witness]\narbiter = "tls://127.0.0.1:1"\n').dialling(ARBITER) is not None


def test_without_certificates_nothing_is_encrypted(tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_text(LEAST)
    tls = NodeTls(read_config(path, {}), EventLog(logging.getLogger("test.tls")))
    assert tls.listening("ingest") is tls.dialling("management") is tls.own is None
    assert tls.days_left() == -1
    tls.watch_expiry()
    tls.reload()


def test_a_reload_holds_for_the_next_connection_and_a_failed_one_changes_nothing(own: Path) -> None:
    tls = node_tls(own)
    make = tls.listening("ingest")
    assert make is not None
    before = make()
    renewed = issue(own, Wanted("node1", "d", ("127.0.0.1",), days=90))
    tls.reload()
    assert tls.own == renewed
    assert make() is not before
    after = make()
    (own / "node1.key").write_text("no key")
    with pytest.raises(ConfigurationError, match=r"TLS of management: certificate .*node1.pem and key"):
        tls.reload()
    assert make() is after
    assert tls.own == renewed


@pytest.mark.parametrize(
    ("days", "level", "text"),
    [(397, "", ""), (31, "", ""), (29, "WARNING", "ends at"), (-2, "ERROR", "nobody accepts it")],
)
def test_the_end_of_a_certificate_is_told_once_a_day_from_thirty_days_before(
    own: Path, caplog: pytest.LogCaptureFixture, days: int, level: str, text: str
) -> None:
    issue(own, Wanted("node1", "d", ("127.0.0.1",), days=days))
    tls = node_tls(own)
    tls.watch_expiry()
    tls.watch_expiry()
    told = [(record.levelname, text in record.getMessage()) for record in caplog.records]
    assert told == ([(level, True)] if level else [])
    assert days - 1 <= tls.days_left() <= days


def test_what_is_sent_in_the_clear_is_said(own: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    tls = node_tls(own, '[tls_ports.http]\ntls = "off"\n[http]\nhost = "0.0.0.0"\nallow_plaintext = true\n')
    tls.say_what_is_plain()
    (line,) = caplog.records
    assert "http listens on 0.0.0.0:9763 without encryption" in line.getMessage()
