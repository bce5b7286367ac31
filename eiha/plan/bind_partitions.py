"""Partitions: what tells rows apart, when idle keys are forgotten, and the names of inner streams."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, Final, TypeVar

from eiha.events.schema import Schema, StreamDefinition
from eiha.plan.bind_annotations import milliseconds
from eiha.plan.bind_expressions import ExpressionBinder
from eiha.plan.nodes import INNER_MARK, Partition, PartitionKey, Purge, RangeKey, ValueKey
from eiha.plan.refusals import Refusals
from eiha.plan.scopes import StreamScope
from eiha.siddhiql import query_tree
from eiha.siddhiql.annotation_tree import Annotation
from eiha.siddhiql.diagnostics import did_you_mean
from eiha.siddhiql.expression_tree import StreamReference
from eiha.siddhiql.span import Span

PURGE_INTERVAL_MS_DEFAULT: Final = 300_000
"""How often a partition with ``@purge`` and without ``interval`` looks for idle keys."""

_PURGE_KEYS: Final = ("enable", "interval", "idle.period")

SchemaOf = Callable[[str, Span], Schema]
"""The schema of a stream by name; refuses what rows cannot be taken from, at the place given."""

_Node = TypeVar("_Node")


def bind_partition(
    partition: query_tree.Partition, schema_of: SchemaOf, refusals: Refusals
) -> tuple[Partition, tuple[str, ...]]:
    """The keys of ``partition`` and its purge, and warnings; its queries are bound by the caller.

    Raises:
        PlanSemanticError: a key or an annotation does not fit.
    """
    keys: list[PartitionKey] = []
    for key in partition.keys:
        if any(key.stream == other.stream for other in keys):
            refusals.refuse(key.span, f"{key.stream!r} has a key in this partition already; a stream takes one")
        keys.append(_key(key, schema_of(key.stream, key.span), refusals))
    purge, warnings = _annotations(partition.annotations, refusals)
    return Partition(tuple(keys), purge, partition.span), warnings


def _key(key: query_tree.ValueKey | query_tree.RangeKey, schema: Schema, refusals: Refusals) -> PartitionKey:
    binder = ExpressionBinder(StreamScope(key.stream, schema, refusals), refusals)
    if isinstance(key, query_tree.ValueKey):
        return ValueKey(key.stream, binder.bind(key.expression))
    rule = "a range takes a bool"
    return RangeKey(key.stream, tuple((binder.bind_condition(each.condition, rule), each.label) for each in key.ranges))


# --- annotations


def _annotations(notes: tuple[Annotation, ...], refusals: Refusals) -> tuple[Purge | None, tuple[str, ...]]:
    purge: Purge | None = None
    warnings: list[str] = []
    is_purged = False
    for note in notes:
        match note.name.lower():
            case "purge":
                if is_purged:
                    refusals.refuse(note.span, "a partition takes one @purge")
                is_purged = True
                purge = _purge(note, refusals)
            case "info":
                pass  # a name, for the reader
            case name:
                warnings.append(f"@{name} on a partition has no effect")
    return purge, tuple(warnings)


def _purge(note: Annotation, refusals: Refusals) -> Purge | None:
    for element in note.elements:
        if element.key is None or element.key.lower() not in _PURGE_KEYS:
            what = element.key or element.value
            message = f"@purge has no {what!r}; it takes {', '.join(_PURGE_KEYS)}"
            refusals.refuse(element.span, message + did_you_mean(what, _PURGE_KEYS))
    enable, idle = note.value("enable"), note.value("idle.period")
    if enable is None or idle is None:
        missing = "enable" if enable is None else "idle.period"
        message = f"@purge needs {missing!r}, e.g. @purge(enable='true', interval='1 min', idle.period='1 hour')"
        refusals.refuse(note.span, message)
    if enable.lower() not in ("true", "false"):
        refusals.refuse(note.span, f"enable is 'true' or 'false', not {enable!r}")
    idle_ms = milliseconds("idle.period", idle, note, refusals)
    interval = note.value("interval")
    interval_ms = PURGE_INTERVAL_MS_DEFAULT if interval is None else milliseconds("interval", interval, note, refusals)
    return Purge(interval_ms, idle_ms) if enable.lower() == "true" else None


# --- inner streams


def inner_names(partition: query_tree.Partition, streams: Mapping[str, StreamDefinition]) -> dict[str, str]:
    """For each inner stream that a query of ``partition`` writes to or reads: its name in the plan.

    That is ``#name``, or, where another partition has such a one already, ``#name`` with a number behind.
    """
    found: dict[str, str] = {}
    for query in partition.queries:
        for name in _inner_sources(query):
            number, plain = 1, f"{INNER_MARK}{name}"
            full = plain
            while full in streams and name not in found:
                number += 1
                full = f"{plain}:{number}"
            found.setdefault(name, full)
    return found


def _inner_sources(node: object) -> list[str]:
    """The inner streams named in a tree, in order of the text."""
    if isinstance(node, query_tree.Source):
        return [node.name] if node.is_inner else []
    if isinstance(node, tuple):
        return [name for each in node for name in _inner_sources(each)]
    if is_dataclass(node) and not isinstance(node, type):
        return [name for each in fields(node) for name in _inner_sources(getattr(node, each.name))]
    return []


def with_inner_names(node: _Node, names: Mapping[str, str]) -> _Node:
    """``node``, a tree, with inner streams under the names that they have in the plan, as if they were plain ones."""
    renamed: Any = _renamed(node, names) if names else node
    return renamed  # type: ignore[no-any-return]


def _renamed(node: Any, names: Mapping[str, str]) -> Any:
    if isinstance(node, query_tree.Source | StreamReference) and node.is_inner:
        name = names.get(node.name, INNER_MARK + node.name)
        return replace(node, name=name, is_inner=False)
    if isinstance(node, tuple):
        return tuple(_renamed(each, names) for each in node)
    if is_dataclass(node) and not isinstance(node, type):
        changed = {}
        for each in fields(node):
            before = getattr(node, each.name)
            after = _renamed(before, names)
            if after is not before and after != before:
                changed[each.name] = after
        return replace(node, **changed) if changed else node
    return node
