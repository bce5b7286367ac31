"""The language alone, over all recorded cases: what is accepted and refused, types of outputs, the unparse law."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from eiha.errors import PlanError, PlanSyntaxError, UnsupportedConstruct
from eiha.events.schema import Schema
from eiha.plan.compilation import compile_plan
from eiha.plan.digest import digest
from eiha.plan.nodes import Plan
from eiha.siddhiql.parser import parse
from eiha.siddhiql.unparse import unparse

FILES = sorted((Path(__file__).parent / "cases").glob("*.jsonl"))
SYNTAX = "SiddhiParserException"
DELIBERATE = frozenset(json.loads((Path(__file__).parent / "manifest.json").read_text())["deliberate"])


def cases(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def names_and_types(schema: Schema) -> list[list[str]]:
    return [[attribute.name, attribute.type.value] for attribute in schema.attributes]


def wrong_types(plan: Plan, expected: dict[str, Any]) -> list[str]:
    queries = {query.name: query.selector.schema for query in plan.queries if query.named}
    streams = {each.name: each.schema for each in (*plan.streams, *plan.tables, *plan.windows, *plan.aggregations)}
    recorded = [(queries, expected.get("query_types") or {}), (streams, expected.get("types") or {})]
    return [
        f"{name}: {schemas.get(name)} instead of {types}"
        for schemas, wanted in recorded
        for name, types in wanted.items()
        if name not in schemas or names_and_types(schemas[name]) != types
    ]


def surprise(case: dict[str, Any]) -> str | None:
    """How the language differs from the record, None for not at all."""
    expected = case["expected"]
    is_syntax_error = not expected["ok"] and expected["phase"] == "parse" and expected["error_class"] == SYNTAX
    try:
        tree = parse(case["app"])
    except PlanSyntaxError as error:
        return f"refused as text: {error}" if expected["ok"] else None
    if is_syntax_error:
        return f"accepted as text, recorded was: {expected['error']}"
    canonical = unparse(tree)
    if parse(canonical) != tree:
        return f"does not come back from its canonical text:\n{canonical}"
    try:
        plan = compile_plan(case["app"])
    except UnsupportedConstruct:
        return None
    except PlanError as error:
        return f"refused: {error}" if expected["ok"] else None
    if not expected["ok"]:
        return f"accepted, recorded was: {expected['error']}"
    if digest(compile_plan(canonical)) != digest(plan):
        return "its canonical text is another plan"
    return "; ".join(wrong_types(plan, expected)) or None


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_texts_are_accepted_refused_and_typed_as_recorded(path: Path) -> None:
    surprises = {case["name"]: surprise(case) for case in cases(path) if case["name"] not in DELIBERATE}
    assert {name: what for name, what in surprises.items() if what is not None} == {}
