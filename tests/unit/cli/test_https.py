"""The command line against a node that speaks TLS."""

from __future__ import annotations

import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from eiha.cli.node_client import NodeUnreachable, read_json, read_target
from eiha.transport.issue_certificates import Wanted, issue, make_authority
from eiha.transport.tls import TlsFiles, listening_context


class Options:
    """Options of a subcommand that looks for nodes."""

    def __init__(self, config: list[Path], url: list[str], ca: str = "") -> None:
        self.config, self.url, self.ca = config, url, ca


class Role(http.server.BaseHTTPRequestHandler):
    """Answers everything."""

    document: ClassVar[bytes] = json.dumps({"role": "active"}).encode()

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.document)))
        self.end_headers()
        self.wfile.write(self.document)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("certificates")
    make_authority(directory, "authority")
    issue(directory, Wanted("node1", "d", ("127.0.0.1",)))
    make_authority(directory / "other", "another authority")
    return directory


@pytest.fixture(scope="module")
def port(certificates: Path) -> Iterator[int]:
    own = certificates / "node1"
    files = TlsFiles(f"{own}.pem", f"{own}.key", str(certificates / "ca.pem"))
    server = http.server.HTTPServer(("127.0.0.1", 0), Role)
    server.socket = listening_context(files, "required").wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_configuration_tells_authority_certificate_and_scheme(certificates: Path, port: int) -> None:
    path = certificates / "node.toml"
    own = certificates / "node1"
    path.write_text(
        '[cluster]\nnode = "node1"\nsecret = "a-secret-for-tests"\n'
        f'members = [{{ node = "node2", host = "127.0.0.1", http_port = 1 }}]\n[http]\nport = {port}\n'
        f'[tls]\ncertificate = "{own}.pem"\nprivate_key = "{own}.key"\nca = "{certificates}/ca.pem"\n'
    )
    target = read_target(Options([path], []))  # type: ignore[arg-type]
    assert target.urls == (f"https://127.0.0.1:{port}", "https://127.0.0.1:1")
    assert read_json(f"{target.urls[0]}/role", 5.0, target.tls) == {"role": "active"}


def test_an_authority_that_did_not_sign_is_told_of(certificates: Path, port: int) -> None:
    url = f"https://127.0.0.1:{port}"
    target = read_target(Options([], [url], str(certificates / "other" / "ca.pem")))  # type: ignore[arg-type]
    assert isinstance(target.tls, ssl.SSLContext)
    with pytest.raises(NodeUnreachable, match=r"TLS: .*ca here"):
        read_json(f"{url}/role", 5.0, target.tls)


def test_a_node_without_tls_needs_no_context() -> None:
    assert read_target(Options([], ["http://h:1"])).tls is None  # type: ignore[arg-type]
