"""Events of the error store are published again, with the times that are asked for."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from eiha.cli.errors import ROWS_OF_REQUEST, Times, parts, replay, shown
from eiha.cli.node_client import Target
from eiha.engine.error_rows import ERRORS_SINK, ErrorRows
from eiha.events.rows import columns_to_batch
from eiha.events.schema import Attribute, AttributeType, Schema
from eiha.events.wire import encode
from eiha.kernel.ids import ClientId, ClientSequence, Epoch, LogTimeMs, Sequence
from eiha.protocol.log_entry import LogEntry, Publication, Publications
from eiha.protocol.outputs import PublishPermit
from eiha.storage.datasource import DataSource, parse_datasource
from eiha.storage.error_store import ErrorStore
from eiha.storage.sql_sink import SqlSink

SCHEMA = Schema((Attribute("eiha_event_time", AttributeType.STRING), Attribute("number", AttributeType.LONG)))
PERMIT = PublishPermit(Epoch(1))
LOG_TIME_MS = 9_000


class Node(http.server.ThreadingHTTPServer):
    """An active node that takes what is published and remembers it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.published: list[tuple[str, str, Any]] = []


class Answers(http.server.BaseHTTPRequestHandler):
    """What it says."""

    def do_GET(self) -> None:
        self._answer({"role": "active", "suspended_plans": {}})

    def do_POST(self) -> None:
        assert isinstance(self.server, Node)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.published.append((self.path, self.headers["Idempotency-Key"], body))
        self._answer({"accepted": len(body)})

    def _answer(self, document: dict[str, Any]) -> None:
        content = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def node() -> Iterator[Node]:
    server = Node()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[ErrorStore]:
    """An entry in which a plan failed on events without a time, then on one with, then on bytes."""
    source = parse_datasource(f"sqlite+aiosqlite:///{tmp_path / 'store.db'}")
    await fill(source)
    made = ErrorStore(source)
    yield made
    await made.close()


async def fill(source: DataSource) -> None:
    untimed, timed = publication(1, None, 1, 2), publication(2, [77], 3)
    rows = ErrorRows("p")
    rows.add(untimed, SCHEMA, None, "raised", "ValueError")
    rows.add(timed, SCHEMA, None, "raised", "ValueError")
    rows.add_undecodable(timed, "no batch")
    entry = LogEntry(Epoch(1), Sequence(4), LogTimeMs(LOG_TIME_MS), Publications((untimed, timed)))
    output = rows.output(entry)
    assert output is not None
    sink = SqlSink(ERRORS_SINK, "cluster", source, table_prefix="")
    await sink.open(PERMIT)
    await sink.publish((output,), expected=Sequence(0), through=Sequence(4), permit=PERMIT)
    await sink.close()


def publication(sequence: int, times: list[int] | None, *numbers: int) -> Publication:
    batch = columns_to_batch([["x"] * len(numbers), list(numbers)], len(numbers), SCHEMA, times)
    return Publication(ClientId("shop"), ClientSequence(sequence), "S", len(numbers), encode(batch))


@pytest.mark.parametrize(
    ("times", "stamps"),
    [(Times.OWN, [[None, None], [77]]), (Times.KEPT, [[LOG_TIME_MS] * 2, [77]]), (Times.NEW, [[None, None], [None]])],
)
async def test_events_are_published_again_with_the_time_that_is_asked_for(
    store: ErrorStore, node: Node, times: Times, stamps: list[list[int | None]], capsys: pytest.CaptureFixture[str]
) -> None:
    target = Target((f"http://127.0.0.1:{node.server_address[1]}",), "")
    assert await replay(store, target, "p", None, times) == 1, "the bytes cannot be published again"
    assert "not published again: no batch" in capsys.readouterr().out
    assert [[event["number"] for event in body] for _, _, body in node.published] == [[1, 2], [3]]
    assert [[event.get("eiha_event_time_") for event in body] for _, _, body in node.published] == stamps
    for (path, _, _), expected in zip(node.published, stamps, strict=True):
        assert path == "/v1/streams/p%3AS" + ("?event_time_key=eiha_event_time_" if expected[0] is not None else "")
    assert [key for _, key, _ in node.published] == ["errors 4 0 S p", "errors 4 2 S p"]
    assert await replay(store, target, "p", None, times) == 1
    assert len(node.published) == 2, "what was published again is not published a third time"


async def test_requests_are_cut_alike_whatever_times_are_asked_for(store: ErrorStore) -> None:
    rows = await store.rows("p", 4)
    assert [[row.ordinal for row in part] for part in parts(rows)] == [[0, 1], [2], [3]]
    assert [len(part) for part in parts(rows[:1] * (ROWS_OF_REQUEST + 1))] == [ROWS_OF_REQUEST, 1]


async def test_where_an_event_came_from_is_shown(store: ErrorStore) -> None:
    text = shown(await store.rows("p", 4))
    assert "row 1 of publication 1" in text
    assert "row 0 of publication 2" in text
