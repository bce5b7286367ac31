"""What functions and aggregators take and give, written as a user would: ``text string, begin int, length int?``.

One declaration serves bind (types, valid forms in errors) and the page ``docs/functions.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from eiha.events.schema import AttributeType
from eiha.kernel import java_dates, java_regex
from eiha.plan.expressions import Expression, Literal

Result = Callable[[Sequence[Expression]], AttributeType]

_TYPES: Final = {type_.value: frozenset({type_}) for type_ in AttributeType}
_GROUPS: Final[Mapping[str, frozenset[AttributeType]]] = {
    **_TYPES,
    "any": frozenset(AttributeType),
    "scalar": frozenset(AttributeType) - {AttributeType.OBJECT},
    "number": frozenset(type_ for type_ in AttributeType if type_.is_numeric),
    "whole": frozenset({AttributeType.INT, AttributeType.LONG}),
    "fraction": frozenset({AttributeType.FLOAT, AttributeType.DOUBLE}),
}
"""Words for types in a declaration."""

UNITS: Final = ("YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND")
"""Units of the calendar, as the functions of ``time:`` name them."""


ORDERS: Final = ("ASC", "DESC", "REV")
"""Orders: rising, falling, and turned round."""


def _unit_problem(text: str) -> str | None:
    return None if text.upper() in UNITS else f"{text!r} is no unit; there are {', '.join(UNITS)}"


def _order_problem(text: str) -> str | None:
    return None if text.upper() in ORDERS else f"{text!r} is no order; there are {', '.join(ORDERS)}"


_CHECKS: Final[Mapping[str, Callable[[str], str | None]]] = {
    "regex": java_regex.problem,
    "dateformat": java_dates.pattern_problem,
    "timezone": java_dates.zone_problem,
    "unit": _unit_problem,
    "order": _order_problem,
}
"""Words for strings whose constants are looked at when the plan is deployed."""


class Misfit(Exception):
    """Arguments do not fit a signature; the text says why. Bind turns it into an error with a place."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument. ``is_constant``: written ``!``, known when the plan is deployed."""

    name: str
    type_text: str
    types: frozenset[AttributeType]
    is_optional: bool
    is_repeated: bool
    is_constant: bool
    check: Callable[[str], str | None] | None = None

    def misfit(self, argument: Expression) -> str | None:
        """Why ``argument`` cannot stand here, or None."""
        if argument.type not in self.types:
            return f"{self.name} takes {self.type_text.replace('|', ', ')}, not {argument.type.value}"
        if self.is_constant and not isinstance(argument, Literal):
            return f"{self.name} must be a constant"
        if self.check is not None and isinstance(argument, Literal):
            return self.check(str(argument.value))
        return None


@dataclass(frozen=True, slots=True)
class Form:
    """One way to call a function. ``result``: a type, or ``=name``, the type of that parameter."""

    parameters: tuple[Parameter, ...]
    result: str

    def misfit(self, arguments: Sequence[Expression]) -> tuple[int, str] | None:
        """How many arguments fit this form before one does not, and why that one does not; None: all fit."""
        least = sum(1 for each in self.parameters if not (each.is_optional or each.is_repeated))
        most = None if self.parameters and self.parameters[-1].is_repeated else len(self.parameters)
        if len(arguments) < least or (most is not None and len(arguments) > most):
            wanted = str(least) if most == least else f"at least {least}" if most is None else f"{least} to {most}"
            return -1, f"it takes {wanted} argument{'' if wanted == '1' else 's'}, not {len(arguments)}"
        for position, argument in enumerate(arguments):
            problem = self.parameters[min(position, len(self.parameters) - 1)].misfit(argument)
            if problem is not None:
                return position, problem
        return None

    def type_of(self, arguments: Sequence[Expression]) -> AttributeType:
        """The type of the result."""
        if not self.result.startswith("="):
            return AttributeType(self.result)
        for position, parameter in enumerate(self.parameters):
            if parameter.name == self.result[1:]:
                return arguments[position].type
        raise AssertionError(self.result)


@dataclass(frozen=True, slots=True)
class Signature:
    """A function: ``forms`` as a user would write them, and the type of the result (raises ``Misfit``).

    ``summary`` and ``examples`` (each an expression and its value) are what the function reference shows.
    """

    name: str
    forms: tuple[str, ...]
    result: Result
    summary: str = ""
    examples: tuple[tuple[str, str], ...] = ()


def declare(name: str, forms: str | Sequence[str], summary: str, *examples: tuple[str, str]) -> Signature:
    """A signature from text.

    Args:
        name: canonical, ``namespace:name``.
        forms: ``parameters -> result`` each. A parameter is ``name type``, several types are parted by ``|``; behind
            the type, ``?`` makes it optional, ``...`` lets it come any number of times, ``!`` wants a constant. The
            result is a type or ``=parameter``, whose type it has.
        summary: what it does, in a sentence.
        examples: an expression and the text of its value, which a test compares.
    """
    parsed = tuple(parse_form(text) for text in ([forms] if isinstance(forms, str) else forms))
    return Signature(name, tuple(form_text(name, form) for form in parsed), overloaded(parsed), summary, examples)


def overloaded(forms: Sequence[Form]) -> Result:
    """The type of the result by the first form that fits.

    Where none fits, the ``Misfit`` is that of the form of which the most arguments fit.
    """

    def result(arguments: Sequence[Expression]) -> AttributeType:
        best = (-2, "")
        for form in forms:
            misfit = form.misfit(arguments)
            if misfit is None:
                return form.type_of(arguments)
            if misfit[0] > best[0]:
                best = misfit
        raise Misfit(best[1])

    return result


def parse_form(text: str) -> Form:
    """``begin int, length int? -> string``."""
    before, arrow, result = text.partition("->")
    assert arrow, text
    words = [part.strip() for part in before.split(",") if part.strip()]
    parameters = tuple(_parameter(word) for word in words)
    result = result.strip()
    assert result in _TYPES or result[1:] in {each.name for each in parameters}, text
    return Form(parameters, result)


def _parameter(text: str) -> Parameter:
    name, _, type_text = text.partition(" ")
    is_repeated = type_text.endswith("...")
    type_text = type_text.removesuffix("...")
    is_constant = type_text.endswith(("!", "!?"))
    is_optional = type_text.endswith("?")
    type_text = type_text.strip("!?")
    check = _CHECKS.get(type_text)
    if check is not None:
        type_text = AttributeType.STRING.value
    types = frozenset[AttributeType]().union(*(_GROUPS[word] for word in type_text.split("|")))
    return Parameter(name, type_text, types, is_optional, is_repeated, is_constant, check)


def form_text(name: str, form: Form) -> str:
    """As a user writes it: ``str:substr(<string> text, <int> begin[, <int> length])``."""
    parts: list[str] = []
    for position, each in enumerate(form.parameters):
        part = f"<{each.type_text}> {each.name}" + (", ..." if each.is_repeated else "")
        comma = ", " if position else ""
        parts.append(f"[{comma}{part}]" if each.is_optional or each.is_repeated else comma + part)
    return f"{name}({''.join(parts)})"
