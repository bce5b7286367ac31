"""Signatures of the scalar functions: of Siddhi 5.1's core here, of namespaces in their tables.

The engine holds the array forms under the same canonical names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from eiha.events.schema import AttributeType
from eiha.plan.expressions import Expression, Literal
from eiha.plan.namespaces import tables
from eiha.plan.registry import REGISTRY
from eiha.plan.signatures import Misfit as Misfit
from eiha.plan.signatures import Result, Signature

CONVERTIBLE: Final[dict[str, AttributeType]] = {
    type_.value: type_ for type_ in AttributeType if type_ is not AttributeType.OBJECT
}
"""Type names that ``convert`` and ``cast`` take, in any case."""


def _fixed(type_: AttributeType, *parameters: frozenset[AttributeType]) -> Result:
    def result(arguments: Sequence[Expression]) -> AttributeType:
        if len(arguments) != len(parameters):
            raise Misfit(f"it takes {len(parameters)} arguments, not {len(arguments)}")
        for position, (argument, types) in enumerate(zip(arguments, parameters, strict=True), start=1):
            if argument.type not in types:
                raise Misfit(f"argument {position} cannot be {argument.type.value}")
        return type_

    return result


def _target(name: str) -> Result:
    """``convert`` and ``cast``: the second argument names the type of the result."""

    def result(arguments: Sequence[Expression]) -> AttributeType:
        if len(arguments) != 2:
            raise Misfit(f"it takes 2 arguments, not {len(arguments)}")
        target = arguments[1]
        if not isinstance(target, Literal) or not isinstance(target.value, str):
            raise Misfit("the type must be a constant string")
        type_ = CONVERTIBLE.get(target.value.lower())
        if type_ is None:
            raise Misfit(f"the type must be one of {', '.join(CONVERTIBLE)}, not {target.value!r}")
        if name == "convert" and arguments[0].type is AttributeType.OBJECT and type_ is not AttributeType.STRING:
            raise Misfit("an object converts to string only; use cast")
        return type_

    return result


def _all_equal(arguments: Sequence[Expression]) -> AttributeType:
    if not arguments:
        raise Misfit("it takes at least one argument")
    first = arguments[0].type
    for argument in arguments:
        if argument.type is not first:
            raise Misfit(f"all arguments must be of one type, not {first.value} and {argument.type.value}")
    return first


def _numbers(arguments: Sequence[Expression]) -> AttributeType:
    type_ = _all_equal(arguments)
    if not type_.is_numeric:
        raise Misfit(f"the arguments must be numbers, not {type_.value}")
    return type_


def _default(arguments: Sequence[Expression]) -> AttributeType:
    if len(arguments) != 2:
        raise Misfit(f"it takes 2 arguments, not {len(arguments)}")
    if not isinstance(arguments[1], Literal):
        raise Misfit("the default must be a constant")
    return _all_equal(arguments)


def _if_then_else(arguments: Sequence[Expression]) -> AttributeType:
    if len(arguments) != 3:
        raise Misfit(f"it takes 3 arguments, not {len(arguments)}")
    condition, then, otherwise = arguments
    if condition.type is not AttributeType.BOOL:
        raise Misfit(f"the condition must be bool, not {condition.type.value}")
    if then.type is not otherwise.type:
        raise Misfit(f"both results must be of one type, not {then.type.value} and {otherwise.type.value}")
    return then.type


_ANY: Final = frozenset(AttributeType)
_SCALAR: Final = _ANY - {AttributeType.OBJECT}

_SIGNATURES: Final = (
    Signature(
        "cast",
        ("cast(<any>, '<type>')",),
        _target("cast"),
        "The value under another type: numbers are converted, an object must hold a value of the type.",
        (("cast(1, 'double')", "1.0"),),
    ),
    Signature(
        "convert",
        ("convert(<any>, '<type>')",),
        _target("convert"),
        "The value in another type; text that does not parse is null, to bool false.",
        (("convert('12', 'int')", "12"), ("convert('x', 'int')", "null"), ("convert(1.5f, 'string')", "1.5")),
    ),
    Signature(
        "coalesce",
        ("coalesce(<any>, ...)",),
        _all_equal,
        "The first argument that is not null; all are of one type.",
        (("coalesce('a', 'b')", "a"),),
    ),
    Signature(
        "ifThenElse",
        ("ifThenElse(<bool>, <any>, <any>)",),
        _if_then_else,
        "The second argument where the first is true, else the third; the other one is not evaluated.",
        (("ifThenElse(1 < 2, 'yes', 'no')", "yes"),),
    ),
    Signature(
        "default",
        ("default(<any>, <constant>)",),
        _default,
        "The value, or the constant where it is null.",
        (("default('a', 'none')", "a"),),
    ),
    Signature(
        "maximum",
        ("maximum(<number>, ...)",),
        _numbers,
        "The greatest; nulls are passed over.",
        (("maximum(1, 3)", "3"),),
    ),
    Signature(
        "minimum", ("minimum(<number>, ...)",), _numbers, "The least; nulls are passed over.", (("minimum(1, 3)", "1"),)
    ),
    Signature(
        "currentTimeMillis",
        ("currentTimeMillis()",),
        _fixed(AttributeType.LONG),
        "The plan's clock: log time, or event time in playback.",
    ),
    Signature("eventTimestamp", ("eventTimestamp()",), _fixed(AttributeType.LONG), "The event's timestamp."),
    Signature(
        "UUID",
        ("UUID()",),
        _fixed(AttributeType.STRING),
        "An id derived from the place in the log: the same on both nodes.",
    ),
    Signature(
        "createSet",
        ("createSet(<any but object>)",),
        _fixed(AttributeType.OBJECT, _SCALAR),
        "A set of one value.",
        (("createSet('a')", "[a]"),),
    ),
    Signature(
        "sizeOfSet",
        ("sizeOfSet(<object>)",),
        _fixed(AttributeType.INT, frozenset({AttributeType.OBJECT})),
        "How many values are in a set.",
        (("sizeOfSet(createSet('a'))", "1"),),
    ),
    *(
        Signature(
            f"instanceOf{name}",
            (f"instanceOf{name}(<any>)",),
            _fixed(AttributeType.BOOL, _ANY),
            f"Whether it is a{'n' if name == 'Integer' else ''} {name.lower()}, also within an object.",
            ((f"instanceOf{name}('a')", "true" if name == "String" else "false"),),
        )
        for name in ("Boolean", "Double", "Float", "Integer", "Long", "String")
    ),
)

FUNCTIONS: Final[dict[str, Signature]] = {signature.name: signature for signature in (*_SIGNATURES, *tables.SCALARS)}
"""By canonical name: the core's, and those of the namespaces that come along."""


def scalar_signature(name: str) -> Signature | None:
    """The function called ``name``, also one that a package registered; None: there is none."""
    known = FUNCTIONS.get(name)
    if known is not None:
        return known
    extension = REGISTRY.scalars.get(name)
    return None if extension is None else extension.signature


def scalar_names() -> list[str]:
    """All names, for suggestions."""
    return [*FUNCTIONS, *REGISTRY.scalars]
