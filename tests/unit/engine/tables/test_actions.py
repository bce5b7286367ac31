"""Random statements on a table leave what doing them one row at a time on a plain list leaves."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from eiha.engine import jit
from eiha.engine.expressions.rows import EntryIdentity
from eiha.engine.lower import lower
from eiha.engine.plan_runtime import PlanRuntime
from eiha.engine.snapshot import decode_state, encode_state
from eiha.events.batch import EventBatch
from eiha.events.column import make_column
from eiha.events.schema import Attribute, AttributeType, Schema
from eiha.events.strings import StringTable
from eiha.plan.compilation import compile_plan
from tests.unit.engine.tables.table_model import CHANGES, CONDITIONS, Row, TableModel

SCHEMA = Schema(
    (
        Attribute("k", AttributeType.STRING),
        Attribute("n", AttributeType.INT),
        Attribute("v", AttributeType.LONG),
    )
)
KEYS: dict[str, tuple[int, ...]] = {
    "": (),
    "@PrimaryKey('k')": (0,),
    "@PrimaryKey('k', 'n')": (0, 1),
    "@PrimaryKey('n') @Index('k')": (1,),
    "@Index('k') @Index('v')": (),
}
STREAMS = "".join(f"define stream {name} (k string, n int, v long); " for name in ("Ins", "Act", "Del"))


def runtime_of(text: str, strings: StringTable) -> PlanRuntime:
    return lower(compile_plan(text, name="p"), strings, EntryIdentity("p"))


def batch_of(rows: list[Row], strings: StringTable) -> EventBatch:
    columns = []
    for attribute, values in zip(SCHEMA.attributes, zip(*rows, strict=True), strict=True):
        valid = np.array([value is not None for value in values])
        plain: list[Any] = [0 if value is None else value for value in values]
        if attribute.type is AttributeType.STRING:
            plain = [0 if value is None else strings.intern(value) for value in values]
        columns.append(make_column(attribute.type, np.array(plain, dtype=attribute.type.dtype), valid))
    return EventBatch(SCHEMA, np.arange(len(rows), dtype=np.int64), tuple(columns))


def rows_held(runtime: PlanRuntime, question: str = "from T") -> list[Row]:
    answer = runtime.ask(question)
    if answer.rows is None:
        return []
    columns = []
    for column in answer.rows.columns:
        values = column.values.tolist()
        if column.type is AttributeType.STRING:
            values = [answer.strings.text(value) if ok else "" for value, ok in zip(values, column.mask(), strict=True)]
        columns.append([value if ok else None for value, ok in zip(values, column.mask().tolist(), strict=True)])
    return list(zip(*columns, strict=True))


ROW = st.tuples(
    st.sampled_from(["a", "b", "c", "d", None]),
    st.one_of(st.none(), st.integers(0, 4)),
    st.one_of(st.none(), st.integers(-2, 5)),
)
STEP = st.tuples(
    st.sampled_from(["Ins", "Act", "Act", "Act", "Del"]), st.lists(ROW, min_size=1, max_size=6), st.booleans()
)
VERBS = {"update": "update T", "upsert": "update or insert into T"}


@st.composite
def plans(draw: st.DrawFn) -> tuple[str, str, str, str, str]:
    """Definition, verb, change, condition of Act, condition of Del."""
    return (
        draw(st.sampled_from(sorted(KEYS))),
        draw(st.sampled_from(sorted(VERBS))),
        draw(st.sampled_from(sorted(CHANGES))),
        draw(st.sampled_from(sorted(CONDITIONS))),
        draw(st.sampled_from(sorted(CONDITIONS))),
    )


@pytest.mark.parametrize("compiled", [True, False])
@settings(max_examples=100)
@given(plan=plans(), steps=st.lists(STEP, min_size=1, max_size=8), restored=st.integers(0, 8))
def test_statements_do_what_they_do_to_a_list_one_row_at_a_time(
    compiled: bool, plan: tuple[str, str, str, str, str], steps: list[tuple[str, list[Row], bool]], restored: int
) -> None:
    """Whatever the cuts, and with a snapshot anywhere."""
    definition, verb, change, on, gone = plan
    text = (
        f"{STREAMS} {definition} define table T (k string, n int, v long); from Ins insert into T; "
        f"from Act {VERBS[verb]} {change} on {on}; from Del delete T on {gone};"
    )
    strings = StringTable()
    with nullcontext() if compiled else jit.interpreted():
        runtime = runtime_of(text, strings)
        model = TableModel(KEYS[definition])
        for number, (stream, rows, one_chunk) in enumerate(steps):
            if number == restored:
                saved = encode_state(runtime.snapshot())
                runtime = runtime_of(text, strings)
                runtime.restore(decode_state(saved))
            runtime.publish(stream, batch_of(rows, strings), number, one_chunk=one_chunk)
            match stream:
                case "Ins":
                    model.act("insert", "T.k == k", "", rows)
                case "Act":
                    model.act(verb, on, change, rows)
                case _:
                    model.act("delete", gone, "", rows)
            assert rows_held(runtime) == model.rows, (number, text)
            for name, condition in CONDITIONS.items():
                if name.startswith("T.k == 'a'") or name == "T.v is null":
                    expected = [row for row in model.rows if condition(row, row)]
                    assert rows_held(runtime, f"from T on {name}") == expected


@settings(max_examples=60)
@given(rows=st.lists(ROW, min_size=1, max_size=60), cuts=st.lists(st.integers(1, 20), max_size=8))
def test_an_upsert_does_not_depend_on_how_its_rows_are_cut(rows: list[Row], cuts: list[int]) -> None:
    text = (
        f"{STREAMS} @PrimaryKey('k') define table T (k string, n int, v long); "
        "from Act select k, n, v update or insert into T on T.k == k;"
    )
    strings = StringTable()
    whole, cut = runtime_of(text, strings), runtime_of(text, strings)
    whole.publish("Act", batch_of(rows, strings), 0)
    start = 0
    for length in [*cuts, len(rows)]:
        if piece := rows[start : start + length]:
            cut.publish("Act", batch_of(piece, strings), 0)
        start += length
    assert rows_held(cut) == rows_held(whole)
    assert encode_state(cut.snapshot()) == encode_state(whole.snapshot())
