"""Functions that packages register and that plans define: foreign code, called row by row or with whole arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from eiha.engine.expressions.boxes import unboxed
from eiha.engine.expressions.row_wise import Build, Evaluate, row_wise
from eiha.engine.expressions.rows import Rows, Scope
from eiha.engine.expressions.values import Constant, Value, column_of
from eiha.engine.faults import EngineFault
from eiha.engine.functions.plan_scripts import script_function
from eiha.events.column import Column, make_column
from eiha.events.schema import AttributeType
from eiha.plan.expressions import Call
from eiha.plan.registry import REGISTRY, ScalarExtension


def extension_function(call: Call) -> Build | None:
    """The array form of a function that the plan defines or a package registered; None: there is none."""
    if call.script is not None:
        body = script_function(call.function, call.script)
        return row_wise(lambda *values: body(list(values)), takes_nulls=True, foreign=f"function {call.function!r}")
    extension = REGISTRY.scalars.get(call.function)
    if extension is None:
        return None
    if extension.is_columnar:
        return _columnar(extension)
    function = extension.function if extension.fails else _forgiving(extension)
    return row_wise(function, takes_nulls=extension.takes_nulls, foreign=f"function {call.function!r}")


def extension_may_fail(call: Call) -> bool:
    """Whether some row could raise ``EngineFault``: foreign code may, unless it gives null instead."""
    if call.script is not None:
        return True
    extension = REGISTRY.scalars.get(call.function)
    return extension is not None and extension.fails


def _forgiving(extension: ScalarExtension) -> Callable[..., Any]:
    def called(*values: Any) -> Any:
        try:
            return extension.function(*values)
        except Exception:  # noqa: BLE001 - the package declared: what fails is null
            return None

    return called


def _columnar(extension: ScalarExtension) -> Build:
    """Numbers and bools come as arrays of their dtype, strings and objects as arrays of objects; nulls are masked."""
    name = f"function {extension.signature.name!r}"

    def build(call: Call, arguments: Sequence[Evaluate], scope: Scope) -> Evaluate:
        def array(column: Column) -> Any:
            values: Any = column.values
            if column.type is AttributeType.STRING:
                ids, inverse = np.unique(column.values, return_inverse=True)
                known = len(scope.strings)
                texts = [scope.strings.text(number) if number < known else "" for number in ids.tolist()]
                values = np.array(texts, dtype=np.object_).take(inverse.reshape(-1))
            if column.valid is None:
                return values
            return np.ma.MaskedArray(values, mask=~column.valid)

        def run(rows: Rows) -> Value:
            columns = [column_of(argument(rows), rows.count) for argument in arguments]
            try:
                found = extension.function(*[array(column) for column in columns])
                return _checked(found, rows.count, call.type, scope, name)
            except EngineFault:
                raise
            except Exception as cause:
                if not extension.fails:
                    return column_of(Constant(call.type, None), rows.count)
                raise EngineFault(f"{name} failed: {cause!r}") from cause

        return run

    return build


def _checked(found: Any, count: int, type_: AttributeType, scope: Scope, name: str) -> Column:
    values = np.asanyarray(found)
    if values.shape != (count,):
        raise EngineFault(f"{name} gave {values.shape} values for {count} rows")
    valid = None if not np.ma.isMaskedArray(values) else ~np.ma.getmaskarray(values)
    plain = np.ma.getdata(values)
    if type_.dtype == plain.dtype and type_ not in (AttributeType.STRING, AttributeType.OBJECT):
        return make_column(type_, plain, valid)
    listed = plain.tolist()
    if valid is not None:
        listed = [value if ok else None for value, ok in zip(listed, valid.tolist(), strict=True)]
    return unboxed(type_, listed, scope.strings, name)
