"""Signatures of the aggregators of Siddhi 5.1's core."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from eiha.events.schema import AttributeType
from eiha.plan.namespaces import tables
from eiha.plan.registry import REGISTRY
from eiha.plan.signatures import Signature

_NUMBERS: Final = frozenset(type_ for type_ in AttributeType if type_.is_numeric)
_ANY: Final = frozenset(AttributeType)
_BOOL: Final = frozenset({AttributeType.BOOL})
_OBJECT: Final = frozenset({AttributeType.OBJECT})

Result = Callable[[AttributeType], AttributeType]


@dataclass(frozen=True, slots=True)
class AggregateSignature:
    """An aggregator over one argument of ``types``; ``may_be_empty``: the argument may be left out.

    ``result`` gives the type for the type of the argument, ``summary`` is what the function reference says.
    """

    name: str
    types: frozenset[AttributeType]
    result: Result
    may_be_empty: bool = False
    summary: str = ""

    @property
    def form(self) -> str:
        """As a user writes it."""
        types = "|".join(type_.value for type_ in AttributeType if type_ in self.types)
        words = {frozenset(AttributeType): "any", _NUMBERS: "number"}
        argument = f"<{words.get(self.types, types)}>"
        return f"{self.name}({f'[{argument}]' if self.may_be_empty else argument})"


def _sum(type_: AttributeType) -> AttributeType:
    return AttributeType.LONG if type_ in (AttributeType.INT, AttributeType.LONG) else AttributeType.DOUBLE


def _always(result: AttributeType) -> Result:
    return lambda _type: result


def _same(type_: AttributeType) -> AttributeType:
    return type_


_SIGNATURES: Final = (
    AggregateSignature("sum", _NUMBERS, _sum, summary="The sum; null while nothing is in."),
    AggregateSignature("avg", _NUMBERS, _always(AttributeType.DOUBLE), summary="The mean; null while nothing is in."),
    AggregateSignature(
        "count",
        _ANY,
        _always(AttributeType.LONG),
        may_be_empty=True,
        summary="How many events, those with a null included.",
    ),
    AggregateSignature("min", _NUMBERS, _same, summary="The least of what is in."),
    AggregateSignature("max", _NUMBERS, _same, summary="The greatest of what is in."),
    AggregateSignature(
        "stdDev", _NUMBERS, _always(AttributeType.DOUBLE), summary="The standard deviation of the population."
    ),
    AggregateSignature(
        "distinctCount",
        _NUMBERS | {AttributeType.STRING},
        _always(AttributeType.LONG),
        summary="How many different values; null is one.",
    ),
    AggregateSignature("minForever", _NUMBERS, _same, summary="The least of all that ever came."),
    AggregateSignature("maxForever", _NUMBERS, _same, summary="The greatest of all that ever came."),
    AggregateSignature("and", _BOOL, _always(AttributeType.BOOL), summary="Whether all are true; fails on null."),
    AggregateSignature("or", _BOOL, _always(AttributeType.BOOL), summary="Whether any is true; fails on null."),
    AggregateSignature(
        "unionSet", _OBJECT, _always(AttributeType.OBJECT), summary="All that is in any of the sets that are in."
    ),
    AggregateSignature("first", _ANY, _same, summary="The value that came first of those that are in."),
    AggregateSignature("last", _ANY, _same, summary="The value that came last of those that are in."),
)

AGGREGATES: Final[dict[str, AggregateSignature]] = {signature.name: signature for signature in _SIGNATURES}
"""By canonical name."""


def aggregate_signature(name: str) -> Signature | None:
    """The aggregator with a namespace called ``name``, also one that a package registered; None: there is none."""
    known = tables.AGGREGATORS.get(name)
    if known is not None:
        return known
    extension = REGISTRY.aggregators.get(name)
    return None if extension is None else extension.signature


def aggregate_names() -> list[str]:
    """All names, for suggestions."""
    return [*AGGREGATES, *tables.AGGREGATORS, *REGISTRY.aggregators]
