"""Runs a function in a forked child: it sees this process's memory as it was, and can neither change nor end it.

The kernel shares the pages and copies those that either side writes to, so the child's view is a cut at the moment of
the fork, and the parent goes on after the time it takes to copy page tables (measured: ``benchmarks.forks``).

What a child of a process with threads must not do, and how it is kept from it:

- hold what the parent's death must free (links to the peer, the directory's lock): every descriptor but its pipe and
  standard error is closed before anything else runs;
- outlive the parent: the kernel kills it when the *thread* that forked it ends (``PR_SET_PDEATHSIG``);
- wait for a lock that a thread held which does not exist here: ``work`` must not log, import, compile, or use a queue,
  an event loop or a connection. Whatever hangs all the same is ended by the time limit;
- run the parent's clean-up: no garbage collection, no ``atexit``, no buffers flushed; it leaves by ``os._exit``.

Linux only (``docs/operations.md``).
"""

from __future__ import annotations

import ctypes
import gc
import os
import pickle
import resource
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn

NICENESS: Final = 10
"""Of the child: the node's threads go first where both want a processor, by about nine to one."""

RESULT_BYTES_MAX: Final = 64 << 20
"""What a child may return through the pipe; more is a mistake of the caller: large results belong into a file."""

_PR_SET_PDEATHSIG: Final = 1
_READ_BYTES: Final = 1 << 16
_EXIT_LOST_PARENT: Final = 120
_EXIT_RESULT_TOO_LARGE: Final = 121
_EXIT_NO_REPORT: Final = 122
_FIRST_DESCRIPTOR: Final = 3

_LIBC: Final = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Returned:
    """``work`` returned this."""

    value: bytes


@dataclass(frozen=True, slots=True)
class Raised:
    """``work`` raised: the exception's class and text."""

    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class Died:
    """A signal ended the child: ``SIGSEGV`` of a crash, ``SIGKILL`` of the kernel when memory ran out, ..."""

    signal: int


@dataclass(frozen=True, slots=True)
class Exited:
    """The child ended itself without a result."""

    status: int


@dataclass(frozen=True, slots=True)
class TookTooLong:
    """The time was up; the child was killed."""

    limit_s: float


Outcome = Returned | Raised | Died | Exited | TookTooLong


class ForkedChild:
    """A child under way. One thread at a time may wait for it; it need not be the one that forked."""

    def __init__(self, process_id: int, pipe: int) -> None:
        self.process_id = process_id
        self._pipe = pipe
        self._received = bytearray()
        self._status: int | None = None
        self._gone = threading.Lock()

    def wait(self, limit_s: float) -> Outcome:
        """What became of it; it is gone when this returns."""
        if not self._read_until(time.monotonic() + limit_s):
            self.kill()
            self._reap()
            return TookTooLong(limit_s)
        return self._outcome(self._reap())

    def kill(self) -> None:
        """End it now, on whichever thread; whoever waits is told ``Died``. May be called again."""
        with self._gone:  # its number may be another's once it was waited for
            if self._status is None:
                os.kill(self.process_id, signal.SIGKILL)

    def _read_until(self, deadline_s: float) -> bool:
        """Read what it says until it closes its pipe; False when the time is up first."""
        poll = select.poll()
        poll.register(self._pipe, select.POLLIN)
        while True:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0 or not poll.poll(left_s * 1_000):
                return False
            data = os.read(self._pipe, _READ_BYTES)
            if not data:
                return True
            self._received += data

    def _reap(self) -> int:
        if self._status is None:
            os.waitid(os.P_PID, self.process_id, os.WEXITED | os.WNOWAIT)
            with self._gone:
                _, self._status = os.waitpid(self.process_id, 0)
            os.close(self._pipe)
        return self._status

    def _outcome(self, status: int) -> Outcome:
        if os.WIFSIGNALED(status):
            return Died(os.WTERMSIG(status))
        if os.WEXITSTATUS(status) or not self._received:
            return Exited(os.WEXITSTATUS(status))
        told = pickle.loads(bytes(self._received))  # noqa: S301  written by this very program a moment ago
        return Returned(told) if isinstance(told, bytes) else Raised(*told)


def fork(work: Callable[[], bytes], *, niceness: int = NICENESS) -> ForkedChild:
    """Start ``work`` in a child; it sees everything as it is now.

    The calling thread must live until the child is done: the kernel kills the child when that thread ends.

    Raises:
        OSError: the system has no memory or no process left for it.
    """
    reading, writing = os.pipe()
    parent = os.getpid()
    # a signal that came between the fork and the child's own handlers would reach the parent's event loop
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        process_id = os.fork()
    except OSError:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(reading)
        os.close(writing)
        raise
    if process_id == 0:
        _be_the_child(work, writing, parent, niceness)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    os.close(writing)
    return ForkedChild(process_id, reading)


def run_in_child(work: Callable[[], bytes], *, limit_s: float, niceness: int = NICENESS) -> Outcome:
    """Run ``work`` in a child and wait for it. Raises ``OSError`` like ``fork``."""
    return fork(work, niceness=niceness).wait(limit_s)


def _be_the_child(work: Callable[[], bytes], pipe: int, parent: int, niceness: int) -> NoReturn:
    status = _EXIT_NO_REPORT
    try:
        gc.disable()
        _isolate(pipe, parent, niceness)
        status = _report(pipe, _result(work))
    finally:
        os._exit(status)


def _isolate(pipe: int, parent: int, niceness: int) -> None:
    """Let go of all that is the parent's."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(_EXIT_LOST_PARENT)
    os.closerange(_FIRST_DESCRIPTOR, pipe)
    os.closerange(pipe + 1, os.sysconf("SC_OPEN_MAX"))
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is told to the node, which decides
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    # whoever writes to the parent's text streams may wait for a lock that a thread held which is not here
    sys.stdout = open(1, "w", closefd=False, encoding="utf-8")  # noqa: SIM115
    sys.stderr = open(2, "w", closefd=False, encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash here would leave a core as large as the state
    os.nice(niceness)
    _be_killed_first()


def _be_killed_first() -> None:
    """Where memory runs out, this process goes and not the node. Not every container lets it say so."""
    try:
        descriptor = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
    except OSError:
        return
    try:
        os.write(descriptor, b"1000")
    except OSError:
        return
    finally:
        os.close(descriptor)


def _result(work: Callable[[], bytes]) -> bytes:
    try:
        told: bytes | tuple[str, str] = work()
    except BaseException as error:  # noqa: BLE001  told to the parent, whatever it is
        told = (type(error).__name__, str(error))
    return pickle.dumps(told)


def _report(pipe: int, told: bytes) -> int:
    if len(told) > RESULT_BYTES_MAX:
        return _EXIT_RESULT_TOO_LARGE
    view = memoryview(told)
    while view:
        view = view[os.write(pipe, view) :]
    return 0
