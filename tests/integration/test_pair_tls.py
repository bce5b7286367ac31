"""The pair over TLS, as real processes: it fails over, reloads its certificates, and keeps out who does not belong."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.local_pair import DOMAIN, LocalPair, NodeProcess, make_certificates
from benchmarks.process_log import logged
from eiha.client import ClientOptions, SyncClient
from eiha.errors import NoNodeReachable
from eiha.transport.issue_certificates import Wanted, issue, make_authority
from eiha.transport.tls import TlsFiles, certificate_facts, dialling_context, read_certificate

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]

PLAN = "@store(type='events') define stream Readings (number long); from Readings select number insert into Out;"
TIMEOUT_S = 60.0
HOSTS = ("127.0.0.1", "localhost")


@pytest.fixture
def plans(tmp_path: Path) -> Path:
    directory = tmp_path / "plans"
    directory.mkdir()
    (directory / "plan.siddhi").write_text(PLAN)
    return directory


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    return make_certificates(tmp_path / "certificates")


@pytest.fixture
def pair(tmp_path: Path, plans: Path, certificates: Path) -> Iterator[LocalPair]:
    with LocalPair(tmp_path / "pair", plans, certificates=certificates) as made:
        yield made


def lines(node: NodeProcess, *levels: str) -> list[str]:
    return [line["message"] for line in logged(node.log) if not levels or line["level"].lower() in levels]


def wait_until(condition: Callable[[], object], what: str, pair: LocalPair) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        told = "\n".join(f"--- {node.name}\n{node.tail()}" for node in pair.nodes)
        assert time.monotonic() < deadline, f"waited {TIMEOUT_S:g} s for {what}\n{told}"
        time.sleep(0.02)


def client(pair: LocalPair, certificates: Path, **more: object) -> SyncClient:
    return SyncClient(pair.ingest, options=ClientOptions(tls_ca=str(certificates / "ca.pem"), **more))  # type: ignore[arg-type]


def publish(sender: SyncClient, first: int) -> None:
    sender.publish_columns("Readings", {"number": list(range(first, first + 10))}).result(TIMEOUT_S)


def test_a_pair_over_tls_fails_over_and_reloads_certificates_without_dropping_a_session(
    pair: LocalPair, certificates: Path
) -> None:
    pair.start()
    active, passive = pair.active(), pair.passive()
    assert active is not None
    assert passive is not None
    with client(pair, certificates) as sender:
        publish(sender, 0)
        former = read_certificate(certificates / f"{active.name}.pem")
        made = issue(certificates, Wanted(active.name, DOMAIN, HOSTS, days=20))
        active.signal(signal.SIGHUP)
        wait_until(lambda: any("certificates read again" in line for line in lines(active)), "the reload", pair)
        assert active.get("/status")[1]["certificate"]["pin"] == made.pin != former.pin
        assert shown_pin(active, certificates) == made.pin
        wait_until(lambda: any("ends at" in line for line in lines(active, "warning")), "a word on the end", pair)
        assert active.role() == ("active", "synced"), "the sessions stayed"
        publish(sender, 10)
        (certificates / f"{active.name}.key").rename(certificates / "kept.key")
        (certificates / f"{active.name}.key").write_text("no key")
        active.signal(signal.SIGHUP)
        wait_until(lambda: any("stay as they were" in line for line in lines(active, "error")), "a refusal", pair)
        assert shown_pin(active, certificates) == made.pin
        (certificates / "kept.key").rename(certificates / f"{active.name}.key")
        active.kill()
        publish(sender, 20)
        assert passive.role()[0] == "active"
        active.start()
        pair.wait_until_covered(TIMEOUT_S)
    assert not lines(passive, "error")


def shown_pin(node: NodeProcess, certificates: Path) -> str:
    """The pin of the certificate that the node's ingest port shows now."""
    context = dialling_context(TlsFiles(authority=str(certificates / "ca.pem")), check_host=True)
    with (
        socket.create_connection(("127.0.0.1", node.ports.ingest), timeout=10) as raw,
        context.wrap_socket(raw, server_hostname="127.0.0.1") as encrypted,
    ):
        return certificate_facts(encrypted.getpeercert(binary_form=True) or b"").pin


def _other_authority(certificates: Path) -> None:
    shutil.rmtree(certificates / "other", ignore_errors=True)
    make_authority(certificates / "other", "somebody else's authority")
    issue(certificates / "other", Wanted("node2", DOMAIN, HOSTS))
    for suffix in ("pem", "key"):
        shutil.copy(certificates / "other" / f"node2.{suffix}", certificates / f"node2.{suffix}")


def _expired(certificates: Path) -> None:
    issue(certificates, Wanted("node2", DOMAIN, HOSTS, days=-1))


def _of_another_name(certificates: Path) -> None:
    issue(certificates, Wanted("other", DOMAIN, HOSTS))
    for suffix in ("pem", "key"):
        shutil.copy(certificates / f"other.{suffix}", certificates / f"node2.{suffix}")


def _in_the_clear(pair: LocalPair) -> str:
    text = pair.nodes[1].config.read_text()
    return (
        text[: text.index("[tls]")] + text[text.index("[log]") :]
        if "[log]" in text[text.index("[tls]") :]
        else (text[: text.index("[tls]")])
    )


def _with_another_pin(pair: LocalPair) -> str:
    pin = "sha256:" + "0" * 64
    return pair.nodes[1].config.read_text().replace('{ node = "node1",', f'{{ node = "node1", pins = "{pin}",')


@pytest.mark.slow
def test_a_member_that_does_not_belong_is_refused_with_the_remedy_on_both_sides(
    pair: LocalPair, certificates: Path
) -> None:
    one, two = pair.nodes
    good = two.config.read_text()
    one.start()
    wait_until(lambda: one.role()[0] == "active", "an active", pair)
    for spoil, said_by_one, said_by_two in (
        (_other_authority, "of an authority that the ca here does not hold", "does not accept the certificate here"),
        (_expired, "has expired: make a new one", "the certificate CN=node2 ended at"),
        (_of_another_name, "does not name it as eiha://local.pair/node2", "the other side refused"),
        (None, "the other side refused", "not among those that node2 has"),
        (None, "does not speak TLS", "the other side speaks TLS"),
    ):
        issue(certificates, Wanted("node2", DOMAIN, HOSTS))
        if spoil is not None:
            spoil(certificates)
        else:
            two.config.write_text(_with_another_pin(pair) if "refused" in said_by_one else _in_the_clear(pair))
        two.start()
        wait_until(lambda said=said_by_one: any(said in line for line in lines(one, "error")), said_by_one, pair)
        wait_until(lambda said=said_by_two: any(said in line for line in lines(two, "error")), said_by_two, pair)
        assert one.role() == ("active", "solo")
        assert two.role()[0] in ("", "starting", "joining")
        two.kill()
        two.log.unlink()
        two.config.write_text(good)
    assert any(name.startswith("management") for name in one.get("/status")[1]["refused"])


@pytest.mark.slow
def test_clients_need_the_right_authority_and_where_it_is_asked_for_a_certificate(
    tmp_path: Path, plans: Path, certificates: Path
) -> None:
    overrides = {"tls": 'client_auth = "required"', "tls_ports.http": 'client_auth = "none"'}
    make_authority(tmp_path / "other", "somebody else's authority")
    issue(certificates, Wanted("reader"))
    own = {"tls_certificate": str(certificates / "reader.pem"), "tls_key": str(certificates / "reader.key")}
    with LocalPair(tmp_path / "pair", plans, nodes=1, certificates=certificates, overrides=overrides) as pair:
        (node,) = pair.nodes
        node.config.write_text(node.config.read_text().replace('tls = "off"', 'tls = "on"'))
        node.start()
        context = dialling_context(TlsFiles(authority=str(certificates / "ca.pem")), check_host=True)
        url = f"https://127.0.0.1:{node.ports.http}/status"

        def serving() -> bool:
            try:
                with urllib.request.urlopen(url.replace("status", "ready"), context=context, timeout=2) as answer:
                    return bool(answer.status == 200)
            except OSError:
                return False

        wait_until(serving, "HTTPS", pair)
        for wrong, expected in (
            ({"tls_ca": str(tmp_path / "other" / "ca.pem"), **own}, "of the ca here|that the ca here"),
            ({"tls_ca": str(certificates / "ca.pem")}, "asks for (a certificate|one) and was shown none"),
            ({}, "speaks TLS, and this client does not|closed the connection|lost"),
        ):
            options = ClientOptions(give_up_s=3.0, **wrong)  # type: ignore[arg-type]
            sender = SyncClient(pair.ingest, options=options)
            with pytest.raises(NoNodeReachable) as refused:
                sender.connect()
            sender.close(flush=False)
            assert re.search(expected, str(refused.value))
        with client(pair, certificates, **own) as sender:
            publish(sender, 0)
        with urllib.request.urlopen(url, context=context, timeout=5) as answer:
            status = json.loads(answer.read())
        counted = sum(count for name, count in status["refused"].items() if name.startswith("tcp "))
        assert counted >= 3
        assert status["members"][0]["url"].startswith("https://")
