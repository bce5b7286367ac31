"""A client that publishes numbered events through whatever happens, and knows when they were acknowledged."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from benchmarks.local_pair import LocalPair
from eiha.client import ClientOptions, SyncClient
from tests.chaos.database import query

PLAN: Final = """
@app:name('rooms')
@store(type='events')
define stream Readings (room string, celsius double, number long);
from Readings[celsius > 10.0] select room, celsius, number insert into Warm;
from Readings#window.length(100) select room, avg(celsius) as average, count() as readings group by room
insert into Averages;
"""
BATCH_ROWS: Final = 10
PAUSE_S: Final = 0.005
UNACKNOWLEDGED_MAX: Final = 400
"""Publications on their way at which it waits: a fault should not end with a flood."""


def write_plan(directory: Path) -> Path:
    """The plan that the events are for, in a directory of its own."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "rooms.siddhi").write_text(PLAN)
    return directory


class SteadyClient:
    """Publishes ``BATCH_ROWS`` events every ``PAUSE_S`` on a thread of its own, as a context manager.

    Args:
        ingest: ``host:port`` of the nodes.
        follow_active: see ``ClientOptions``.
    """

    def __init__(self, ingest: list[str], *, follow_active: bool = True) -> None:
        self._ingest = ingest
        self._options = ClientOptions(give_up_s=60.0, silence_s=0.5, connect_timeout_s=0.5, follow_active=follow_active)
        self._stop = threading.Event()
        self._acknowledged = threading.Condition()
        self._pending = 0
        self._acks: list[float] = []
        self.failure: BaseException | None = None
        self.rows = 0
        self._thread = threading.Thread(target=self._run, name="steady-client")

    def __enter__(self) -> SteadyClient:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def finish(self, timeout_s: float = 30.0) -> int:
        """Stop, wait until everything is acknowledged; how many events there were."""
        self._stop.set()
        self._thread.join(timeout_s)
        assert not self._thread.is_alive(), f"not all was acknowledged within {timeout_s:g} s"
        if self.failure is not None:
            raise self.failure
        return self.rows

    def ack_after(self, moment_s: float, timeout_s: float) -> float:
        """Seconds from ``moment_s`` (monotonic) to the first acknowledgement of what was published after it."""
        with self._acknowledged:
            found = self._acknowledged.wait_for(
                lambda: self.failure is not None or any(each > moment_s for each in reversed(self._acks)), timeout_s
            )
            if self.failure is not None:
                raise self.failure
            assert found, f"nothing was acknowledged within {timeout_s:g} s"
            return next(each for each in self._acks if each > moment_s) - moment_s

    def _run(self) -> None:
        try:
            with SyncClient(self._ingest, options=self._options) as client:
                while not self._stop.is_set():
                    self._publish(client)
                    self._stop.wait(PAUSE_S)
                client.flush(60.0)
        except BaseException as failure:  # noqa: BLE001  told to whoever waits
            with self._acknowledged:
                self.failure = failure
                self._acknowledged.notify_all()

    def _publish(self, client: SyncClient) -> None:
        with self._acknowledged:
            while self._pending >= UNACKNOWLEDGED_MAX and not self._stop.is_set():
                self._acknowledged.wait(0.1)
            self._pending += 1
        numbers = list(range(self.rows, self.rows + BATCH_ROWS))
        self.rows += BATCH_ROWS
        published_s = time.monotonic()
        acknowledged = client.publish_columns(
            "Readings",
            {"room": [f"r{each % 7}" for each in numbers], "celsius": [20.0] * BATCH_ROWS, "number": numbers},
        )
        acknowledged.add_done_callback(lambda done: self._note(done, published_s))

    def _note(self, done: Future[Any], published_s: float) -> None:
        with self._acknowledged:
            self._pending -= 1
            if done.cancelled() or done.exception() is not None:
                self.failure = done.exception() or RuntimeError("a publication was cancelled")
            else:
                self._acks.append(time.monotonic())
            self._acknowledged.notify_all()


def stored_numbers(url: str, table: str) -> list[int]:
    """The ``number`` of every row of a table, in order."""
    return [row[0] for row in query(url, f"SELECT number FROM {table} ORDER BY number")]


def assert_stored_once(pair: LocalPair, total: int, *, url: str | None = None, timeout_s: float = 30.0) -> None:
    """Every event and its output is in the stores, once. ``url``: how this machine reaches the database."""
    for store, table in ((pair.event_store_url, "event_Readings"), (pair.processed_store_url, "Warm")):
        place = url or store
        pair.wait_for(
            lambda place=place, table=table: len(stored_numbers(place, table)) >= total,
            f"{total} rows in {table}",
            timeout_s,
        )
        assert stored_numbers(place, table) == list(range(total))
