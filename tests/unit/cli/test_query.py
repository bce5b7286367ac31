from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.local_pair import free_ports
from eiha.cli.main import main
from eiha.cli.query import table

ROWS = {"columns": ["name", "price"], "types": ["string", "double"], "rows": [["a\n", 1.5], [None, 10]], "sequence": 3}


class FakeNode:
    """Answers each POST with ``status``, ``document`` and ``location``, and remembers what was asked."""

    def __init__(self) -> None:
        self.status = 200
        self.document: dict[str, Any] = ROWS
        self.location = ""
        self.asked: list[dict[str, Any]] = []
        self.signed: list[bool] = []
        node = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                node.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                node.signed.append("x-eiha-signature" in self.headers)
                body = json.dumps(node.document).encode()
                self.send_response(node.status)
                if node.location:
                    self.send_header("Location", node.location)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *words: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def nodes() -> Iterator[tuple[FakeNode, FakeNode]]:
    made = FakeNode(), FakeNode()
    yield made
    for node in made:
        node.stop()


def run(*urls: str, words: tuple[str, ...] = ()) -> int:
    given = [part for url in urls for part in ("--url", url)]
    return main(["query", *given, "--plan", "p", *words, "from T select name, price"])


def test_rows_are_a_table_or_the_document(nodes: tuple[FakeNode, FakeNode], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(nodes[0].url) == 0
    assert capsys.readouterr().out == "name  price\n----  -----\na\\n     1.5\nnull     10\n(2 rows)\n"
    assert run(nodes[0].url, words=("--json",)) == 0
    assert json.loads(capsys.readouterr().out) == ROWS
    assert nodes[0].asked[0] == {"plan": "p", "query": "from T select name, price"}
    assert nodes[0].signed == [False, False]


def test_a_statement_follows_the_passive_to_the_active(
    nodes: tuple[FakeNode, FakeNode], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EIHA_CLUSTER_SECRET", "a secret")
    passive, active = nodes
    passive.status, passive.document, passive.location = 307, {"detail": "not here"}, f"{active.url}/query"
    active.document = {"columns": [], "types": [], "rows": [], "carried_out_at": 12}
    assert run(passive.url) == 0
    assert capsys.readouterr().out == "carried out at sequence 12\n"
    assert (passive.signed, active.signed) == ([True], [True])


def test_the_next_node_is_asked_when_one_is_away_or_not_ready(
    nodes: tuple[FakeNode, FakeNode], capsys: pytest.CaptureFixture[str]
) -> None:
    (nobody,) = free_ports(1)
    nodes[0].status, nodes[0].document = 503, {"detail": "node1 is joining"}
    assert run(f"http://127.0.0.1:{nobody}", nodes[0].url, nodes[1].url) == 0
    assert len(nodes[1].asked) == 1
    assert run(f"http://127.0.0.1:{nobody}", nodes[0].url) != 0
    assert "node1 is joining" in capsys.readouterr().err


def test_a_refusal_is_told_and_is_a_failure(
    nodes: tuple[FakeNode, FakeNode], capsys: pytest.CaptureFixture[str]
) -> None:
    nodes[0].status, nodes[0].document = 400, {"detail": "line 1, column 5: no table 'T'"}
    assert run(nodes[0].url, nodes[1].url) == 1
    assert "no table 'T'" in capsys.readouterr().err
    assert nodes[1].asked == []


def test_an_answer_without_rows_shows_its_columns() -> None:
    assert table({"columns": ["x"], "types": ["int"], "rows": []}) == "x\n-\n(0 rows)"
