"""Fault streams: ``!S`` gets the rows of ``S`` that queries failed on, if ``S`` has ``@OnError(action='STREAM')``."""

from __future__ import annotations

import operator
from collections.abc import Container
from dataclasses import fields, is_dataclass, replace
from typing import Any, Final

from eiha.events.schema import Attribute, AttributeType, Schema, StreamDefinition
from eiha.plan.nodes import FAULT_MARK
from eiha.plan.refusals import Refusals
from eiha.siddhiql import query_tree
from eiha.siddhiql.expression_tree import StreamReference
from eiha.siddhiql.span import Span

ERROR_ATTRIBUTE: Final = Attribute("_error", AttributeType.OBJECT)
"""What a fault stream has beside the attributes of its stream: what went wrong, in words."""


def fault_stream(stream: StreamDefinition) -> StreamDefinition:
    """The fault stream of ``stream``."""
    return StreamDefinition(FAULT_MARK + stream.name, Schema((*stream.schema.attributes, ERROR_ATTRIBUTE)))


def with_fault_names(query: query_tree.Query, streams: Container[str], refusals: Refusals) -> query_tree.Query:
    """``query`` with fault streams under the names that they have in the plan, as if they were plain ones.

    What is inserted into ``!S`` goes to ``S``: so it was recorded.
    """
    if isinstance(query.output, query_tree.InsertInto) and query.output.target.is_fault:
        target = replace(query.output.target, is_fault=False)
        query = replace(query, output=replace(query.output, target=target))
    renamed: query_tree.Query = _renamed(query, streams, refusals)
    return renamed


def _renamed(node: Any, streams: Container[str], refusals: Refusals) -> Any:
    if isinstance(node, query_tree.Source | StreamReference) and node.is_fault:
        if FAULT_MARK + node.name not in streams:
            message = f"stream {node.name!r} has no fault stream; it needs @OnError(action='STREAM')"
            refusals.refuse(node.span, message)
        return replace(node, name=FAULT_MARK + node.name, is_fault=False)
    if isinstance(node, tuple):
        renamed = tuple([_renamed(each, streams, refusals) for each in node])
        return node if all(map(operator.is_, node, renamed)) else renamed
    if is_dataclass(node) and not isinstance(node, Span | type):
        changed = {}
        for each in fields(node):
            before = getattr(node, each.name)
            after = _renamed(before, streams, refusals)
            if after is not before:
                changed[each.name] = after
        return replace(node, **changed) if changed else node
    return node
