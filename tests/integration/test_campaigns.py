"""What users run to convince themselves: the campaign of kills and the demo, short ones, as programs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.processes
def test_two_kills_under_load_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    options = ["--kills", "2", "--switchovers", "1", "--rate", "1000"]
    options += ["--directory", str(tmp_path / "pair"), "--json", str(report)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.takeovers", *options], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(report.read_text())
    assert figures["acknowledged"] > 0
    assert 0 < figures["switchover_gap_ms"]["max"] < 10_000
    assert figures["outputs"] > figures["acknowledged"]
    assert [figures[key] for key in ("lost", "twice", "outputs_differ", "digest_differences")] == [0, 0, 0, 0]


@pytest.mark.processes
@pytest.mark.slow
def test_the_benchmark_of_the_pair_measures_every_way_in_at_every_share(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    options = ["--quick", "--directory", str(tmp_path / "pair"), "--json", str(report)]
    done = subprocess.run([sys.executable, "-m", "benchmarks.pair", *options], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(report.read_text())
    ways = figures["cpu_ns_per_event"]
    assert len(ways) == 3
    for way, nodes in ways.items():
        rates = [figures[f"{way}, at {share} %"]["events_per_s"] for share in (10, 50, 90)]
        assert 0 < rates[0] < rates[1] < rates[2] < figures[way]["events_per_s"]
        assert {name for threads in nodes.values() for name in threads} >= {"event loop", "eiha-engine"}
    assert figures["bare echo over two hops"]["p50_ms"] < figures["single events, one every 5 ms"]["p50_ms"]


@pytest.mark.processes
def test_the_demo_ends_with_its_verdict(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "examples.flights.demo", "--rate", "4000", "--directory", str(tmp_path / "demo")],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "VERDICT: every acknowledged departure is there once" in " ".join(done.stdout.split())
