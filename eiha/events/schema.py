"""Attribute types and stream definitions."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any, Final

import numpy as np


class AttributeType(enum.Enum):
    """The types of SiddhiQL attributes; the value is the keyword."""

    STRING = "string"
    INT = "int"
    LONG = "long"
    FLOAT = "float"
    DOUBLE = "double"
    BOOL = "bool"
    OBJECT = "object"

    dtype: np.dtype[Any]
    """The dtype of a column's values: strings are int32 ids of a ``StringTable``."""
    is_numeric: bool
    """Whether arithmetic and ordering are defined."""

    # members are singletons; Enum's own hash is a Python function, and types are dictionary keys on hot paths
    __hash__ = object.__hash__


_NUMERIC: Final = ("int", "long", "float", "double")

DTYPES: Final[dict[AttributeType, np.dtype[Any]]] = {
    AttributeType.STRING: np.dtype(np.int32),
    AttributeType.INT: np.dtype(np.int32),
    AttributeType.LONG: np.dtype(np.int64),
    AttributeType.FLOAT: np.dtype(np.float32),
    AttributeType.DOUBLE: np.dtype(np.float64),
    AttributeType.BOOL: np.dtype(np.bool_),
    AttributeType.OBJECT: np.dtype(np.object_),
}

for _type, _dtype in DTYPES.items():
    _type.dtype = _dtype
    _type.is_numeric = _type.value in _NUMERIC


@dataclass(frozen=True, slots=True)
class Attribute:
    """A named, typed column of a stream."""

    name: str
    type: AttributeType


@dataclass(frozen=True, slots=True)
class Schema:
    """The ordered attributes of a stream, window, table or query output."""

    attributes: tuple[Attribute, ...]

    def __len__(self) -> int:
        return len(self.attributes)

    @property
    def names(self) -> tuple[str, ...]:
        """Attribute names, in order."""
        return tuple([attribute.name for attribute in self.attributes])

    def position(self, name: str) -> int | None:
        """Index of the attribute called ``name`` (case-sensitive), or None."""
        for index, attribute in enumerate(self.attributes):
            if attribute.name == name:
                return index
        return None

    def __str__(self) -> str:
        return "(" + ", ".join(f"{a.name} {a.type.value}" for a in self.attributes) + ")"


@dataclass(frozen=True, slots=True)
class StreamDefinition:
    """A stream: its name and attributes."""

    name: str
    schema: Schema
