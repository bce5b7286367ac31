"""Further queries of the engine benchmark, one or two for each operator: what falls behind shows here first.

They stand in ``breadth.toml``; ``python -m benchmarks.engine --breadth`` measures them.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, Final

from benchmarks.workloads import BOTH, TABLE, TIMED, TRADES, TRADES_SPEC, Workload

EVENTS: Final = 100_000
"""A round: short, since some operators are slow on either side."""


def _workload(query: dict[str, Any]) -> Workload:
    text = query["app"].strip()
    streams = query.get("streams", "S")
    timed = re.search(r"\bts\b", text) is not None
    definitions = BOTH if "," in streams else TIMED if timed else TRADES
    table = TABLE if re.search(r"\bT\b", text) else ""
    return Workload(
        query["name"],
        definitions + table + text,
        spec=query.get("gen", TRADES_SPEC + (";ts" if timed else "")),
        streams=streams,
        events=query.get("events", EVENTS),
        dt_ms=query.get("clock"),
        question=query.get("question", ""),
        has_peer=query.get("peer", True),
    )


BREADTH: Final = tuple(
    _workload(query)
    for query in tomllib.loads((Path(__file__).parent / "breadth.toml").read_text(encoding="utf-8"))["query"]
)
