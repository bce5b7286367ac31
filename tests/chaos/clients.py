"""The load: several clients of different kinds, each publishing at a steady pace and recording what happened to it.

They run in a thread with an event loop of their own, so that a campaign can block while they go on. Kinds:

* ``columns``: the Python client, follows the active, sends arrays;
* ``rows``: the same with rows that the node turns into columns;
* ``forwarded``: prefers the second node and stays where it is, so that a passive forwards for it;
* ``doubled``: sends everything to both nodes;
* ``http``: NDJSON over HTTP with an idempotency key, one request after the other, repeated until it is answered.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
import time
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from benchmarks.load import arrays_of, rows_of
from eiha.client import Client, ClientOptions
from eiha.errors import SubmissionError
from tests.chaos.history import NOT_ACKNOWLEDGED, ClientHistory

STREAM: Final = "Trades"
KINDS: Final = ("columns", "rows", "forwarded", "doubled", "http")
_OPTIONS: Final = {
    "columns": ClientOptions(give_up_s=120.0),
    "rows": ClientOptions(give_up_s=120.0, rows_on_wire=True),
    "forwarded": ClientOptions(give_up_s=120.0, follow_active=False),
    "doubled": ClientOptions(give_up_s=120.0, events_duplicated_in_cluster=True),
}
HTTP_TIMEOUT_S: Final = 2.0
HTTP_PAUSE_S: Final = 0.02
HTTP_GIVE_UP_S: Final = 300.0
"""Longer than any fault lasts: a request is repeated until it is answered."""


class Load:
    """All clients.

    Args:
        ingest: ``host:port`` of each node's native ingest.
        http: URL of each node's HTTP port.
        kinds: one client a kind; may repeat.
        rows: rows of a publication.
        interval_s: time between two publications of one client.
    """

    def __init__(
        self, ingest: Sequence[str], http: Sequence[str], *, kinds: Sequence[str], rows: int, interval_s: float
    ) -> None:
        self.histories = [ClientHistory(number, kind, rows) for number, kind in enumerate(kinds, 1)]
        self._ingest = list(ingest)
        self._http = list(http)
        self._interval_s = interval_s
        self._stop = threading.Event()
        self._failures: list[BaseException] = []
        self._threads = [threading.Thread(target=self._run, name="native clients", daemon=True)]
        self._threads += [
            threading.Thread(target=self._run_http, args=(history,), name="http client", daemon=True)
            for history in self.histories
            if history.kind == "http"
        ]

    def start(self) -> None:
        """Begin to publish."""
        for thread in self._threads:
            thread.start()

    def finish(self, timeout_s: float) -> None:
        """Send nothing new, wait until everything is acknowledged. Raises what a client failed with."""
        self._stop.set()
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self.raise_failure()
        if any(thread.is_alive() for thread in self._threads):
            owed = {history.kind: self.unacknowledged(history) for history in self.histories}
            raise TimeoutError(f"not everything was acknowledged within {timeout_s:.0f} s: {owed} publications")

    def raise_failure(self) -> None:
        """Raise what a client failed with, if one did."""
        if self._failures:
            raise self._failures[0]

    @staticmethod
    def unacknowledged(history: ClientHistory) -> int:
        """Publications that are neither acknowledged nor refused yet."""
        return sum(at != at for at in list(history.acked_s)) - len(history.refused)

    @property
    def acknowledged(self) -> int:
        """Publications acknowledged so far."""
        return sum(at == at for history in self.histories for at in list(history.acked_s))

    def first_ack_after(self, moment_s: float, clients: Sequence[ClientHistory] | None = None) -> float | None:
        """When the first publication that was sent after ``moment_s`` was acknowledged, of all clients or these."""
        found = [at for history in clients or self.histories if (at := _first_ack_after(history, moment_s)) is not None]
        return min(found, default=None)

    def served_after(self, moment_s: float) -> dict[str, float] | None:
        """When each client had something acknowledged that it sent after ``moment_s``; None while one had nothing.

        Raises what a client failed with, since it will publish no more.
        """
        self.raise_failure()
        found = {f"{each.client} {each.kind}": _first_ack_after(each, moment_s) for each in self.histories}
        served = {name: at for name, at in found.items() if at is not None}
        return served if len(served) == len(found) else None

    # native clients

    def _run(self) -> None:
        try:
            asyncio.run(self._publish_all())
        except BaseException as failure:  # noqa: BLE001  it is raised again in finish()
            self._failures.append(failure)

    async def _publish_all(self) -> None:
        native = [history for history in self.histories if history.kind != "http"]
        async with asyncio.TaskGroup() as group:
            for number, history in enumerate(native):
                group.create_task(self._publish(history, number * self._interval_s / len(native)))

    async def _publish(self, history: ClientHistory, offset_s: float) -> None:
        nodes = self._ingest[::-1] if history.kind == "forwarded" else self._ingest
        pending: set[asyncio.Future[int]] = set()
        async with Client(nodes, client_id=f"chaos-{history.kind}", options=_OPTIONS[history.kind]) as client:
            definition = await client.definition(STREAM)
            due_s = time.monotonic() + offset_s
            while not self._stop.is_set():
                await asyncio.sleep(max(0.0, due_s - time.monotonic()))
                due_s += self._interval_s
                number = history.publications
                batch = history.batch(number)
                stamps = self._begin(history)
                if history.kind == "rows":
                    acknowledged = await client.publish_rows(STREAM, rows_of(batch), timestamps=stamps)
                else:
                    columns = arrays_of(batch, definition.schema.names)
                    acknowledged = await client.publish_columns(STREAM, columns, timestamps=stamps)
                pending.add(acknowledged)
                acknowledged.add_done_callback(lambda done, number=number: _note(history, number, done))
                acknowledged.add_done_callback(pending.discard)
            while pending:
                await asyncio.wait(set(pending))

    @staticmethod
    def _begin(history: ClientHistory) -> list[int]:
        """Put a publication down as sent; the event times of its rows."""
        now_ms = time.time_ns() // 1_000_000
        history.time_ms.append(now_ms)
        history.acked_s.append(NOT_ACKNOWLEDGED)
        history.sent_s.append(time.monotonic())
        return [now_ms] * history.rows

    # HTTP

    def _run_http(self, history: ClientHistory) -> None:
        client = _HttpClient(self._http, f"chaos-{time.time_ns()}")
        try:
            while not self._stop.is_set():
                due_s = time.monotonic() + self._interval_s
                number = history.publications
                columns = [column.to_list() for column in history.batch(number).columns]
                self._begin(history)
                names = ("client", "number", "symbol", "price", "volume")
                body = "\n".join(json.dumps(dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True))
                client.publish(number, body.encode())
                history.acked_s[number] = time.monotonic()
                self._stop.wait(max(0.0, due_s - time.monotonic()))
        except BaseException as failure:  # noqa: BLE001  it is raised again in finish()
            self._failures.append(failure)
        finally:
            client.close()


class _HttpClient:
    """One request at a time, at whichever node answers with 200; a repeat goes with the same key."""

    def __init__(self, urls: Sequence[str], key: str) -> None:
        self._places = [urlsplit(url).netloc for url in urls]
        self._key = key
        self._connection: http.client.HTTPConnection | None = None

    def close(self) -> None:
        """Close what is open."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def publish(self, number: int, body: bytes) -> None:
        """Publish; returns when a node acknowledged it. Raises what says that it never will."""
        deadline = time.monotonic() + HTTP_GIVE_UP_S
        headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": f"{self._key}-{number}"}
        while True:
            status, answer = self._request(f"/v1/streams/{STREAM}", body, headers)
            if status == 200:
                return
            if 400 <= status < 500 and status != 429:
                raise SubmissionError(f"publication {number} over HTTP: {status} {answer!r}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"publication {number} over HTTP was not taken: {status} {answer!r}")
            self._places = self._places[1:] + self._places[:1]
            time.sleep(HTTP_PAUSE_S)

    def _request(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        """Status and body; 0 when no answer came."""
        connection = self._connection
        if connection is None:
            connection = self._connection = http.client.HTTPConnection(self._places[0], timeout=HTTP_TIMEOUT_S)
        try:
            connection.request("POST", path, body, headers)
            response = connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as failure:
            self.close()
            return 0, str(failure).encode()
        if response.status != 200:
            self.close()
        return response.status, answer


def _note(history: ClientHistory, number: int, done: asyncio.Future[int]) -> None:
    failure = done.exception()
    if failure is None:
        history.acked_s[number] = time.monotonic()
    else:
        history.refused[number] = f"{type(failure).__name__}: {failure}"


def _first_ack_after(history: ClientHistory, moment_s: float) -> float | None:
    sent, acked = history.sent_s, history.acked_s
    position = len(sent)
    found: float | None = None
    while position and sent[position - 1] > moment_s:
        position -= 1
        if acked[position] == acked[position]:
            found = acked[position] if found is None else min(found, acked[position])
    return found
