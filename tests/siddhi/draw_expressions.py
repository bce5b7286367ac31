"""Random expressions of the language as Siddhi itself has it: no namespaces, Java's arithmetic, nulls, wide numbers."""

from __future__ import annotations

from random import Random

from tests.fuzz.draw_expressions import NUMBERS, TYPES, Attribute, attributes_of

Attributes = tuple[Attribute, ...]

TEXTS = ("a", "b", "cd", "ef")

_CONSTANTS = {
    "int": ("0", "1", "2", "3", "7", "-1", "-4", "2147483647", "100"),
    "long": ("0L", "1L", "5L", "-3L", "4294967296L", "9223372036854775807L"),
    "float": ("0.5f", "0.1f", "2.25f", "-8.0f", "1e2f"),
    "double": ("0.5", "1.0", "0.1", "-2.5", "6.8", "10.0", "0.0"),
    "bool": ("true", "false"),
    "string": tuple(f"'{text}'" for text in (*TEXTS, "", "12", "1.5", "true")),
}


def constant(random: Random, type_: str) -> str:
    return random.choice(_CONSTANTS[type_])


def expression(random: Random, attributes: Attributes, type_: str, depth: int = 2) -> str:
    """An expression of ``type_``."""
    own = attributes_of(attributes, type_)
    if own and (depth == 0 or random.random() < 0.45):
        return random.choice(own).ref
    if depth == 0:
        return constant(random, type_)
    if type_ == "bool" and random.random() < 0.8:
        return condition(random, attributes, depth)
    drawn = random.random()
    if drawn < 0.45 and type_ in NUMBERS:
        return _arithmetic(random, attributes, type_, depth)
    if drawn < 0.6:
        return f"convert({random.choice(attributes).ref}, '{type_}')"
    first, second = (expression(random, attributes, type_, depth - 1) for _ in range(2))
    choices = [
        f"coalesce({first}, {second})",
        f"ifThenElse({condition(random, attributes, depth - 1)}, {first}, {second})",
        f"default({first}, {constant(random, type_)})",
    ]
    if type_ in NUMBERS:
        choices += [f"maximum({first}, {second})", f"minimum({first}, {second})"]
    if type_ == "long":
        choices.append("eventTimestamp()")
    return random.choice(choices)


def _arithmetic(random: Random, attributes: Attributes, type_: str, depth: int) -> str:
    narrower = NUMBERS[: NUMBERS.index(type_) + 1]
    one = expression(random, attributes, type_, depth - 1)
    other = expression(random, attributes, random.choice(narrower), depth - 1)
    left, right = (one, other) if random.random() < 0.7 else (other, one)
    return f"({left} {random.choice('++-**/%')} {right})"


def condition(random: Random, attributes: Attributes, depth: int = 2) -> str:
    """A condition."""
    drawn = random.random()
    if depth > 0 and drawn < 0.35:
        left, right = (condition(random, attributes, depth - 1) for _ in range(2))
        return random.choice((f"({left} and {right})", f"({left} or {right})", f"not ({left})"))
    if drawn < 0.45:
        return f"({random.choice(attributes).ref} is null)"
    if drawn < 0.5:
        kind = random.choice(TYPES).capitalize().replace("Int", "Integer").replace("Bool", "Boolean")
        return f"instanceOf{kind}({random.choice(attributes).ref})"
    kinds = [kind for kind in ("number", "number", "number", "string", "bool") if _some(attributes, kind)]
    match random.choice(kinds or ["constant"]):
        case "number":
            return _comparison(random, attributes, depth)
        case "string" | "bool" as kind:
            one = random.choice(attributes_of(attributes, kind)).ref
            other = expression(random, attributes, kind, 0) if random.random() < 0.3 else constant(random, kind)
            return f"{one} {random.choice(('==', '!='))} {other}"
        case _:
            return "1 == 1"


def _some(attributes: Attributes, kind: str) -> bool:
    return bool(attributes_of(attributes, *(NUMBERS if kind == "number" else (kind,))))


def _comparison(random: Random, attributes: Attributes, depth: int) -> str:
    one = random.choice(attributes_of(attributes, *NUMBERS))
    sign = random.choice(("<", "<=", ">", ">=", "!=", "=="))
    if depth > 0 and random.random() < 0.3:
        left = expression(random, attributes, one.type, depth - 1)
        return f"{left} {sign} {expression(random, attributes, random.choice(NUMBERS), depth - 1)}"
    other = random.choice(attributes_of(attributes, *NUMBERS)).ref
    small = {"int": "3", "long": "6L", "float": "2.5f", "double": "4.0"}[random.choice(NUMBERS)]
    return f"{one.ref} {sign} {random.choice((other, small, small))}"


def aggregate(random: Random, attributes: Attributes) -> tuple[str, str]:
    """An aggregate and its type."""
    numbers = attributes_of(attributes, *NUMBERS)
    if random.random() < 0.2 or not numbers:
        return "count()", "long"
    one = random.choice(numbers)
    argument = one.ref if random.random() < 0.75 else expression(random, attributes, one.type, 1)
    if "eventTimestamp" in argument:  # of a row that leaves it is another one
        argument = one.ref
    name = random.choice(
        ("sum", "sum", "avg", "min", "max", "distinctCount", "stdDev", "minForever", "maxForever", "count")
    )
    match name:
        case "min" | "max" | "minForever" | "maxForever":
            return f"{name}({argument})", one.type
        case "count" | "distinctCount":
            return f"{name}({argument})", "long"
        case "sum":
            return f"sum({argument})", "long" if one.type in ("int", "long") else "double"
        case _:
            return f"{name}({argument})", "double"
