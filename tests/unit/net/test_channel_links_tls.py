"""The link between members over TLS: who shows which certificate, and what is said when it is not good."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from eiha.kernel.ids import NodeId
from eiha.net.channel_links import STRANGERS_MAX, PeerTls
from eiha.transport.issue_certificates import Wanted, issue, make_authority
from eiha.transport.tls import TlsFiles, dialling_context, listening_context, read_certificate
from tests.unit.net.test_channel_links import Pair, Side, free_port, make_pair, texts, until

__all__ = ["make_pair"]  # a fixture

HOSTS = ("127.0.0.1",)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("certificates")
    make_authority(directory, "authority")
    for name, days in (("node1", 9), ("node2", 9), ("node3", 9)):
        issue(directory, Wanted(name, "test", HOSTS, days))
    (directory / "old").mkdir()
    (directory / "other").mkdir()
    for suffix in ("pem", "key"):
        (directory / "old" / f"ca.{suffix}").write_bytes((directory / f"ca.{suffix}").read_bytes())
    issue(directory / "old", Wanted("node2", "test", HOSTS, -1))
    make_authority(directory / "other", "another authority")
    issue(directory / "other", Wanted("node2", "test", HOSTS))
    return directory


def tls(certificate: Path, authority: Path, **pins: str) -> PeerTls:
    files = TlsFiles(f"{certificate}.pem", f"{certificate}.key", str(authority / "ca.pem"))
    listening, dialling = listening_context(files, "required"), dialling_context(files, check_host=False)
    return PeerTls(lambda: listening, lambda: dialling, {NodeId(node): (pin,) for node, pin in pins.items()})


@pytest.fixture
async def make_encrypted(certificates: Path) -> AsyncIterator[Callable[..., tuple[Side, Side]]]:
    made: list[Side] = []

    def make(one: PeerTls | None, two: PeerTls | None) -> tuple[Side, Side]:
        ports = free_port(), free_port()
        made.append(Side("node1", ports[0], "node2", ports[1], tls=one))
        made.append(Side("node2", ports[1], "node1", ports[0], tls=two))
        return made[-2], made[-1]

    yield make
    for side in made:
        await side.stop()


async def test_members_link_over_tls_by_their_names(
    make_encrypted: Callable[..., tuple[Side, Side]], certificates: Path
) -> None:
    one, two = make_encrypted(*(tls(certificates / name, certificates) for name in ("node1", "node2")))
    await one.start()
    await two.start()
    await until(lambda: one.observer.open and two.observer.open, "a link")


async def test_members_link_by_pins_whatever_their_certificates_name(
    make_encrypted: Callable[..., tuple[Side, Side]], certificates: Path
) -> None:
    pin = {name: read_certificate(certificates / f"{name}.pem").pin for name in ("node1", "node3")}
    one, two = make_encrypted(
        tls(certificates / "node1", certificates, node2=pin["node3"]),
        tls(certificates / "node3", certificates, node1=pin["node1"]),
    )
    await one.start()
    await two.start()
    await until(lambda: one.observer.open and two.observer.open, "a link")


@pytest.mark.parametrize(
    ("second", "pins", "said_by_one", "said_by_two"),
    [
        ("other/node2", {}, "not hold|not among those of the ca", "of the ca|ca must hold|does not accept"),
        ("old/node2", {}, "has expired", "expired|does not accept"),
        ("node3", {}, "does not name it as eiha://test/node2", "does not name it as eiha://test/node2"),
        ("node2", {"node2": "sha256:" + "0" * 64}, "was the certificate changed", "was the certificate changed"),
    ],
    ids=["another authority", "expired", "another node's", "another pin"],
)
async def test_a_certificate_that_is_not_good_is_refused_with_the_remedy_on_both_sides(
    make_encrypted: Callable[..., tuple[Side, Side]],
    certificates: Path,
    caplog: pytest.LogCaptureFixture,
    second: str,
    pins: dict[str, str],
    said_by_one: str,
    said_by_two: str,
) -> None:
    one, two = make_encrypted(
        tls(certificates / "node1", certificates, **pins), tls(certificates / second, certificates)
    )
    await one.start()
    await two.start()
    for side, parts in ((one, said_by_one), (two, said_by_two)):
        await until(
            lambda side=side, parts=parts: any(  # type: ignore[misc]
                part in record.getMessage()
                for part in parts.split("|")
                for record in caplog.records
                if record.name == side.lines.name
            ),
            f"{parts} of {side.lines.name}",
        )
        assert not side.observer.up
    assert sum(two.links.refused_by_code.values()) >= 1


@pytest.mark.parametrize("plain", [0, 1])
async def test_a_member_without_tls_is_refused_and_both_sides_say_so(
    make_encrypted: Callable[..., tuple[Side, Side]],
    certificates: Path,
    caplog: pytest.LogCaptureFixture,
    plain: int,
) -> None:
    ends: list[PeerTls | None] = [tls(certificates / name, certificates) for name in ("node1", "node2")]
    ends[plain] = None
    one, two = make_encrypted(*ends)
    await one.start()
    await two.start()
    await until(lambda: "does not speak TLS" in texts(caplog), "the side that speaks it")
    if plain == 1:
        await until(lambda: "the other side speaks TLS" in texts(caplog), "the side that does not")
    assert not one.observer.up
    assert not two.observer.up


async def test_strangers_who_prove_nothing_make_room_for_the_member(
    make_pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    import asyncio

    caplog.set_level(logging.INFO)
    one, two = make_pair()
    await two.start()
    port = two.links._settings.port
    strangers = [await asyncio.open_connection("127.0.0.1", port) for _ in range(STRANGERS_MAX + 5)]
    await one.start()
    await until(lambda: one.observer.open and two.observer.open, "a link all the same")
    assert two.links.refused_by_code["strangers-max"] >= 5
    for _, writer in strangers:
        writer.close()
