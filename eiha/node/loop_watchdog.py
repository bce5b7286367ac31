"""A thread that watches the event loop: says where a stuck one stands, and ends the process past a limit.

By then the peer has taken over, since no Ping was answered; what is left to do here is to tell the operator which line
it was, and to let the supervisor start a new process. A thread cannot do that while some C code keeps the interpreter
to itself (a regular expression that backtracks for hours), so a timer of the operating system stands behind it: it
counts the processor time of this process and is set back whenever the loop has turned. Its signal prints the stacks and
ends the process without the interpreter's help.

Time is counted in looks of this thread and in processor time, never by the clock: a process that was stopped for a
minute finds its loop as it left it.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Final

from eiha.node.exit_status import STUCK

LOOKS_PER_LIMIT: Final = 8
"""How often the thread looks within the shorter limit: a stuck loop is told at most an eighth later."""
LOOK_MAX_S: Final = 0.25
SAY_TIMEOUT_S: Final = 1.0
"""The stuck thread may hold the lock of the log; a line that cannot be written does not keep the process alive."""
FRAMES_MAX: Final = 12


class LoopWatchdog:
    """Watches one event loop from a thread of its own.

    Args:
        stuck_s: a loop that has not turned for this long is told, with its stack.
        exit_s: the process ends when it has not turned for this long; 0: never.
        say: writes an error to the log; called on another thread.
        go_on: told when a loop that was stuck turns again, with seconds.
        end: ends the process at once; given for tests.
    """

    def __init__(
        self,
        *,
        stuck_s: float,
        exit_s: float,
        say: Callable[[str], None],
        go_on: Callable[[float], None],
        end: Callable[[int], None] = os._exit,
    ) -> None:
        self._stuck_s = stuck_s
        self._exit_s = exit_s
        self._say = say
        self._go_on = go_on
        self._end = end
        self._look_s = min(LOOK_MAX_S, stuck_s / LOOKS_PER_LIMIT)
        self._turns = 0
        self._loop_thread = threading.get_ident()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="eiha-watchdog", daemon=True)

    def turned(self) -> None:
        """The loop came by. On the loop's thread."""
        self._turns += 1

    def start(self) -> None:
        """Watch from now on the thread that made this watchdog."""
        if self._exit_s:
            faulthandler.register(signal.SIGVTALRM, all_threads=True, chain=True)
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        if self._exit_s:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            faulthandler.unregister(signal.SIGVTALRM)

    def _run(self) -> None:
        seen, still_s, told = self._turns, 0.0, False
        self._set_timer()
        while not self._stopping.wait(self._look_s):
            if self._turns != seen:
                if told:
                    self._go_on(still_s)
                seen, still_s, told = self._turns, 0.0, False
                self._set_timer()
                continue
            still_s += self._look_s
            if not told and still_s >= self._stuck_s:
                told = True
                self._tell(f"the event loop has stood still for {still_s:.1f} s, at {self._where()}")
            if self._exit_s and still_s >= self._exit_s:
                self._tell(f"the event loop has stood still for {still_s:.1f} s: the process ends, at {self._where()}")
                self._end(STUCK)
                return

    def _set_timer(self) -> None:
        """The processor time that all cores together can use within the limit: only a process that is busy all along
        gets there without a turn of the loop."""
        if self._exit_s:
            signal.setitimer(signal.ITIMER_VIRTUAL, self._exit_s * (os.cpu_count() or 1))

    def _where(self) -> str:
        """The stack of the loop's thread, innermost call first."""
        frame = sys._current_frames().get(self._loop_thread)
        if frame is None:
            return "no frame: its thread has ended"
        stack = traceback.extract_stack(frame)[-FRAMES_MAX:]
        return " < ".join(f"{call.name} ({call.filename}:{call.lineno})" for call in reversed(stack))

    def _tell(self, text: str) -> None:
        teller = threading.Thread(target=self._say, args=(text,), daemon=True)
        teller.start()
        teller.join(SAY_TIMEOUT_S)
