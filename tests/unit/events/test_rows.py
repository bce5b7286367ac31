import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eiha.errors import WrongSchema, WrongValue
from eiha.events.rows import objects_to_batch, rows_to_batch, values_to_column
from eiha.events.schema import Attribute, AttributeType, Schema
from eiha.events.wire import decode, encode

SCHEMA = Schema(
    (
        Attribute("symbol", AttributeType.STRING),
        Attribute("price", AttributeType.DOUBLE),
        Attribute("volume", AttributeType.LONG),
        Attribute("count", AttributeType.INT),
        Attribute("ratio", AttributeType.FLOAT),
        Attribute("open", AttributeType.BOOL),
        Attribute("extra", AttributeType.OBJECT),
    )
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
rows_strategy = st.lists(
    st.tuples(
        st.none() | texts,
        st.none() | st.floats(allow_nan=False) | st.integers(-1000, 1000),
        st.none() | st.integers(-(1 << 63), (1 << 63) - 1),
        st.none() | st.integers(-(1 << 31), (1 << 31) - 1),
        st.none() | st.floats(width=32, allow_nan=False),
        st.none() | st.booleans(),
        st.none() | st.lists(st.integers(0, 5), max_size=3) | texts,
    ).map(list),
    max_size=12,
)


def back(batch):
    return [list(row) for row in zip(*(column.to_list() for column in batch.columns), strict=True)]


@given(rows_strategy)
def test_rows_become_columns_and_survive_the_wire(rows):
    batch = rows_to_batch(rows, SCHEMA)
    assert batch.rows == len(rows)
    assert back(batch) == rows
    assert back(decode(encode(batch), SCHEMA)) == rows


@given(rows_strategy)
def test_objects_give_the_same_columns_as_rows(rows):
    objects = [dict(zip(reversed(SCHEMA.names), reversed(row), strict=True)) for row in rows]
    assert encode(objects_to_batch(objects, SCHEMA)) == encode(rows_to_batch(rows, SCHEMA))


def test_under_a_null_there_is_a_zero_and_without_nulls_there_is_no_mask():
    column = values_to_column([None, 5], AttributeType.LONG, "v")
    assert column.values.tolist() == [0, 5]
    assert column.valid is not None
    assert column.valid.tolist() == [False, True]
    assert values_to_column([4, 5], AttributeType.LONG, "v").valid is None
    text = values_to_column(["b", None, "a", "b"], AttributeType.STRING, "s")
    assert text.dictionary == ("b", "a")
    assert text.values.tolist() == [0, 0, 1, 0]


GOOD = ["IBM", 1.5, 7, 8, 0.5, True, None]


def row_with(index, value):
    return [*GOOD[:index], value, *GOOD[index + 1 :]]


@pytest.mark.parametrize(
    ("index", "value", "attribute", "text"),
    [
        (0, 5, "symbol", "is string: expected a text, not 5"),
        (1, "12", "price", "is double: expected a number, not '12'"),
        (1, True, "price", "is double: expected a number, not True"),
        (1, 10**400, "price", "expected a number"),
        (2, 1.0, "volume", "is long: expected a whole number of 64 bits, not 1.0"),
        (2, 1 << 63, "volume", "is long"),
        (3, 1 << 31, "count", "from -2147483648 to 2147483647, not 2147483648"),
        (3, True, "count", "is int"),
        (4, 1e39, "ratio", "within the range of a 32-bit float, not 1e+39"),
        (5, 1, "open", "is bool: expected true or false, not 1"),
        (0, ["x"], "symbol", "not a list"),
    ],
)
def test_a_wrong_value_is_named_by_row_and_attribute(index, value, attribute, text):
    with pytest.raises(WrongValue) as caught:
        rows_to_batch([GOOD, row_with(index, value), GOOD], SCHEMA)
    assert (caught.value.row, caught.value.attribute) == (1, attribute)
    assert text in str(caught.value)
    assert "row 1" in str(caught.value)


@pytest.mark.parametrize("row", [[], GOOD[:-1], [*GOOD, 1], "IBMIBMI", None, {"a": 1}, 5])
def test_a_row_of_another_shape_is_named(row):
    with pytest.raises(WrongValue, match="row 2 "):
        rows_to_batch([GOOD, GOOD, row], SCHEMA)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"volume": ...}, "row 1 lacks attribute 'volume'; null says"),
        ({"volume": ..., "volum": 1}, "row 1 has an unknown attribute 'volum': did you mean 'volume'?"),
        ({"zzz": 1}, "row 1 has an unknown attribute 'zzz': attributes are (symbol string,"),
    ],
)
def test_an_object_of_another_shape_is_named(change, text):
    good = dict(zip(SCHEMA.names, GOOD, strict=True))
    wrong = {key: value for key, value in (good | change).items() if value is not ...}
    with pytest.raises(WrongValue) as caught:
        objects_to_batch([good, wrong], SCHEMA)
    assert text in str(caught.value)
    with pytest.raises(WrongValue, match="row 0 must be an object"):
        objects_to_batch([[1]], SCHEMA)


def test_event_times_come_beside_rows_or_from_an_attribute():
    assert rows_to_batch([GOOD], SCHEMA, [99]).timestamps.tolist() == [99]
    objects = [dict(zip(SCHEMA.names, GOOD, strict=True))]
    assert objects_to_batch(objects, SCHEMA, "volume").timestamps.tolist() == [7]
    with pytest.raises(WrongSchema, match="'symbol' is none of"):
        objects_to_batch(objects, SCHEMA, "symbol")
    beside = [objects[0] | {"at": 88}]
    batch = objects_to_batch(beside, SCHEMA, event_time_key="at")
    assert (batch.timestamps.tolist(), len(batch.columns)) == ([88], len(SCHEMA))
    with pytest.raises(WrongValue, match="row 1: the event time must be a whole number of milliseconds, not None"):
        objects_to_batch([*beside, *objects], SCHEMA, event_time_key="at")
    with pytest.raises(WrongValue, match="row 1 must be an object"):
        objects_to_batch([*beside, 7], SCHEMA, event_time_key="at")
    with pytest.raises(WrongSchema, match="'volume' is an attribute of"):
        objects_to_batch(objects, SCHEMA, event_time_key="volume")
    with pytest.raises(WrongSchema, match="not from both"):
        objects_to_batch(beside, SCHEMA, "volume", "at")
    with pytest.raises(WrongSchema, match="1 rows need as many timestamps, not 2"):
        rows_to_batch([GOOD], SCHEMA, [1, 2])
    for wrong in (None, 1.5, 1 << 63, True):
        with pytest.raises(WrongValue, match="row 1: the event time"):
            rows_to_batch([GOOD, GOOD], SCHEMA, [1, wrong])


def test_infinities_and_not_a_number_pass():
    values = values_to_column([math.inf, -math.inf, math.nan], AttributeType.FLOAT, "f").values
    assert np.isinf(values[:2]).all()
    assert np.isnan(values[2])


cells = st.none() | st.booleans() | st.integers() | st.floats() | texts | st.lists(st.integers(), max_size=2)


@given(st.lists(st.lists(cells, max_size=8) | cells, max_size=4), st.none() | st.lists(cells, max_size=4))
def test_anything_that_is_not_rows_is_a_schema_error(rows, timestamps):
    try:
        batch = rows_to_batch(rows, SCHEMA, timestamps)
    except WrongSchema:
        return
    assert batch.rows == len(rows)
