"""All namespaces together."""

from __future__ import annotations

from typing import Final

from eiha.events.schema import Attribute, AttributeType
from eiha.plan.namespaces import (
    json_functions,
    list_functions,
    map_functions,
    math_functions,
    regex_functions,
    str_functions,
    time_functions,
)
from eiha.plan.signatures import Signature, declare

SCALARS: Final[tuple[Signature, ...]] = (
    *str_functions.SCALARS,
    *math_functions.SCALARS,
    *time_functions.SCALARS,
    *regex_functions.SCALARS,
    *json_functions.SCALARS,
    *map_functions.SCALARS,
    *list_functions.SCALARS,
)
"""Scalar functions."""

AGGREGATORS: Final[dict[str, Signature]] = {
    each.name: each
    for each in (
        *str_functions.AGGREGATORS,
        *math_functions.AGGREGATORS,
        *json_functions.AGGREGATORS,
        *map_functions.AGGREGATORS,
        *list_functions.AGGREGATORS,
    )
}
"""Aggregators with a namespace, by canonical name."""

PROCESSORS: Final[dict[str, tuple[Signature, tuple[Attribute, ...]]]] = {
    signature.name: (signature, added)
    for signature, added in (
        (
            declare(
                "str:tokenize",
                "text string, separator regex!, distinct bool!? -> string",
                "A row for each part of the text cut at each `separator`; if `distinct`, for each different one.",
            ),
            (Attribute("token", AttributeType.STRING),),
        ),
        *json_functions.PROCESSORS,
        *map_functions.PROCESSORS,
        *list_functions.PROCESSORS,
    )
}
"""Stream functions that give any number of rows for each, and the attributes that they add."""
