"""What was put out against what was recorded: the first difference, in words."""

from __future__ import annotations

import json
from typing import Any

from eiha.engine.conformance.case import Case
from eiha.engine.conformance.run_case import Recording
from eiha.engine.conformance.values import same
from eiha.events.schema import AttributeType
from eiha.plan.nodes import Plan

Types = tuple[AttributeType, ...]

STREAMS = 1
"""Level: values and order of the events of each stream."""

QUERIES = 2
"""Level: also how the events of each query are grouped into calls."""

TIMING = 3
"""Level: also the step and the running number of each call."""


def difference(case: Case, plan: Plan, recording: Recording, level: int) -> str | None:
    """The first difference at ``level`` or below; None if there is none."""
    recorded = case.expected.get("streams", {})
    for stream in recording.streams:
        theirs = recorded.get(stream, [])
        types = tuple(attribute.type for attribute in plan.stream(stream).schema.attributes)
        found = _events(f"stream {stream}", types, recording.streams[stream], theirs, any_order=case.any_order)
        if found is not None:
            return found
        if level < TIMING or case.any_order or "chunks" not in case.expected:
            continue
        chunks = case.expected["chunks"].get(stream, [])
        if recording.chunks[stream] != chunks:
            return _first_of_lists(f"stream {stream}: [step, seq, size]", recording.chunks[stream], chunks)
    found = _answers(case, recording) or _tables(case, plan, recording)
    if found is None and level >= QUERIES:
        return _queries(case, plan, recording, level)
    return found


def _answers(case: Case, recording: Recording) -> str | None:
    recorded = case.expected.get("ondemand", [])
    for ours, theirs in zip(recording.answers, recorded, strict=False):
        where = f"after step {theirs['after']}, {theirs['query']!r}"
        if ours["ok"] != theirs["ok"] or ours["query"] != theirs["query"]:
            return f"{where}: {_text(ours)}, recorded was {_text(theirs)}"
        if not ours["ok"]:
            continue
        if ours["types"] != theirs["types"]:
            return f"{where}: types are {_text(ours['types'])}, recorded were {_text(theirs['types'])}"
        if (ours["events"] is None) != (theirs["events"] is None):
            return f"{where}: {_text(ours['events'])}, recorded was {_text(theirs['events'])}"
        types = tuple(AttributeType(type_) for _, type_ in ours["types"])
        found = _events(where, types, ours["events"] or [], theirs["events"] or [], any_order=case.any_order)
        if found is not None:
            return found
    if len(recording.answers) != len(recorded):
        return f"{len(recording.answers)} answers, recorded were {len(recorded)}"
    return None


def _tables(case: Case, plan: Plan, recording: Recording) -> str | None:
    for name, theirs in case.expected.get("tables", {}).items():
        table = plan.table(name)
        if table is None or name not in recording.tables:
            return f"table {name} was not read"
        types = tuple(attribute.type for attribute in table.schema.attributes)
        rows = [[0, values] for values in recording.tables[name]]
        found = _events(f"table {name}", types, rows, [[0, values] for values in theirs], any_order=case.any_order)
        if found is not None:
            return found
    return None


def _queries(case: Case, plan: Plan, recording: Recording, level: int) -> str | None:
    schemas = {query.name: query.selector.schema for query in plan.queries}
    for name, ours in recording.calls.items():
        theirs = case.expected.get("queries", {}).get(name, [])
        types = tuple(attribute.type for attribute in schemas[name].attributes)
        for number, (mine, other) in enumerate(zip(ours, theirs, strict=False), start=1):
            found = _call(f"query {name}, call {number}", types, mine, other, level, any_order=case.any_order)
            if found is not None:
                return found
        if len(ours) != len(theirs):
            return _first_of_lists(f"query {name}: calls", ours, theirs)
    return None


def _call(
    where: str, types: Types, ours: dict[str, Any], theirs: dict[str, Any], level: int, *, any_order: bool
) -> str | None:
    for part in ("current", "expired"):
        mine, other = ours[part], theirs[part]
        if (mine is None) != (other is None):
            return f"{where}: {part} events are\n  {_text(mine)}, recorded were\n  {_text(other)}"
        found = _events(f"{where}, {part}", types, mine or [], other or [], any_order=any_order)
        if found is not None:
            return found
    for field in ("ts",) if level < TIMING else ("ts", "step", "seq"):
        if ours[field] != theirs[field] and not any_order:
            return f"{where}: {field} is {ours[field]}, recorded was {theirs[field]}"
    return None


def _events(where: str, types: Types, ours: list[Any], theirs: list[Any], *, any_order: bool) -> str | None:
    if any_order:
        ours, theirs = sorted(ours, key=_text), sorted(theirs, key=_text)
    for number, (mine, other) in enumerate(zip(ours, theirs, strict=False), start=1):
        if not _same_event(types, mine, other):
            return f"{where}, event {number} is\n  {_text(mine)}, recorded was\n  {_text(other)}"
    if len(ours) != len(theirs):
        return _first_of_lists(where, ours, theirs)
    return None


def _same_event(types: Types, ours: list[Any], theirs: list[Any]) -> bool:
    if ours[0] != theirs[0] or ours[2:] != theirs[2:] or len(ours[1]) != len(theirs[1]):
        return False
    return all(same(type_, mine, other) for type_, mine, other in zip(types, ours[1], theirs[1], strict=True))


def _first_of_lists(where: str, ours: list[Any], theirs: list[Any]) -> str:
    place = next(
        (index for index, (mine, other) in enumerate(zip(ours, theirs, strict=False)) if mine != other),
        min(len(ours), len(theirs)),
    )
    mine = _text(ours[place]) if place < len(ours) else "nothing more"
    other = _text(theirs[place]) if place < len(theirs) else "nothing more"
    return f"{where}: {len(ours)}, recorded were {len(theirs)}; at {place + 1}\n  {mine}, recorded\n  {other}"


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
