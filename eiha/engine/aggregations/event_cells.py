"""From the rows of a stream to cells of one event each, and from cells to the columns that readers see."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from eiha.engine.aggregations.cells import CellLayout, Fields
from eiha.engine.expressions.compile_expression import compile_column
from eiha.engine.expressions.rows import Rows, Scope
from eiha.events.column import Column, make_column
from eiha.events.schema import AttributeType
from eiha.plan.nodes import Aggregation, AggregationColumn, RollUp
from eiha.plan.plan_text import expression_text

Longs = npt.NDArray[np.int64]

_WHOLE = (AttributeType.INT, AttributeType.LONG)
_SUMS = (RollUp.SUM, RollUp.AVERAGE)
_EXTREMES = (RollUp.MINIMUM, RollUp.MAXIMUM)


class EventCells:
    """The cells of an aggregation's columns: equal aggregates share a field.

    Args:
        definition: whose columns these are.
        scope: strings and names.
    """

    __slots__ = ("_arguments", "_extremes", "_has_time", "_latest", "_scope", "_sums", "layout")

    def __init__(self, definition: Aggregation, scope: Scope) -> None:
        columns = definition.columns
        self._has_time = definition.by is not None
        self._scope = scope
        self._arguments = {_key(each): each.argument for each in columns if each.argument is not None}
        self._sums = _once([_key(each) for each in columns if each.roll_up in _SUMS])
        self._extremes = list(
            dict.fromkeys((_key(each), each.roll_up is RollUp.MAXIMUM) for each in columns if each.roll_up in _EXTREMES)
        )
        self._latest = _once([_key(each) for each in columns if each.roll_up is RollUp.LATEST])
        self.layout = CellLayout(
            tuple(self._type(key) in _WHOLE for key in self._sums),
            tuple((self._type(key), is_max) for key, is_max in self._extremes),
            tuple(self._type(key) for key in self._latest),
        )

    def _type(self, key: str) -> AttributeType:
        return self._arguments[key].type

    def reader(self) -> Callable[[Rows, Longs], Fields]:
        """What makes fields of rows and their times; the first one, of counts, is left empty: each row counts one."""
        keys = _once([*self._sums, *(key for key, _ in self._extremes), *self._latest])
        compiled = [compile_column(self._arguments[key], self._scope) for key in keys]
        sums = [(keys.index(key), self._type(key) in _WHOLE) for key in self._sums]
        extremes = [keys.index(key) for key, _ in self._extremes]
        latest = [keys.index(key) for key in self._latest]
        has_time = self._has_time

        def read(rows: Rows, times: Longs) -> Fields:
            columns = [each(rows) for each in compiled]
            fields: Fields = [np.empty(0, np.int64)]
            for place, is_long in sums:
                column = columns[place]
                fields += [column.values.astype(np.int64 if is_long else np.float64, copy=False), column.mask()]
            for place in extremes:
                fields += [columns[place].values, columns[place].mask()]
            if latest:
                stamps = times if has_time else np.zeros(rows.count, np.int64)
                fields += [stamps, np.ones(rows.count, np.bool_)]
            for place in latest:
                fields += [columns[place].values, columns[place].mask()]
            return fields

        return read

    def column(self, column: AggregationColumn, fields: Fields) -> Column:
        """What a column other than a key or ``distinctCount`` shows for cells."""
        layout = self.layout
        match column.roll_up:
            case RollUp.COUNT:
                return Column(AttributeType.LONG, fields[0])
            case RollUp.SUM:
                at = layout.sum_field(self._sums.index(_key(column)))
                return make_column(column.type, fields[at], fields[at + 1])
            case RollUp.AVERAGE:
                at = layout.sum_field(self._sums.index(_key(column)))
                # as Siddhi: nulls are not in the sum, but they are in the count
                return make_column(AttributeType.DOUBLE, fields[at] / fields[0], fields[at + 1])
            case RollUp.MINIMUM | RollUp.MAXIMUM:
                key = (_key(column), column.roll_up is RollUp.MAXIMUM)
                at = layout.extreme_field(self._extremes.index(key))
            case RollUp.LATEST:
                at = layout.latest_field(self._latest.index(_key(column)))
            case _:
                raise AssertionError(column)
        return make_column(column.type, fields[at], fields[at + 1])


def _key(column: AggregationColumn) -> str:
    """Equal for columns over the same expression, wherever it is written; empty without one."""
    return "" if column.argument is None else expression_text(column.argument)


def _once(keys: list[str]) -> list[str]:
    return list(dict.fromkeys(keys))
