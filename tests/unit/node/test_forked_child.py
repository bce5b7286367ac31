from __future__ import annotations

import contextlib
import fcntl
import gc
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from eiha.node.forked_child import RESULT_BYTES_MAX, Died, Exited, Raised, Returned, TookTooLong, fork, run_in_child

LIMIT_S = 20.0


def run(work: Callable[[], bytes]) -> object:
    return run_in_child(work, limit_s=LIMIT_S)


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def forever() -> bytes:
    while True:
        time.sleep(3600)


def end_by(number: int) -> bytes:
    os.kill(os.getpid(), number)
    return forever()


def test_what_the_function_returns_comes_back_however_large() -> None:
    assert run(lambda: b"") == Returned(b"")
    assert run(lambda: b"x" * 5_000_000) == Returned(b"x" * 5_000_000)


def test_a_result_beyond_the_bound_is_not_sent() -> None:
    outcome = run(lambda: bytes(RESULT_BYTES_MAX + 1))
    assert isinstance(outcome, Exited)
    assert outcome.status != 0


def test_an_exception_is_told() -> None:
    def fail() -> bytes:
        raise KeyError("nothing here")

    assert run(fail) == Raised("KeyError", "'nothing here'")


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGTERM, signal.SIGABRT])
def test_a_signal_that_ends_the_child_is_told(number: signal.Signals) -> None:
    assert run(lambda: end_by(number)) == Died(number)


def test_a_child_that_ends_itself_is_told_apart() -> None:
    def leave() -> bytes:
        os._exit(7)

    assert run(leave) == Exited(7)


def test_a_child_that_takes_too_long_is_killed_and_gone() -> None:
    child = fork(forever)
    assert child.wait(0.05) == TookTooLong(0.05)
    with pytest.raises(ProcessLookupError):
        os.kill(child.process_id, 0)
    child.kill()


def test_a_child_can_be_ended_from_another_thread() -> None:
    child = fork(forever)
    threading.Timer(0.05, child.kill).start()
    assert child.wait(LIMIT_S) == Died(signal.SIGKILL)
    child.kill()


def test_the_child_sees_the_moment_of_the_fork_and_changes_nothing_here() -> None:
    reading, writing = os.pipe()
    array, names = np.arange(100_000), ["before"]

    def work() -> bytes:
        array[0] = 99
        return f"{names} {int(array[1:].sum())}".encode()

    expected = f"['before'] {int(array[1:].sum())}".encode()
    child = fork(work)
    array[1:] = 0
    names.append("after")
    assert child.wait(LIMIT_S) == Returned(expected)
    assert array[0] == 0
    os.close(reading)
    os.close(writing)


def test_the_child_holds_no_descriptor_of_the_parent_but_its_pipe_and_standard_error(tmp_path: Path) -> None:
    held = (tmp_path / "lock").open("w")
    fcntl.flock(held, fcntl.LOCK_EX)
    left, right = socket.socketpair()
    go_on = tmp_path / "go on"

    def work() -> bytes:
        numbers = range(3, os.sysconf("SC_OPEN_MAX"))
        links = {str(path.readlink()) for number in numbers if (path := Path(f"/proc/self/fd/{number}")).exists()}
        while not go_on.exists():
            time.sleep(0.005)
        return repr(sorted(links)).encode()

    child = fork(work)
    right.close()
    left.settimeout(LIMIT_S)
    assert left.recv(1) == b""  # the other end is closed although the child is alive
    held.close()
    with (tmp_path / "lock").open("w") as again:
        wait_for_lock(again.fileno())
    go_on.touch()
    outcome = child.wait(LIMIT_S)
    assert isinstance(outcome, Returned)
    assert outcome.value.count(b"pipe:") == 1
    assert b"socket:" not in outcome.value
    left.close()


def wait_for_lock(descriptor: int) -> None:
    """The child lets go within its first moments, not at the very first."""
    deadline_s = time.monotonic() + LIMIT_S
    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        assert time.monotonic() < deadline_s, "the child holds the lock"
        time.sleep(0.005)


def test_the_child_dies_with_its_parent(tmp_path: Path) -> None:
    program = (
        "import os, signal, time\n"
        "from eiha.node.forked_child import fork\n"
        "child = fork(lambda: time.sleep(3600))\n"
        "print(child.process_id, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    parent = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=LIMIT_S, check=False)
    assert parent.returncode == -signal.SIGKILL
    wait_until_gone(int(parent.stdout))


def wait_until_gone(process_id: int) -> None:
    deadline_s = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline_s:
        try:
            state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return
        if state == "Z":  # dead; whoever adopted it has not asked yet
            return
        time.sleep(0.005)
    raise AssertionError(f"process {process_id} lives")


def test_locks_that_other_threads_hold_do_not_hold_up_the_child() -> None:
    """Logging, standard error, memory: what code may touch without knowing it."""
    stop = threading.Event()
    log = logging.getLogger("eiha.test.forked_child")
    log.propagate = False
    log.addHandler(logging.NullHandler())

    def busy() -> None:
        while not stop.is_set():
            log.warning("busy")
            [bytes(5_000) for _ in range(50)]
            np.sort(np.arange(2_000)[::-1])

    threads = [threading.Thread(target=busy) for _ in range(4)]
    for thread in threads:
        thread.start()

    def work() -> bytes:
        log.warning("in the child")
        print("not seen")
        sys.stderr.write("")
        return bytes(np.sort(np.arange(50_000)[::-1])[:2].astype("u1"))

    try:
        for _ in range(20):
            assert run(work) == Returned(b"\0\1")
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_compiled_functions_run_in_the_child() -> None:
    numba = pytest.importorskip("numba")

    @numba.njit
    def total(values):  # type: ignore[no-untyped-def]
        result = 0
        for value in values:
            result += value
        return result

    values = np.arange(1_000)
    assert total(values) == 499_500
    assert run(lambda: str(total(values)).encode()) == Returned(b"499500")


def test_signals_of_the_parent_do_not_run_its_handlers_in_the_child() -> None:
    told: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: told.append(number))
    try:
        assert run(lambda: end_by(signal.SIGTERM)) == Died(signal.SIGTERM)
        assert run(lambda: (os.kill(os.getpid(), signal.SIGINT), b"lives")[1]) == Returned(b"lives")
    finally:
        signal.signal(signal.SIGTERM, before)
    assert told == []


def test_the_child_steps_back_and_collects_no_garbage() -> None:
    def tell() -> bytes:
        return f"{os.nice(0)} {gc.isenabled()}".encode()

    outcome = run(tell)
    assert outcome == Returned(f"{min(19, os.nice(0) + 10)} False".encode())


def test_a_fork_that_the_system_refuses_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise OSError(12, "Cannot allocate memory")

    before = open_descriptors()
    monkeypatch.setattr(os, "fork", refuse)
    with pytest.raises(OSError, match="allocate"):
        fork(lambda: b"")
    assert open_descriptors() == before
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()


def test_nothing_of_a_child_stays() -> None:
    before = open_descriptors()
    for _ in range(5):
        run(lambda: b"done")
    assert open_descriptors() == before
