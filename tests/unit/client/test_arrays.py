import numpy as np
import pytest

from eiha.client.arrays import Coded, arrays_to_batch
from eiha.errors import WrongSchema, WrongValue
from eiha.events.schema import Attribute, AttributeType, Schema, StreamDefinition
from eiha.events.wire import decode, encode


def batch(type_, values, timestamps=None):
    definition = StreamDefinition("S", Schema((Attribute("a", type_),)))
    made = arrays_to_batch({"a": values}, definition, timestamps)
    assert decode(encode(made), definition.schema).columns[0].to_list() == made.columns[0].to_list()
    return made.columns[0].to_list()


class Categories:
    """As pandas' Categorical looks."""

    codes = np.array([0, -1], dtype=np.int8)
    categories = ("x",)

    def __len__(self):
        return 2


@pytest.mark.parametrize(
    ("type_", "values", "expected"),
    [
        (AttributeType.INT, np.array([1, -2], dtype=np.int64), [1, -2]),
        (AttributeType.LONG, np.array([1, 2], dtype=np.uint64), [1, 2]),
        (AttributeType.DOUBLE, np.array([1, 2], dtype=np.int16), [1.0, 2.0]),
        (AttributeType.FLOAT, np.array([0.5, np.inf]), [0.5, np.inf]),
        (AttributeType.BOOL, np.array([True, False]), [True, False]),
        (AttributeType.INT, [1, None], [1, None]),
        (AttributeType.LONG, np.array([1, None], dtype=object), [1, None]),
        (AttributeType.LONG, np.ma.MaskedArray([1, 2], mask=[True, False]), [None, 2]),
        (AttributeType.STRING, np.array(["a", "b"]), ["a", "b"]),
        (AttributeType.STRING, np.array(["a", None], dtype=object), ["a", None]),
        (AttributeType.STRING, np.ma.MaskedArray(["a", "b"], mask=[True, False]), [None, "b"]),
        (AttributeType.STRING, Coded(np.array([1, -1]), ["a", "b"]), ["b", None]),
        (AttributeType.STRING, Categories(), ["x", None]),
        (AttributeType.OBJECT, [[1], None], [[1], None]),
    ],
)
def test_arrays_lists_and_codes_become_columns(type_, values, expected):
    assert batch(type_, values) == expected


def test_of_a_long_dictionary_only_the_texts_that_are_used_go_along():
    definition = StreamDefinition("S", Schema((Attribute("a", AttributeType.STRING),)))
    texts = [f"text {number}" for number in range(1_000)]
    column = arrays_to_batch({"a": Coded(np.array([7, -1, 3, 7]), texts)}, definition, None).columns[0]
    assert column.to_list() == ["text 7", None, "text 3", "text 7"]
    assert column.dictionary == ("text 7", "text 3")
    nulls = arrays_to_batch({"a": Coded(np.array([-1]), texts)}, definition, None).columns[0]
    assert (nulls.to_list(), nulls.dictionary) == ([None], ())


@pytest.mark.parametrize(
    ("type_", "values", "text"),
    [
        (AttributeType.INT, np.array([1 << 31]), "values from 2147483648 to 2147483648 do not fit"),
        (AttributeType.LONG, np.array([1 << 63], dtype=np.uint64), "do not fit"),
        (AttributeType.LONG, np.array([1.0]), "dtype float64 does not fit"),
        (AttributeType.BOOL, np.array([1]), "dtype int64 does not fit"),
        (AttributeType.DOUBLE, np.array(["1"]), "does not fit"),
        (AttributeType.DOUBLE, np.ones((2, 2)), "2 dimensions"),
        (AttributeType.STRING, np.array([1]), "expected a text, not 1"),
        (AttributeType.STRING, Coded(np.array([2]), ["a", "b"]), "go up to 2, its dictionary has 2 texts"),
        (AttributeType.STRING, Coded(np.array([0.0]), ["a"]), "must be whole numbers"),
    ],
)
def test_what_does_not_fit_is_named(type_, values, text):
    with pytest.raises(WrongValue, match=text) as caught:
        batch(type_, values)
    assert caught.value.attribute == "a"


def test_names_lengths_and_timestamps_are_checked():
    schema = Schema((Attribute("a", AttributeType.INT), Attribute("b", AttributeType.INT)))
    definition = StreamDefinition("S", schema)
    with pytest.raises(WrongSchema, match="missing or unknown: 'b', 'c'"):
        arrays_to_batch({"a": [1], "c": [1]}, definition, None)
    with pytest.raises(WrongSchema, match=r"differ in length: \{'a': 1, 'b': 2\}"):
        arrays_to_batch({"a": [1], "b": [1, 2]}, definition, None)
    for wrong in ([1], [1.0, 2.0], [[1, 2]]):
        with pytest.raises(WrongSchema, match="timestamps must be 2"):
            arrays_to_batch({"a": [1, 2], "b": [1, 2]}, definition, wrong)
    good = arrays_to_batch({"a": [1, 2], "b": [1, 2]}, definition, np.array([5, 6], dtype=np.int32))
    assert good.timestamps.dtype == np.int64
