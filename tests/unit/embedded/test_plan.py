"""A plan in this process: what users send, and what they get back."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eiha import Output, Plan, Texts
from eiha.errors import CorruptFile, PlanError, UnknownStream, WrongSchema, WrongValue

TRADES = "define stream S (symbol string, price double, volume long);"
HIGH = TRADES + "from S[price > 10] select symbol, price, volume insert into High;"
ROWS = [("A", 12.5, 1), ("B", 7.0, 2), (None, 30.0, None), ("A", None, 4)]
PASSED = [("A", 12.5, 1), (None, 30.0, None)]


def frames() -> list[object]:
    names = ("symbol", "price", "volume")
    columns = {name: [row[index] for row in ROWS] for index, name in enumerate(names)}
    arrow = pa.table({"symbol": columns["symbol"], "price": columns["price"], "volume": columns["volume"]})
    categorical = pd.DataFrame(columns)
    categorical["symbol"] = categorical["symbol"].astype("category")
    categorical["volume"] = categorical["volume"].astype("Int64")
    return [
        ROWS,
        tuple(ROWS),
        [dict(zip(names, row, strict=True)) for row in ROWS],
        columns,
        pd.DataFrame(columns),
        categorical,
        pl.DataFrame(columns),
        arrow,
        arrow.set_column(0, "symbol", arrow.column(0).dictionary_encode()),
        arrow.to_batches()[0],
    ]


@pytest.mark.parametrize("data", frames(), ids=lambda data: type(data).__name__)
def test_all_forms_of_the_same_rows_give_the_same_outputs(data: object) -> None:
    out = Plan(HIGH).send("S", data)
    assert list(out) == ["High"]
    assert out["High"].rows() == PASSED


def test_arrays_and_coded_texts_are_taken_as_they_are() -> None:
    plan = Plan(HIGH)
    dictionary = ("A", "B")
    data = {
        "symbol": Texts(np.array([0, 1, -1], dtype=np.int32), dictionary),
        "price": np.array([11.0, 12.0, 13.0]),
        "volume": np.array([1, 2, 3], dtype=np.int32),
    }
    for _ in range(2):
        assert plan.send("S", data)["High"].rows() == [("A", 11.0, 1), ("B", 12.0, 2), (None, 13.0, 3)]


def test_outputs_go_back_into_frames() -> None:
    out = Plan(HIGH).send("S", ROWS)["High"]
    assert isinstance(out, Output)
    assert out.dicts()[0] == {"symbol": "A", "price": 12.5, "volume": 1}
    assert out.to_polars().rows() == PASSED
    assert [tuple(row.values()) for row in out.to_arrow().to_pylist()] == PASSED
    frame = out.to_pandas()
    assert frame["price"].tolist() == [12.5, 30.0]
    assert str(frame["volume"].dtype) == "Int64"
    assert frame["symbol"].isna().tolist() == [False, True]
    assert out.array("symbol").tolist() == ["A", None]
    assert out.valid("volume").tolist() == [True, False]
    assert out.texts("symbol").codes.tolist() == [0, -1]
    assert len(out) == len(out.timestamps) == 2
    assert "2 rows" in repr(out)
    with pytest.raises(KeyError, match="there is no attribute 'cost'"):
        out.array("cost")


@given(
    st.lists(st.tuples(st.none() | st.text(max_size=3), st.none() | st.floats(0, 20), st.none() | st.integers(0, 9)))
)
def test_rows_and_columns_of_anything_are_alike(rows: list[tuple[str | None, float | None, int | None]]) -> None:
    columns = {name: [row[index] for row in rows] for index, name in enumerate(("symbol", "price", "volume"))}
    by_rows, by_columns = Plan(HIGH).send("S", rows), Plan(HIGH).send("S", columns)
    assert {name: each.rows() for name, each in by_rows.items()} == {
        name: each.rows() for name, each in by_columns.items()
    }


def test_event_times_drive_a_plan_in_playback() -> None:
    plan = Plan(TRADES + "from S#window.time(1 sec) select count() as n insert all events into N;", playback=True)
    assert plan.send("S", ROWS[:1], timestamps=1_000)["N"].rows() == [(1,)]
    out = plan.send("S", ROWS[1:3], timestamps=np.array([1_500, 2_100]))
    assert out["N"].rows() == [(2,), (1,), (2,)]
    assert plan.advance(5_000)["N"].timestamps.tolist() == [5_000, 5_000]


def test_a_live_plan_lives_by_the_clock_that_it_is_given() -> None:
    plan = Plan(TRADES + "from S#window.timeBatch(1 sec) select sum(volume) as total insert into Totals;")
    assert plan.send("S", ROWS, now_ms=1_000) == {}
    assert plan.advance(1_999) == {}
    assert plan.advance(2_000)["Totals"].rows() == [(7,)]


def test_a_live_plan_without_a_clock_takes_the_machines() -> None:
    plan = Plan(TRADES + "from S select currentTimeMillis() as now insert into Now;")
    (now,) = plan.send("S", ROWS[:1])["Now"].rows()[0]
    assert now > 1_700_000_000_000


def test_one_call_keeps_rows_together() -> None:
    text = TRADES + "from S#window.batch() select count() as n insert into N;"
    assert Plan(text).send("S", ROWS, one_call=True)["N"].rows() == [(4,)]
    assert Plan(text).send("S", ROWS)["N"].rows() == [(1,)] * 4


def test_tables_can_be_asked() -> None:
    text = TRADES + "define table T (symbol string, price double, volume long); from S select * insert into T;"
    plan = Plan(text)
    assert plan.ask("from T select symbol").rows() == []
    plan.send("S", ROWS)
    assert plan.ask("from T on volume > 1 select symbol, volume").rows() == [("B", 2), ("A", 4)]
    assert plan.ask("delete T on T.volume == 2L").rows() == []
    assert len(plan.ask("from T select *")) == 3
    with pytest.raises(PlanError):
        plan.ask("from U select *")


def test_only_wanted_streams_are_kept() -> None:
    text = TRADES + "from S select price insert into A; from A select price * 2 as twice insert into B;"
    assert set(Plan(text).send("S", ROWS)) == {"A", "B"}
    assert set(Plan(text, outputs=["B"]).send("S", ROWS)) == {"B"}
    with pytest.raises(UnknownStream, match="did you mean"):
        Plan(text, outputs=["b"])


def test_a_snapshot_carries_the_state_into_another_plan() -> None:
    text = TRADES + "from S#window.length(3) select symbol, sum(volume) as total group by symbol insert into T;"
    whole, first, second = Plan(text), Plan(text), Plan(text)
    whole.send("S", ROWS)
    first.send("S", ROWS)
    second.restore(first.snapshot())
    assert second.send("S", ROWS)["T"].rows() == whole.send("S", ROWS)["T"].rows()
    with pytest.raises(CorruptFile, match="another plan"):
        Plan(HIGH).restore(first.snapshot())
    with pytest.raises(CorruptFile):
        Plan(HIGH).restore(b"nonsense")


@pytest.mark.parametrize(
    ("data", "error", "says"),
    [
        ([("A", 1.0)], WrongValue, "2 values"),
        ([("A", "x", 1)], WrongValue, "'price' is double"),
        ({"symbol": ["A"], "price": [1.0]}, WrongSchema, "'volume' is missing"),
        ({"symbol": ["A"], "price": [1.0], "volume": [1], "x": [1]}, WrongSchema, "no attribute 'x'"),
        ({"symbol": ["A"], "price": [1.0], "volume": [1, 2]}, WrongSchema, "equally long"),
        ({"symbol": ["A"], "price": [1.0], "volume": np.array([1.5])}, WrongSchema, "array of float64"),
        ({"symbol": ["A"], "price": [1.0], "volume": np.array([1 << 63], dtype=np.uint64)}, WrongValue, "not fit"),
        ({"symbol": ["A"], "price": np.array([[1.0]]), "volume": [1]}, WrongSchema, "2 dimensions"),
        ({"symbol": ["A"], "price": Texts(np.array([0], np.int32), ("x",)), "volume": [1]}, WrongSchema, "texts"),
    ],
)
def test_data_that_does_not_fit_is_refused_by_name(data: object, error: type[Exception], says: str) -> None:
    plan = Plan(HIGH)
    with pytest.raises(error, match=says):
        plan.send("S", data)
    assert plan.send("S", ROWS)["High"].rows() == PASSED


def test_wrong_names_and_texts_are_refused() -> None:
    plan = Plan(HIGH)
    with pytest.raises(UnknownStream, match="did you mean 'S'"):
        plan.send("s", ROWS)
    with pytest.raises(WrongSchema, match="as many timestamps"):
        plan.send("S", ROWS, timestamps=[1])
    with pytest.raises(WrongSchema, match="dictionary"):
        Texts(np.array([3], dtype=np.int32), ("a",))
    with pytest.raises(PlanError, match="line 1"):
        Plan("from Nowhere select x insert into Out;")


def test_a_plan_can_be_loaded_and_explained(tmp_path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "high.siddhi"
    file.write_text("@app:name('high') " + HIGH)
    plan = Plan.load(file)
    assert plan.name == "high"
    assert set(plan.streams) == {"S", "High"}
    assert "High" in plan.explain()
    assert plan.warnings == ()
    assert plan.take_faults() == ()


def test_arrays_with_gaps_and_wide_codes_give_what_plain_ones_give() -> None:
    text = "define stream S (k string, a float, b int); from S[a > 2.0] select k, a, b insert into Out;"
    numbers = np.arange(20, dtype=np.float32)
    plain = Plan(text).send(
        "S",
        {
            "k": Texts(np.zeros(10, dtype=np.int32), ("x",)),
            "a": numbers[::2].copy(),
            "b": np.arange(10, dtype=np.int32),
        },
        now_ms=1,
    )
    gaps = {"k": Texts(np.zeros(20, dtype=np.int64)[::2], ("x",)), "a": numbers[::2], "b": np.arange(20)[::2] // 2}
    assert Plan(text).send("S", gaps, now_ms=1)["Out"].rows() == plain["Out"].rows()
    assert len(plain["Out"]) == 8


def test_codes_that_are_no_whole_numbers_are_refused() -> None:
    with pytest.raises(WrongSchema, match="whole numbers"):
        Texts(np.zeros(2), ("x",))  # type: ignore[arg-type]


def test_negative_codes_of_any_width_are_null() -> None:
    plan = Plan("define stream S (k string); from S[not (k is null)] select k insert into Out;")
    codes = np.array([0, -(2**40), 1, -1])
    assert plan.send("S", {"k": Texts(codes, ("x", "y"))}, now_ms=1)["Out"].rows() == [("x",), ("y",)]


def test_a_filter_keeps_nulls_and_bools_and_objects_where_they_were() -> None:
    plan = Plan("define stream S (n int, b bool, o object, d double); from S[n > 1] select b, o, d insert into Out;")
    rows = [(1, True, "a", 1.0), (2, False, None, None), (3, None, [1], 3.0), (4, True, 5, 4.0)]
    assert plan.send("S", rows, now_ms=1)["Out"].rows() == [(False, None, None), (None, [1], 3.0), (True, 5, 4.0)]
