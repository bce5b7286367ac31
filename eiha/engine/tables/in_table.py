"""``(condition) in T``: whether the table has such a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NoReturn

from eiha.engine.expressions.rows import Rows, Scope
from eiha.engine.faults import EngineFault
from eiha.engine.tables.conditions import compile_table_condition
from eiha.engine.tables.table import Table
from eiha.events.column import Column
from eiha.events.schema import AttributeType
from eiha.plan.expressions import TABLE_ROW, InTable


def in_tables(
    tables: Mapping[str, Table], *, may_index: bool = True
) -> Callable[[InTable, Scope], Callable[[Rows], Column]]:
    """What a scope's ``in_table`` is for a plan with ``tables``; ``may_index``: see ``compile_table_condition``."""

    def compile_in(node: InTable, scope: Scope) -> Callable[[Rows], Column]:
        if node.condition.type is not AttributeType.BOOL:
            return _fails(node)
        condition = compile_table_condition(node.condition, tables[node.table], scope, TABLE_ROW, may_index=may_index)
        return lambda rows: Column(AttributeType.BOOL, condition.exists(rows))

    return compile_in


def _fails(node: InTable) -> Callable[[Rows], Column]:
    def run(_rows: Rows) -> NoReturn:
        found = node.condition.type.value
        raise EngineFault(f"in {node.table} takes a condition on its rows, ({node.table}.x == y), not a {found}")

    return run
