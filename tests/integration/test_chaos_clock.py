"""A real pair in which one node's wall clock jumps and runs wrong: nothing but the time of events may notice."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from benchmarks.local_pair import LocalPair, Ports, Seat
from benchmarks.process_log import logged
from eiha.storage.log_segments import LogSegments
from tests.chaos.fault_shim import FaultShim
from tests.integration.steady_client import SteadyClient, assert_stored_once, write_plan

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]

TIMEOUT_S: Final = 90.0
STEPS_S: Final = (600.0, -600.0, 3_600.0, 0.0)


def test_a_clock_that_jumps_by_an_hour_changes_no_role_and_log_time_never_goes_back(tmp_path: Path) -> None:
    shims = {name: FaultShim(tmp_path / f"{name}.control") for name in ("node1", "node2")}

    def seating(ports: dict[str, Ports]) -> dict[str, Seat]:
        return {name: Seat(environment=shims[name].environment) for name in ports}

    with LocalPair(tmp_path / "pair", write_plan(tmp_path / "plans"), seating=seating) as pair:
        pair.start()
        first = [node.role() for node in pair.nodes]
        with SteadyClient(pair.ingest) as client:
            for node in pair.nodes:
                for step_s in STEPS_S:
                    shims[node.name].set_clock(step_s, drift_ppm=200_000.0 if step_s else 0.0)
                    client.ack_after(time.monotonic() + 0.3, TIMEOUT_S)
            total = client.finish()
        assert [node.role() for node in pair.nodes] == first
        for node in pair.nodes:
            lines = logged(node.log)
            told = [line["event"] for line in lines if line["level"] in ("WARNING", "ERROR")]
            assert set(told) <= {"loop_late"}
        assert_stored_once(pair, total)
    for node in pair.nodes:
        log = LogSegments(node.location / "log")
        times = [entry.log_time_ms for entry in log.open()]
        log.close()
        assert all(earlier <= later for earlier, later in pairwise(times))
        # the active's clock was an hour ahead: what it stamped then is not taken back, and time goes on from there
        assert times[-1] - times[0] > 3_600_000
    for shim in shims.values():
        shim.close()
