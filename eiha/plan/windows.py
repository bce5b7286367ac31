"""Signatures of the windows of Siddhi 5.1: the core's, and those of the extensions that run here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from eiha.events.schema import AttributeType
from eiha.kernel.cron import CronError, parse_cron
from eiha.plan.expressions import AttributeRef, Expression, Literal
from eiha.plan.functions import Misfit

_INT: Final = frozenset({AttributeType.INT})
_LONG: Final = frozenset({AttributeType.LONG})
_DURATION: Final = _INT | _LONG
_BOOL: Final = frozenset({AttributeType.BOOL})
_DOUBLE: Final = frozenset({AttributeType.DOUBLE})
_STRING: Final = frozenset({AttributeType.STRING})
_SCALAR: Final = frozenset(AttributeType) - {AttributeType.OBJECT}
_ORDERED: Final = _SCALAR - {AttributeType.BOOL}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: its types, and whether it is a constant or an attribute (None: either). The last one of an
    overload may be there ``repeatedly``, or not at all.
    """

    name: str
    types: frozenset[AttributeType]
    is_constant: bool | None = True
    repeatedly: bool = False


Overload = tuple[Parameter, ...]

_LENGTH: Final = Parameter("the length", _INT)
_TIME: Final = Parameter("the time", _DURATION)
_DELAY: Final = Parameter("the delay", _DURATION)
_START: Final = Parameter("the start time", _DURATION)
_ANY_START: Final = Parameter("the start time", _DURATION, is_constant=None)
_TIMEOUT: Final = Parameter("the timeout", _DURATION)
_REPLACE: Final = Parameter("the flag to replace the timestamp with the batch's end", _BOOL)
_STREAM_CURRENT: Final = Parameter("the flag to put current events out at once", _BOOL)
_TIMESTAMP: Final = Parameter("the timestamp", _LONG, is_constant=False)
_GAP: Final = Parameter("the session gap", _LONG)
_SESSION_KEY: Final = Parameter("the session key", _STRING, is_constant=False)
_LATENCY: Final = Parameter("the allowed latency", _LONG)
_COUNT: Final = Parameter("the number of values", _INT)
_COUNTED: Final = Parameter("the attribute", _STRING, is_constant=False)
_SUPPORT: Final = Parameter("the support threshold", _DOUBLE)
_ERROR: Final = Parameter("the error bound", _DOUBLE)
_SORTED: Final = Parameter("the attribute to sort by", _ORDERED, is_constant=False)
_ORDER: Final = Parameter("the order", _STRING)
_SORTED_OR_ORDER: Final = Parameter(
    "what follows an order, an attribute or the order of one,", _ORDERED, is_constant=None, repeatedly=True
)
_HOP: Final = Parameter("the hop", _DURATION)
_KEY: Final = Parameter("the key", _SCALAR, is_constant=False)
_KEYS: Final = Parameter("a key", _SCALAR, is_constant=False, repeatedly=True)
_EXPRESSION: Final = Parameter("the expression", _STRING, is_constant=None)
_INCLUDES: Final = Parameter("the flag to include the event that ends a batch", _BOOL, is_constant=None)
_WAIT: Final = Parameter("the timeout", _LONG)
_MOST: Final = Parameter("the bound of k", _LONG)
_DISCARDS: Final = Parameter("the flag to discard late events", _BOOL)
_INTERVAL: Final = Parameter("the interval", _DURATION)
_CRON: Final = Parameter("the cron expression", _STRING)

OVERLOADS: Final[dict[str, tuple[Overload, ...]]] = {
    "length": ((_LENGTH,),),
    "lengthBatch": ((_LENGTH,), (_LENGTH, _STREAM_CURRENT)),
    "time": ((_TIME,),),
    "timeBatch": ((_TIME,), (_TIME, _START), (_TIME, _STREAM_CURRENT), (_TIME, _START, _STREAM_CURRENT)),
    "externalTime": ((_TIMESTAMP, _TIME),),
    "externalTimeBatch": tuple((_TIMESTAMP, _TIME, _ANY_START, _TIMEOUT, _REPLACE)[:count] for count in range(2, 6)),
    "timeLength": ((_TIME, _LENGTH),),
    "delay": ((_DELAY,),),
    "batch": ((), (_LENGTH,)),
    "session": tuple((_GAP, _SESSION_KEY, _LATENCY)[:count] for count in range(1, 4)),
    "sort": ((_LENGTH, _SORTED), (_LENGTH, _SORTED, _ORDER, _SORTED_OR_ORDER)),
    "frequent": ((_COUNT,), (_COUNT, _COUNTED)),
    "lossyFrequent": tuple((_SUPPORT, _ERROR, _COUNTED)[:count] for count in range(1, 4)),
    "cron": ((_CRON,),),
    "expression": ((_EXPRESSION,),),
    "expressionBatch": tuple((_EXPRESSION, _INCLUDES, _STREAM_CURRENT)[:count] for count in range(1, 4)),
    "hopping": ((_TIME, _HOP),),
    "unique:first": ((_KEY, _KEYS),),
    "unique:ever": ((_KEY, _KEYS),),
    "unique:length": ((_KEY, _LENGTH),),
    "unique:time": ((_KEY, _TIME),),
    "unique:lengthBatch": ((_KEY, _LENGTH),),
    "unique:firstLengthBatch": ((_KEY, _LENGTH),),
    "unique:timeBatch": ((_KEY, _TIME), (_KEY, _TIME, _START)),
    "unique:firstTimeBatch": ((_KEY, _TIME), (_KEY, _TIME, _START)),
    "unique:timeLengthBatch": ((_KEY, _TIME, _LENGTH), (_KEY, _TIME, _START, _LENGTH)),
    "unique:externalTimeBatch": tuple(
        (_KEY, _TIMESTAMP, _TIME, _START, _TIMEOUT, _REPLACE)[:count] for count in range(3, 7)
    ),
}
"""The windows that run, with their overloads."""

PROCESSORS: Final[dict[str, tuple[Overload, ...]]] = {
    "reorder:kslack": tuple((_TIMESTAMP, _WAIT, _MOST, _DISCARDS)[:count] for count in range(1, 5)),
    "unique:deduplicate": ((_KEY, _INTERVAL),),
}
"""Stream processors (``#name(...)``) that hold rows back: in a plan they are windows."""

PROCESSORS_NOT_RUN: Final = frozenset({"reorder:akslack"})
"""Stream processors that Siddhi has and this version does not run."""

NOT_RUN: Final[frozenset[str]] = frozenset()
"""Windows that Siddhi has and this version does not run."""


def check_arguments(name: str, arguments: Sequence[Expression]) -> None:
    """Hold ``arguments`` against the overloads of window ``name``, one of ``OVERLOADS`` or ``PROCESSORS``.

    Raises:
        Misfit: no overload fits; says which argument is wrong where that can be told.
    """
    overloads = _overloads(name)
    problems = [_problem(overload, arguments) for overload in overloads]
    if all(problem is not None for problem in problems):
        # the overload of the same number of arguments tells best what was meant
        alike = [
            problem
            for overload, problem in zip(overloads, problems, strict=True)
            if _takes(overload, len(arguments)) and problem is not None
        ]
        raise Misfit(alike[0] if alike else f"it does not take {len(arguments)} arguments")
    _check_values(name, arguments)


def _overloads(name: str) -> tuple[Overload, ...]:
    return PROCESSORS[name] if name in PROCESSORS else OVERLOADS[name]


def _check_values(name: str, arguments: Sequence[Expression]) -> None:
    """What only some values of the right type break."""
    match name:
        case "timeBatch":
            _require_above_zero("the time", arguments[0])
        case "hopping" | "unique:timeBatch" | "unique:firstTimeBatch" | "unique:timeLengthBatch":
            _require_above_zero("the hop" if name == "hopping" else "the time", arguments[1])
        case "unique:externalTimeBatch":
            _require_above_zero("the time", arguments[2])
        case "externalTimeBatch":
            _require_above_zero("the time", arguments[1])
            start = arguments[2] if len(arguments) > 2 else None
            if isinstance(start, AttributeRef) and start.type is not AttributeType.LONG:
                raise Misfit(f"the start time cannot be {start.type.value}, if it is an attribute")
        case "batch":
            length = arguments[0] if arguments else None
            if isinstance(length, Literal) and int(length.value) < 0:
                raise Misfit(f"the length must not be below 0, not {length.value}")
        case "session":
            gap, latency = arguments[0], arguments[-1]
            assert isinstance(gap, Literal)
            if isinstance(latency, Literal) and int(latency.value) > int(gap.value):
                raise Misfit(f"the allowed latency must not be above the session gap, {gap.value} ms")
        case "sort":
            _check_orders(arguments)
        case "lossyFrequent":
            for value, what in zip(arguments, ("the support threshold", "the error bound"), strict=False):
                if isinstance(value, Literal) and not float(value.value) >= 0:
                    raise Misfit(f"{what} must not be below 0, not {value.value}")
        case "cron":
            assert isinstance(arguments[0], Literal)
            try:
                parse_cron(str(arguments[0].value))
            except CronError as error:
                raise Misfit(str(error)) from error
        case _:
            pass


def _require_above_zero(what: str, argument: Expression) -> None:
    assert isinstance(argument, Literal)
    if int(argument.value) <= 0:
        raise Misfit(f"{what} must be above 0, not {argument.value}")


def _check_orders(arguments: Sequence[Expression]) -> None:
    """Constants must be orders, each behind an attribute."""
    for before, argument in pairwise(arguments[1:]):
        if isinstance(argument, Literal):
            if str(argument.value).lower() not in ("asc", "desc"):
                raise Misfit(f"the order must be 'asc' or 'desc', not {argument.value!r}")
            if isinstance(before, Literal):
                raise Misfit("an order follows an attribute")


def forms(name: str) -> tuple[str, ...]:
    """The valid forms of window ``name``, as a user would write them."""
    return tuple(f"{name}({', '.join(_form(parameter) for parameter in overload)})" for overload in _overloads(name))


def _form(parameter: Parameter) -> str:
    types = " or ".join(type_.value for type_ in AttributeType if type_ in parameter.types)
    kind = {True: "", False: " attribute", None: ", constant or attribute"}[parameter.is_constant]
    return f"<{types}{kind}>{', ...' if parameter.repeatedly else ''}"


def _takes(overload: Overload, count: int) -> bool:
    """Whether ``overload`` takes so many arguments."""
    if overload and overload[-1].repeatedly:
        return count >= len(overload) - 1
    return count == len(overload)


def _problem(overload: Overload, arguments: Sequence[Expression]) -> str | None:
    if not _takes(overload, len(arguments)):
        return f"it does not take {len(arguments)} arguments"
    for position, argument in enumerate(arguments):
        parameter = overload[min(position, len(overload) - 1)]
        if parameter.is_constant is True and not isinstance(argument, Literal):
            return f"{parameter.name} must be a constant"
        if parameter.is_constant is False and not isinstance(argument, AttributeRef):
            return f"{parameter.name} must be an attribute"
        if not isinstance(argument, Literal | AttributeRef):
            return f"{parameter.name} must be a constant or an attribute"
        if argument.type not in parameter.types:
            return f"{parameter.name} cannot be {argument.type.value}"
    return None
