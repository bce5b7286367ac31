"""Rows as literals and as tuples say the same."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import orjson
from hypothesis import given, settings
from hypothesis import strategies as st
from pymysql.converters import escape_string

from eiha.events.schema import Attribute, AttributeType, Schema, StreamDefinition
from eiha.events.wire import WireBatch, WireColumn
from eiha.kernel.ids import LogTimeMs, Sequence
from eiha.protocol.outputs import OutputBatch
from eiha.storage.sql_tables import IDENTIFIER_LENGTH_MAX, plan_table
from eiha.storage.table_rows import (
    SLICE_ROWS,
    RowCounts,
    in_slices,
    mysql_lines,
    mysql_rows,
    mysql_string,
    sqlite_rows,
)

TYPES = {"t": AttributeType.STRING, "d": AttributeType.DOUBLE, "i": AttributeType.INT}
STREAM = StreamDefinition("S", Schema(tuple(Attribute(name, type_) for name, type_ in TYPES.items())))

text = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
row = st.tuples(
    st.none() | text,
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
    st.none() | st.integers(-(2**31), 2**31 - 1),
)


def output(rows: list[tuple[Any, ...]], plan: str) -> OutputBatch:
    texts, doubles, integers = ([r[c] for r in rows] for c in range(3))
    known = sorted({t for t in texts if t is not None})

    def mask(values: list[Any]) -> Any:
        return np.array([v is not None for v in values]) if None in values else None

    columns = (
        WireColumn(
            AttributeType.STRING,
            np.array([known.index(t) if t is not None else 0 for t in texts], dtype=np.int32),
            mask(texts),
            tuple(known),
        ),
        WireColumn(AttributeType.DOUBLE, np.array([d or 0.0 for d in doubles]), mask(doubles)),
        WireColumn(AttributeType.INT, np.array([i or 0 for i in integers], dtype=np.int32), mask(integers)),
    )
    batch = WireBatch(len(rows), np.arange(len(rows), dtype=np.int64), columns)
    return OutputBatch("processed", plan, STREAM, Sequence(7), LogTimeMs(70), 5, batch)


def literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, float):
        return orjson.dumps(value).decode()
    return f"'{escape_string(value)}'" if isinstance(value, str) else repr(value)


@given(st.lists(row, min_size=1, max_size=6), text)
@settings(max_examples=200)
def test_literals_are_those_of_the_driver(rows: list[tuple[Any, ...]], plan: str) -> None:
    table = plan_table(STREAM)
    tuples = sqlite_rows(output(rows, plan), table, RowCounts())
    assert [t[5:] for t in tuples] == [(t, None if d is None else d or 0.0, i) for t, d, i in rows]
    expected = ["(" + ",".join(literal(v) for v in t) + ")" for t in tuples]
    assert mysql_rows(output(rows, plan), table, RowCounts()) == expected


def test_a_large_batch_in_slices_gives_the_same_rows() -> None:
    rows = [(None if n % 5 == 0 else f"t{n % 9}", n / 3, n) for n in range(SLICE_ROWS * 2 + 17)]
    whole = output(rows, "p")
    slices = list(in_slices([whole]))
    assert [piece.batch.rows for piece in slices] == [SLICE_ROWS, SLICE_ROWS, 17]
    table = plan_table(STREAM)
    together = [r for piece in slices for r in sqlite_rows(piece, table, RowCounts())]
    assert together == sqlite_rows(whole, table, RowCounts())


def test_a_line_escapes_what_ends_a_field_and_tells_null_from_text() -> None:
    rows = [("a\tb\nc\\N\0", None, 1), (None, 2.5, None)]
    lines = mysql_lines(output(rows, "p"), plan_table(STREAM), RowCounts())
    assert lines == ["p\t7\t5\t0\t70\ta\\tb\\nc\\\\N\\0\t\\N\t1\n", "p\t7\t6\t1\t70\t\\N\t2.5\t\\N\n"]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1), st.sampled_from(["<f8", "<f4", ">f8"]))
def test_numbers_read_back_as_they_were(values: list[float], dtype: str) -> None:
    with np.errstate(over="ignore"):
        column = np.array(values).astype(dtype)
    column = column[np.isfinite(column)]
    wire = WireColumn(AttributeType.DOUBLE, column)
    stream = StreamDefinition("S", Schema((Attribute("d", AttributeType.DOUBLE),)))
    batch = WireBatch(len(column), np.zeros(len(column), dtype=np.int64), (wire,))
    lines = mysql_lines(
        OutputBatch("s", "p", stream, Sequence(1), LogTimeMs(1), 0, batch), plan_table(stream), RowCounts()
    )
    assert [float(line.rstrip("\n").split("\t")[-1]) for line in lines] == column.tolist()


@given(text)
def test_a_string_is_escaped_as_the_driver_does(value: str) -> None:
    assert mysql_string(value) == f"'{escape_string(value)}'"


def test_numbers_that_are_not_finite_are_null_in_both_forms() -> None:
    batch = output([("a", 1.0, 1)] * 4, "p")
    values = np.array([1.0, math.nan, math.inf, -math.inf])
    columns = (batch.batch.columns[0], WireColumn(AttributeType.DOUBLE, values), batch.batch.columns[2])
    odd = OutputBatch("s", "p", STREAM, Sequence(1), LogTimeMs(1), 0, WireBatch(4, batch.batch.timestamps, columns))
    counts = RowCounts()
    assert [t[6] for t in sqlite_rows(odd, plan_table(STREAM), counts)] == [1.0, None, None, None]
    assert counts.non_finite_as_null == 3
    assert sum("NULL" in r for r in mysql_rows(odd, plan_table(STREAM), counts)) == 3


@given(st.lists(text.filter(bool), min_size=1, max_size=8))
def test_column_names_are_short_and_unlike_each_other_whatever_the_attributes(names: list[str]) -> None:
    stream = StreamDefinition("S" * 100, Schema(tuple(Attribute(n * 10, AttributeType.INT) for n in names)))
    table = plan_table(stream, prefix="events_")
    columns = [column.name for column in table.columns]
    assert len({name.lower() for name in columns}) == len(columns)
    assert all(len(name) <= IDENTIFIER_LENGTH_MAX for name in (*columns, table.name))
