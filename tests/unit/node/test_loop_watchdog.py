"""What a stuck event loop leads to. The thread that makes a watchdog is the one it watches: here, that of the test."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

from eiha.node.exit_status import STUCK
from eiha.node.loop_watchdog import LoopWatchdog

WAIT_S = 10.0


class Watched:
    """A watchdog over the test's own thread, with what it said and did."""

    def __init__(self, *, stuck_s: float, exit_s: float) -> None:
        self.said: list[str] = []
        self.went_on: list[float] = []
        self.ended: list[int] = []
        self.told, self.over = threading.Event(), threading.Event()
        self.dog = LoopWatchdog(stuck_s=stuck_s, exit_s=exit_s, say=self.say, go_on=self.go_on, end=self.end)

    def say(self, text: str) -> None:
        self.said.append(text)
        self.told.set()

    def go_on(self, seconds: float) -> None:
        self.went_on.append(seconds)
        self.over.set()

    def end(self, status: int) -> None:
        self.ended.append(status)
        self.over.set()


def stands_here(watched: Watched) -> None:
    assert watched.told.wait(WAIT_S)


def test_a_loop_that_stands_still_is_told_with_its_stack_and_told_again_when_it_goes_on() -> None:
    watched = Watched(stuck_s=0.1, exit_s=0.0)
    watched.dog.start()
    stands_here(watched)
    watched.dog.turned()
    assert watched.over.wait(WAIT_S)
    watched.dog.stop()
    assert (len(watched.said), watched.ended) == (1, [])
    assert "stands_here (" in watched.said[0]
    assert watched.went_on[0] >= 0.1


def test_a_loop_that_turns_is_left_alone() -> None:
    watched = Watched(stuck_s=0.4, exit_s=0.8)
    watched.dog.start()
    for _ in range(60):
        time.sleep(0.02)
        watched.dog.turned()
    watched.dog.stop()
    assert (watched.said, watched.ended) == ([], [])


def test_past_the_limit_the_process_ends_with_a_status_of_its_own() -> None:
    watched = Watched(stuck_s=0.1, exit_s=0.3)
    watched.dog.start()
    assert watched.over.wait(WAIT_S)
    watched.dog.stop()
    assert watched.ended == [STUCK]
    assert len(watched.said) == 2


def test_a_log_that_hangs_does_not_keep_the_process_alive() -> None:
    watched = Watched(stuck_s=0.1, exit_s=0.2)
    hangs = threading.Event()
    watched.dog._say = lambda _text: hangs.wait() and None
    watched.dog.start()
    assert watched.over.wait(WAIT_S)
    watched.dog.stop()
    hangs.set()
    assert watched.ended == [STUCK]


BUSY = """
import re
from eiha.node.loop_watchdog import LoopWatchdog

dog = LoopWatchdog(stuck_s=0.2, exit_s=0.3, say=print, go_on=print)
dog.start()
dog.turned()
re.match("(a|aa)+$", "a" * 200 + "b")
"""


def test_a_process_whose_interpreter_is_kept_by_c_code_is_ended_with_all_stacks() -> None:
    """The expression backtracks for longer than the universe is old, and no other thread of Python runs meanwhile."""
    ended = subprocess.run([sys.executable, "-c", BUSY], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == -signal.SIGVTALRM, ended
    assert "re" in ended.stderr
    assert "in match" in ended.stderr
