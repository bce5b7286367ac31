"""What a campaign adds up to: one JSON document of acts, counts, checks and times; several can be merged into one."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, Final

import numpy as np

from tests.chaos.campaign import ActReport
from tests.chaos.schedule import Unavailable

FORMAT: Final = 1
PERCENTILES: Final = (("p50", 50), ("p90", 90), ("p99", 99), ("max", 100))
Document = dict[str, Any]


def document_of(
    command: str, acts: Sequence[ActReport], unavailable: Sequence[Unavailable], load_before: tuple[float, ...]
) -> Document:
    """The document of one campaign."""
    document: Document = {
        "format": FORMAT,
        "campaigns": [
            {
                "command": command,
                "machine": {
                    "cpus": os.cpu_count(),
                    "system": platform.platform(),
                    "python": platform.python_version(),
                    "load_average_before": [round(each, 2) for each in load_before],
                    "load_average_after": [round(each, 2) for each in os.getloadavg()],
                },
            }
        ],
        "unavailable": [asdict(each) for each in unavailable],
        "acts": [asdict(act) for act in acts],
    }
    return document | {"summary": summarise(document)}


def merge(documents: Iterable[Document]) -> Document:
    """Several documents as one."""
    merged: Document = {"format": FORMAT, "campaigns": [], "unavailable": [], "acts": []}
    for document in documents:
        if document.get("format") != FORMAT:
            raise ValueError(f"not a report of format {FORMAT}: {document.get('format')!r}")
        for name in ("campaigns", "unavailable", "acts"):
            merged[name] += [each for each in document[name] if name != "unavailable" or each not in merged[name]]
    return merged | {"summary": summarise(merged)}


def summarise(document: Document) -> Document:
    """Counts, checks and distributions over all acts."""
    acts = document["acts"]
    strikes = [strike for act in acts for strike in act["strikes"] if strike["whole_s"] is not None]
    checks: dict[str, Document] = {}
    for act in acts:
        for check in act["checks"]:
            found = checks.setdefault(
                check["name"], {"promise": check["promise"], "looked_at": 0, "broken": 0, "examples": []}
            )
            found["looked_at"] += check["looked_at"]
            found["broken"] += check["broken"]
            found["examples"] += [f"act {act['act']['number']}, seed {act['seed']}: {e}" for e in check["examples"]]
    totals: dict[str, int] = {}
    for act in acts:
        for name, value in act["totals"].items():
            totals[name] = totals.get(name, 0) + value
    return {
        "passed": bool(acts) and all(act["passed"] for act in acts),
        "acts": len(acts),
        "acts_failed": [_failed(act) for act in acts if not act["passed"]],
        "faults": len(strikes),
        "by_kind": _counted(strike["kind"] for strike in strikes),
        "by_fault": _counted(strike["name"] for strike in strikes),
        "totals": totals,
        "checks": checks,
        "times": times(strikes),
    }


def times(strikes: Sequence[Document]) -> dict[str, Document]:
    """Distributions in milliseconds, by what they measure."""
    kills = [each for each in strikes if each["kind"] == "kill"]
    groups = {
        "takeover after a kill of the active": [each["takeover_ms"] for each in kills if each["takes_over"]],
        "first ack after a kill of the passive": [
            each["takeover_ms"] for each in strikes if each["name"] == "kill-passive"
        ],
        "takeover from a silent active (pause)": [
            each["takeover_ms"] for each in strikes if each["kind"] == "pause" and each["takes_over"]
        ],
        "takeover after a partition": [
            each["takeover_ms"] for each in strikes if each["kind"] == "partition" and each["takes_over"]
        ],
        "gap of a switchover": [each["gap_ms"] for each in strikes if each["name"] == "switchover"],
        "gap of a deployment": [each["gap_ms"] for each in strikes if each["name"] == "deploy"],
        "first ack with the database away": [
            each["takeover_ms"] for each in strikes if each["kind"] == "outage" and each["ack_within_s"] is not None
        ],
        "kill until every client was served": [each["all_clients_ms"] for each in kills if each["takes_over"]],
        "rejoin: start of a killed node until synced": [each["rejoin_ms"] for each in kills],
    }
    return {name: _distribution(values) for name, values in groups.items() if values}


def _distribution(values: Sequence[float]) -> Document:
    return {
        "count": len(values),
        **{name: round(float(np.percentile(values, share)), 1) for name, share in PERCENTILES},
        "values": sorted(values),
    }


def _counted(names: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in sorted(names):
        found[name] = found.get(name, 0) + 1
    return found


def _failed(act: Document) -> Document:
    broken = [check["name"] for check in act["checks"] if check["broken"]]
    return {
        "act": act["act"]["number"],
        "seed": act["seed"],
        "replay": act["replay"],
        "broken": broken,
        "error": act["error"][:2000],
    }
