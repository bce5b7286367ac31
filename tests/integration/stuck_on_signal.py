"""Makes a real node stick: put on its path as ``sitecustomize``, so that it runs before the node does.

SIGUSR1 stands the event loop still for good, SIGUSR2 the engine, at the next entry that it applies. SIGRTMIN makes the
log take nothing until SIGRTMIN + 1.
"""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType
from typing import Any


def stand_still(_number: int, _frame: FrameType | None) -> None:
    """The main thread waits for what never comes, and with it the event loop."""
    threading.Event().wait()


def stick_the_engine(_number: int, _frame: FrameType | None) -> None:
    """The next entry is applied for ever."""
    engine = sys.modules["eiha.engine.runtime"].EngineRuntime

    def apply(_engine: object, _entry: object) -> None:
        threading.Event().wait()

    engine.apply = apply


def make_the_log_wait(_number: int, _frame: FrameType | None) -> None:
    """The log's thread waits before each write until it is let go."""
    log = sys.modules["eiha.storage.log_segments"].LogSegments
    append, go_on = log.append, threading.Event()

    def slow_append(store: Any, entries: Any) -> Any:
        go_on.wait()
        return append(store, entries)

    log.append = slow_append
    log.appends_in_place = lambda _store: False  # only the log's thread waits, not the event loop
    signal.signal(signal.SIGRTMIN + 1, lambda _number, _frame: go_on.set())


if "eiha.node" in " ".join(sys.orig_argv):
    signal.signal(signal.SIGUSR1, stand_still)
    signal.signal(signal.SIGUSR2, stick_the_engine)
    signal.signal(signal.SIGRTMIN, make_the_log_wait)
