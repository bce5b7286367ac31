"""Real Siddhi 5.1.7 under a virtual clock, in a JVM of its own: cases in, what it does with them out.

The jars are those of the benchmarks (``benchmarks/siddhi_peer.py``); the Java beside this file is compiled once.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Self

from benchmarks.siddhi_peer import PEERS, fetch_jars

SOURCES = sorted((Path(__file__).parent / "java").glob("*.java"))
COMPILED = PEERS / "recorder"

HANGS = {"hangs": True}
"""What is recorded of a case that does not end within 20 s, or multiplies its events."""

_JVM = ("-Xmx1g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Duser.timezone=UTC")
"""Most cases take a millisecond: a compiler that starts fast, one thread for garbage, one heap of bounded size."""


def _compiled() -> Path:
    newest = max(each.stat().st_mtime for each in SOURCES)
    done = COMPILED / "Recorder.class"
    if not done.exists() or done.stat().st_mtime < newest:
        COMPILED.mkdir(parents=True, exist_ok=True)
        jars = fetch_jars()
        command = ["javac", "-proc:none", "-cp", f"{jars}/*", "-d", str(COMPILED), *map(str, SOURCES)]
        subprocess.run(command, check=True)
    return COMPILED


class Siddhi:
    """A process that records. After a case that hangs it is started anew."""

    def __init__(self) -> None:
        places = [f"{_compiled()}/", *sorted(map(str, fetch_jars().glob("*.jar")))]
        launch = f"{COMPILED}:" + ":".join(place for place in places if "/asm-" in place)
        self._command = ["java", *_JVM, "-cp", launch, "Launcher", *places]
        self._process: subprocess.Popen[str] | None = None

    def record(self, case: dict[str, Any]) -> dict[str, Any]:
        """``expected`` of ``case``, or ``HANGS``."""
        if self._process is None:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        given = {name: value for name, value in case.items() if name != "expected"}
        process.stdin.write(json.dumps(given) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        recorded: dict[str, Any] = json.loads(line) if line else HANGS
        if recorded == HANGS:
            self.close()
        return recorded

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def recorded(cases: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The cases with what real Siddhi does; those that hang are left out."""
    with Siddhi() as siddhi:
        for case in cases:
            expected = siddhi.record(case)
            if expected != HANGS:
                yield {**case, "expected": expected}
