"""A short campaign with real processes, and what a campaign makes of its faults."""

from __future__ import annotations

import json
import random
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.campaign import ActReport, Strike, availability, run_act, went_solo_last
from tests.chaos.catalogue import FAULTS, STAGES
from tests.chaos.fault import Fault, Kind
from tests.chaos.history import LogLine
from tests.chaos.report_html import html_of
from tests.chaos.schedule import FAULTS_AN_ACT, Act, make_schedule
from tests.chaos.summary import document_of, merge

SHORT = ("kill-active", "deploy-kill-active", "freeze-database", "switchover", "kill-and-wipe-disk")


@pytest.mark.processes
@pytest.mark.mariadb
def test_a_short_campaign_keeps_every_promise(tmp_path: Path) -> None:
    act = Act(0, "loopback", mariadb=True, durability="replicated", faults=SHORT)
    report = run_act(act, 3, tmp_path / "act")
    assert report.passed, json.dumps({"error": report.error, "checks": report.checks}, indent=1)
    assert [strike["name"] for strike in report.strikes] == list(SHORT)
    assert {check["name"] for check in report.checks} >= {"acknowledged is stored", "outputs of Average", "witness"}
    assert report.totals["events_stored"] == report.totals["publications_acknowledged"] * 10
    assert report.totals["epochs"] >= 4


@pytest.mark.processes
def test_an_act_that_cannot_be_put_up_is_a_failed_act_with_its_reason(tmp_path: Path) -> None:
    report = run_act(Act(0, "loopback", mariadb=False, durability="no such", faults=()), 1, tmp_path / "act")
    assert not report.passed
    assert "durability" in report.error


def test_every_fault_has_a_name_of_its_own_and_stages_that_exist() -> None:
    faults = [entry.make() for entry in FAULTS]
    assert len({fault.name for fault in faults}) == len(faults)
    for fault in faults:
        assert isinstance(fault, Fault), fault
        assert fault.stages <= set(STAGES), fault.name


def test_a_schedule_has_what_was_asked_for_and_is_a_function_of_the_seed() -> None:
    wanted = {Kind.KILL: 90, Kind.PAUSE: 30, Kind.OUTAGE: 10}
    schedule = make_schedule(wanted, 1, mariadb=True)
    kinds = {entry.make().name: entry.make().kind for entry in FAULTS}
    drawn = [kinds[name] for act in schedule.acts for name in act.faults]
    assert {kind: drawn.count(kind) for kind in wanted} == wanted
    assert all(len(act.faults) <= FAULTS_AN_ACT for act in schedule.acts)
    assert make_schedule(wanted, 1, mariadb=True) == schedule
    assert make_schedule(wanted, 2, mariadb=True) != schedule


def test_what_cannot_be_had_is_named_with_its_reason() -> None:
    schedule = make_schedule({Kind.OUTAGE: 5, Kind.KILL: 1}, 1, mariadb=False)
    assert [kind for act in schedule.acts for kind in act.faults] != []
    assert {each.name for each in schedule.unavailable} >= {"stop-database", "kill-database", "freeze-database"}


def strike(name: str, takeover_ms: float, **others: Any) -> Strike:
    return Strike(0, name, "kill", "node1", name, 1.0, whole_s=2.0, takeover_ms=takeover_ms, **others)


def test_a_pair_that_should_have_gone_on_and_did_not_is_told() -> None:
    sound = [strike("kill-active", 90.0, ack_within_s=10.0), strike("pause-active", 55_000.0, ack_within_s=None)]
    assert availability(sound).holds
    assert not availability([strike("kill-active", 10_500.0, ack_within_s=10.0)]).holds


def test_a_kill_of_an_active_that_had_just_gone_solo_asks_nothing_of_the_other() -> None:
    assert availability([strike("kill-active", 10_500.0, ack_within_s=10.0, alone=True)]).holds
    said = [
        LogLine("node1", 1, "INFO", event, 3, "", 0.0)
        for event in ("became_active", "synced_in", "went_solo", "link_closed")
    ]
    assert went_solo_last(said)
    assert not went_solo_last([*said, LogLine("node1", 1, "INFO", "synced_in", 3, "", 1.0)])
    assert not went_solo_last([])


def act_report(number: int, *, broken: int) -> ActReport:
    rng = random.Random(number)
    strikes = [
        strike(
            "kill-active", rng.uniform(50, 400), takes_over=True, healed_s=1.5, rejoin_ms=900.0, all_clients_ms=500.0
        )
        for _ in range(20)
    ]
    check = {"name": "stored once", "promise": "p", "looked_at": 7, "broken": broken, "examples": ("row <1>",) * broken}
    return ActReport(
        asdict(Act(number, "loopback", mariadb=True, durability="disk", faults=("kill-active",) * 20)),
        seed=5,
        replay=f"python -m tests.chaos --act {number}",
        passed=not broken,
        seconds=9.0,
        strikes=[asdict(each) for each in strikes],
        checks=[check],
        totals={"events_stored": 10},
        roles=[{"at_s": 0.0, "node": "node1", "role": "active", "state": "synced", "epoch": 1}],
        acks=[3, 0, 5],
    )


def test_reports_are_merged_and_the_page_tells_what_broke_and_how_to_run_it_again() -> None:
    sound = document_of("one", [act_report(0, broken=0)], [], (0.0, 0.0, 0.0))
    broken = document_of("two", [act_report(1, broken=1)], [], (0.0, 0.0, 0.0))
    assert sound["summary"]["passed"]
    # as it comes back from the files
    merged = merge(json.loads(json.dumps(each)) for each in (sound, broken))
    summary = merged["summary"]
    assert (summary["passed"], summary["acts"], summary["faults"]) == (False, 2, 40)
    assert summary["checks"]["stored once"]["looked_at"] == 14
    assert summary["times"]["takeover after a kill of the active"]["count"] == 40
    page = html_of(merged)
    assert "a promise was broken" in page
    assert "row &lt;1&gt;" in page
    assert "python -m tests.chaos --act 1" in page
    assert "every promise held" in html_of(sound)
