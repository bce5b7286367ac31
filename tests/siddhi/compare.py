"""What two records of one case have in common: streams, calls, answers, tables, types."""

from __future__ import annotations

import json
from typing import Any

_PARTS = ("ok", "streams", "chunks", "queries", "ondemand", "tables", "types", "query_types")


def differing_parts(case: dict[str, Any], anew: dict[str, Any]) -> list[str]:
    """The parts in which ``anew`` differs from the record of ``case``, as far as that one goes."""
    known = case["expected"]
    if not known["ok"]:
        return [] if anew.get("ok") is False else ["ok"]
    any_order = case.get("row_order") == "any"
    unheard = case.get("queries") == []
    return [
        part
        for part in _PARTS
        if part in known
        and not ((any_order or unheard) and part in ("chunks", "queries", "query_types"))
        and not _equal(part, known, anew, any_order)
    ]


def _equal(part: str, known: dict[str, Any], anew: dict[str, Any], any_order: bool) -> bool:
    first, second = known[part], anew.get(part)
    if isinstance(first, dict):
        second = {name: (second or {}).get(name) for name in first}  # listening to more changes nothing
    return _plain(first, any_order) == _plain(second, any_order)


def _plain(value: Any, any_order: bool) -> Any:
    """``value`` in a form in which what may come in any order, and texts of errors, make no difference."""
    match value:
        case {"$set": list() as members}:
            return {"$set": sorted(map(json.dumps, members))}
        case dict():
            return {name: _plain(each, any_order) for name, each in value.items() if name not in ("error", "seq")}
        case list():
            members = [_plain(each, any_order) for each in value]
            return sorted(members, key=json.dumps) if any_order else members
        case _:
            return value
