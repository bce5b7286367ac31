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
    if level >= QUERIES:
        return _queries(case, plan, recording, level)
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
