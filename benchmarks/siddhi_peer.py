"""The peer: real Siddhi 5.1.7 in a JVM of its own, fed by a small driver with the same generated events.

The jars come inside the PyPI wheel ``PySiddhi==5.1.0``; they are fetched once with pip into ``var/peers`` and the
driver is compiled with the machine's ``javac``.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

PEERS = Path("var/peers/siddhi")
SOURCE = Path(__file__).parent / "siddhi" / "Driver.java"


class PeerMissingError(RuntimeError):
    """The peer cannot be run here; the text says what to install."""


@dataclass(frozen=True, slots=True)
class PeerRun:
    """One run of the driver: events per second of each round, outputs of the last round."""

    rates: tuple[int, ...]
    out_rows: int
    out_sum: float


def fetch_jars() -> Path:
    """The directory with the jars of Siddhi, fetched if it is not there.

    Raises:
        PeerMissingError: no Java compiler, or the wheel cannot be fetched.
    """
    if shutil.which("javac") is None or shutil.which("java") is None:
        raise PeerMissingError("no java and javac on PATH: install a JDK (Debian: default-jdk-headless)")
    jars = PEERS / "jars"
    if jars.exists():
        return jars
    with tempfile.TemporaryDirectory() as download:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "-d",
            download,
            "PySiddhi==5.1.0",
        ]
        if subprocess.run(command, check=False).returncode:
            raise PeerMissingError("pip could not download PySiddhi==5.1.0, whose wheel holds Siddhi 5.1.7")
        wheel = next(Path(download).glob("*.whl"))
        partial = PEERS / "jars.partial"
        partial.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.endswith(".jar"):
                    (partial / Path(name).name).write_bytes(archive.read(name))
        partial.rename(jars)
    return jars


def prepare() -> Path:
    """The directory with jars and the compiled driver, made if it is not there.

    Raises:
        PeerMissingError: no Java compiler, or the wheel cannot be fetched.
    """
    jars = fetch_jars()
    compiled = PEERS / "Driver.class"
    if not compiled.exists() or compiled.stat().st_mtime < SOURCE.stat().st_mtime:
        subprocess.run(["javac", "-cp", f"{jars}/*", "-d", str(PEERS), str(SOURCE)], check=True)
    return PEERS


def run(
    app: str,
    *,
    inputs: str,
    outputs: str,
    spec: str,
    events: int,
    batch: int,
    warmups: int,
    rounds: int,
    playback: bool,
    dt_ms: float,
    seed: int,
    sums: bool = False,
    question: str = "",
) -> PeerRun:
    """Run ``app`` in a fresh JVM; see the driver for the arguments. ``sums``: add up the numbers put out, too."""
    home = prepare()
    with tempfile.NamedTemporaryFile("w", suffix=".siddhi") as file:
        file.write(app)
        file.flush()
        command = [
            "java",
            "-Xms2g",
            "-Xmx4g",
            "-cp",
            f"{home}:{home}/jars/*",
            "Driver",
            file.name,
            inputs,
            outputs,
            spec,
        ]
        command += [str(events), str(batch), str(warmups), str(rounds), "playback" if playback else "live"]
        command += [str(dt_ms), str(seed), "sum" if sums else "count", question]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    answer = json.loads(done.stdout.strip().splitlines()[-1])
    return PeerRun(tuple(answer["rates"]), answer["out_rows"], answer["out_sum"])
