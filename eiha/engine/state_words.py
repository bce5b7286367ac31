"""What the values of a plan's state mean to its author: strings by their ids, groups and instances by their keys."""

from __future__ import annotations

import contextlib
from typing import Any, Final

import numpy as np

from eiha.engine.expressions.rows import EntryIdentity
from eiha.engine.lower import lower
from eiha.engine.state_diff import MISSING, Way
from eiha.errors import PlanError
from eiha.events.schema import AttributeType
from eiha.events.strings import StringTable
from eiha.plan.compilation import compile_plan
from eiha.plan.nodes import Plan

_LOW_HALF: Final = (1 << 32) - 1
_BY_GROUP: Final = frozenset({"sums", "aggregators", "aggregates"})
"""Fields of a query's operators with one item for each group."""
_BY_SLOT: Final = frozenset({"held"})
"""Fields within these with one item for each row held."""
_SHOWN_MAX: Final = 100
_OTHER_SHAPE: Final = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError)
"""What reading a state of another shape than this version's raises: its values are told by place then."""


class PlanWords:
    """One plan of a state, in words.

    Args:
        name: of the plan.
        part: of the state: its text, strings and state.
    """

    def __init__(self, name: str, part: dict[str, Any]) -> None:
        self._texts: list[str] = list(part["strings"]["texts"])
        self._state: dict[str, Any] = part["state"]
        self._parts: list[tuple[Way, str]] = [(("text",), "text"), (("strings",), "strings")]
        with contextlib.suppress(*_OTHER_SHAPE):
            self._parts += _by_place(self._state)
        self.plan: Plan | None = None
        self.refusal = ""
        try:
            self.plan = compile_plan(part["text"], name=name)
            parts = lower(self.plan, StringTable(), EntryIdentity(name, 0)).parts()
        except PlanError as refusal:
            self.refusal = str(refusal)  # an extension that is not installed here: places instead of names
            self.plan = None
            return
        self._parts = [*self._parts[:2], *((("state", *each.path), each.name) for each in parts)]

    def place(self, way: Way) -> tuple[str, str, str]:
        """Operator, field and key (or row) of the value at ``way`` within the plan's part of a state."""
        try:
            return self._named_place(way)
        except _OTHER_SHAPE:
            return _dotted(way[:3]), _dotted(way[3:]), ""

    def _named_place(self, way: Way) -> tuple[str, str, str]:
        path, name = max(
            ((path, name) for path, name in self._parts if way[: len(path)] == path),
            key=lambda each: len(each[0]),
            default=(way[:3], _dotted(way[:3])),
        )
        rest = way[len(path) :]
        key = self._key(path, rest)
        if rest and isinstance(rest[-1], int) and (key or self._is_item(path)):
            return name, _dotted(rest[:-1]), key or f"item {rest[-1]}"
        return name, _dotted(rest), key

    def value(self, way: Way, value: Any) -> str:
        """``value`` as text; what is certainly, or perhaps, the id of a string with that string."""
        if value is MISSING:
            return "(missing)"
        if isinstance(value, np.int32):
            number = int(value)
            type_ = self._column_type(way)
            if type_ is AttributeType.STRING:
                return self._text(number)
            if type_ is None and 0 <= number < len(self._texts):
                return f"{number} (or text {self._text(number)})"
        if isinstance(value, np.generic):
            value = value.item()
        shown = repr(value)
        return shown if len(shown) <= _SHOWN_MAX else f"{shown[: _SHOWN_MAX - 1]}…"

    def _text(self, number: int) -> str:
        return repr(self._texts[number]) if 0 <= number < len(self._texts) else f"string {number}"

    def _is_item(self, path: Way) -> bool:
        return path != ("text",)

    def _column_type(self, way: Way) -> AttributeType | None:
        """The type of a value of a table; what windows hold is not told apart."""
        if self.plan is None or way[:2] != ("state", "tables") or len(way) < 6:
            return None
        table = self.plan.table(str(way[2]))
        column = way[4]
        attributes = () if table is None else table.schema.attributes
        return attributes[column].type if isinstance(column, int) and 0 <= column < len(attributes) else None

    # --- keys

    def _key(self, path: Way, rest: Way) -> str:
        match path:
            case ("state", "queries", int(query), *_):
                return self._key_in_query(query, path, rest)
            case ("state", "tables", str(table)) if rest and isinstance(rest[-1], int):
                return self._row_of_table(table, rest[-1])
            case ("state", "gates", int(gate)) if rest and isinstance(rest[-1], int):
                texts = self._state["gates"][gate]["texts"]
                return f"key {self._text(int(texts[rest[-1]]))}" if rest[-1] < len(texts) else ""
            case _:
                return ""

    def _key_in_query(self, query: int, path: Way, rest: Way) -> str:
        state = self._state
        for step in path[1:]:
            state = state[step]  # type: ignore[index]
        if len(rest) >= 2 and rest[0] == "states" and isinstance(rest[1], int) and "instances" in state:
            instances = state["instances"]
            return self._instance(query, int(instances[rest[1]])) if rest[1] < len(instances) else ""
        if not rest or not isinstance(rest[-1], int) or rest[0] not in _BY_GROUP or _BY_SLOT & set(rest):
            return ""
        if rest[0] == "aggregators" and not _is_by_group(state, rest[:-2]):
            return ""
        groups = state.get("groups")
        return "" if not isinstance(groups, dict) and groups is not None else self._group(query, groups, rest[-1])

    def _group(self, query: int, groups: dict[str, Any] | None, number: int) -> str:
        if groups is None:
            return ""
        if "columns" in groups:
            return f"group {self._group_key(query, groups, number)}"
        if groups.get("index") is None and not len(groups["pairs"]):
            return self._instance(query, number)
        if number >= len(groups["pairs"]):
            return ""
        pair = int(groups["pairs"][number])
        instance = self._instance(query, self._slot(query, pair >> 32))
        if groups.get("index") is None:
            return instance
        return f"{instance}, group {self._group_key(query, groups['index'], pair & _LOW_HALF)}"

    def _group_key(self, query: int, groups: dict[str, Any], number: int) -> str:
        types = [None] * len(groups["columns"])
        if self.plan is not None:
            types = [each.type for each in self.plan.queries[query].selector.group_by]  # type: ignore[misc]
        values: list[str] = []
        for level in range(len(groups["pairs"]) - 1, -1, -1):
            pairs = groups["pairs"][level]
            if number >= len(pairs):
                return f"number {number}"
            pair = int(pairs[number])
            values.append(self._group_value(groups["columns"][level + 1], pair & _LOW_HALF, types[level + 1]))
            number = pair >> 32
        values.append(self._group_value(groups["columns"][0], number, types[0]))
        return ", ".join(reversed(values))

    def _group_value(self, column: dict[str, Any], number: int, type_: AttributeType | None) -> str:
        keys = column["keys"]
        if number == 0:
            return "null"
        if number > len(keys):
            return f"number {number}"
        key = keys[number - 1]
        match type_:
            case AttributeType.STRING:
                return self._text(int(key))
            case AttributeType.DOUBLE:
                return repr(float(np.int64(key).view(np.float64)))
            case AttributeType.FLOAT:
                return repr(float(np.int32(key).view(np.float32)))
            case AttributeType.BOOL:
                return repr(bool(key))
            case None if 0 <= int(key) < len(self._texts):
                return f"{key} (or text {self._text(int(key))})"
            case _:
                return str(int(key))

    def _slot(self, query: int, age: int) -> int:
        """The slot of the instance with that age; -1: it is gone."""
        partition = None if self.plan is None else self.plan.queries[query].partition
        if partition is None:
            return age
        slots = np.flatnonzero(self._state["gates"][partition]["ages"] == age)
        return int(slots[0]) if len(slots) else -1

    def _instance(self, query: int, number: int) -> str:
        partition = None if self.plan is None else self.plan.queries[query].partition
        if partition is not None:
            texts = self._state["gates"][partition]["texts"]
            if 0 <= number < len(texts) and texts[number] >= 0:
                return f"key {self._text(int(texts[number]))}"
        return f"instance {number}"

    def _row_of_table(self, name: str, row: int) -> str:
        table = None if self.plan is None else self.plan.table(name)
        held = self._state["tables"][name]
        if table is None or not table.primary_key or row >= held["count"]:
            return f"row {row}"
        values = []
        for position in table.primary_key:
            value = held["columns"][position]["values"][row]
            is_text = table.schema.attributes[position].type is AttributeType.STRING
            values.append(self._text(int(value)) if is_text else str(value))
        return f"row {', '.join(values)}"


def _is_by_group(state: Any, way: Way) -> bool:
    """Whether the arrays at ``way`` are those of an aggregator, with one item for each group."""
    for step in way:
        state = state[step]
    return isinstance(state, dict) and "seen" in state


def _by_place(state: dict[str, Any]) -> list[tuple[Way, str]]:
    """The parts of a plan's state where nothing but the state is known."""
    found: list[tuple[Way, str]] = []
    for place, query in enumerate(state.get("queries", ())):
        name, way = f"query {place + 1}", ("state", "queries", place)
        found.append((way, name))
        found += [((*way, "stages", each), f"{name}, stage {each + 1}") for each in range(len(query.get("stages", ())))]
        found += [((*way, each), f"{name}, {each}") for each in ("pattern", "select", "limiter") if each in query]
    found += [(("state", "tables", str(name)), f"table {name!r}") for name in state.get("tables", ())]
    for field, what in (("gates", "partition"), ("aggregations", "aggregation")):
        found += [(("state", field, each), f"{what} {each + 1}") for each in range(len(state.get(field, ())))]
    return found


def _dotted(way: Way) -> str:
    text = ""
    for step in way:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text
