from dataclasses import fields, replace

import numpy as np
import pytest

from eiha.events.batch import EventBatch
from eiha.events.column import Column
from eiha.events.schema import Attribute, AttributeType, Schema

ONE = Schema((Attribute("a", AttributeType.INT),))


def test_a_column_of_the_wrong_type_is_noticed_in_tests() -> None:
    with pytest.raises(AssertionError):
        Column(AttributeType.LONG, np.zeros(3, dtype=np.int32))


def test_a_batch_of_columns_of_different_lengths_is_noticed_in_tests() -> None:
    column = Column(AttributeType.INT, np.zeros(3, dtype=np.int32))
    with pytest.raises(AssertionError):
        EventBatch(ONE, np.zeros(2, dtype=np.int64), (column,))


def test_they_are_dataclasses_with_slots_like_any_other() -> None:
    column = Column(AttributeType.INT, np.zeros(2, dtype=np.int32))
    batch = EventBatch(ONE, np.zeros(2, dtype=np.int64), (column,))
    assert [each.name for each in fields(column)] == ["type", "values", "valid"]
    assert replace(batch, collapses=True).columns is batch.columns
    assert not hasattr(batch, "__dict__")
