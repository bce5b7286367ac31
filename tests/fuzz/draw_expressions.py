"""Random expressions over given attributes, of a wanted type."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

NUMBERS = ("int", "long", "float", "double")
TYPES = (*NUMBERS, "bool", "string")
TEXTS = ("ab", "cd", "ef", "gh", "")

_CONSTANTS = {
    "int": ("0", "1", "2", "3", "5", "10"),
    "long": ("0L", "1L", "4L", "100L"),
    "float": ("0.5f", "2.25f", "8.0f"),
    "double": ("0.5", "1.0", "2.5", "6.8", "10.0"),
    "bool": ("true", "false"),
    "string": tuple(f"'{text}'" for text in TEXTS),
}


@dataclass(frozen=True, slots=True)
class Attribute:
    """``ref`` is how it is named in an expression."""

    ref: str
    type: str


def attributes_of(attributes: tuple[Attribute, ...], *types: str) -> list[Attribute]:
    return [each for each in attributes if each.type in types]


def constant(random: Random, type_: str) -> str:
    return random.choice(_CONSTANTS[type_])


def expression(random: Random, attributes: tuple[Attribute, ...], type_: str, depth: int = 2) -> str:
    """An expression of ``type_``."""
    own = attributes_of(attributes, type_)
    if own and random.random() < 0.6:
        return random.choice(own).ref
    if depth == 0:
        return random.choice(own).ref if own and random.random() < 0.8 else constant(random, type_)
    if type_ == "bool":
        return condition(random, attributes, depth)
    if random.random() < 0.35:
        first, second = (expression(random, attributes, type_, depth - 1) for _ in range(2))
        return random.choice(
            (
                f"coalesce({first}, {second})",
                f"ifThenElse({condition(random, attributes, depth - 1)}, {first}, {second})",
                f"default({first}, {constant(random, type_)})",
            )
        )
    if type_ == "string":
        one = random.choice(attributes).ref
        text = _text(random, attributes)
        return random.choice((f"convert({one}, 'string')", f"str:concat({text}, 'x')", f"str:upper({text})"))
    if random.random() < 0.2:
        others = [each for each in attributes_of(attributes, *NUMBERS) if each.type != type_]
        if others:
            return f"convert({random.choice(others).ref}, '{type_}')"
    if type_ == "int" and random.random() < 0.2:
        return f"str:length({_text(random, attributes)})"
    narrower = NUMBERS[: NUMBERS.index(type_) + 1]
    left = expression(random, attributes, type_, depth - 1)
    right = expression(random, attributes, random.choice(narrower), depth - 1)
    return f"({left} {random.choice('++-**/%')} {right})"


def _text(random: Random, attributes: tuple[Attribute, ...]) -> str:
    return expression(random, attributes, "string", 0)


def condition(random: Random, attributes: tuple[Attribute, ...], depth: int = 2) -> str:
    """A condition."""
    if depth > 0 and random.random() < 0.35:
        left, right = (condition(random, attributes, depth - 1) for _ in range(2))
        return random.choice((f"({left} and {right})", f"({left} or {right})", f"not ({left})"))
    numbers, texts = attributes_of(attributes, *NUMBERS), attributes_of(attributes, "string")
    drawn = random.random()
    if drawn < 0.15:
        return f"({random.choice(attributes).ref} is null)"
    if texts and (drawn < 0.35 or not numbers):
        one = random.choice(texts).ref
        other = random.choice(texts).ref if random.random() < 0.3 else constant(random, "string")
        return f"{one} {random.choice(('==', '!='))} {other}"
    if not numbers:
        bools = attributes_of(attributes, "bool")
        return f"{random.choice(bools).ref} == true" if bools else "1 == 1"
    one = random.choice(numbers)
    other = random.choice(numbers).ref if random.random() < 0.3 else constant(random, random.choice(NUMBERS))
    return f"{one.ref} {random.choice(('<', '<=', '>', '>=', '!=', '=='))} {other}"


def aggregate(random: Random, attributes: tuple[Attribute, ...]) -> tuple[str, str]:
    """An aggregate and its type."""
    numbers = attributes_of(attributes, *NUMBERS)
    drawn = random.random()
    if drawn < 0.2 or not numbers:
        return "count()", "long"
    one = random.choice(numbers)
    whole = one.type in ("int", "long")
    argument = one.ref if random.random() < 0.8 else expression(random, attributes, one.type, 1)
    name = random.choice(
        ("sum", "sum", "avg", "min", "max", "distinctCount", "stdDev", "minForever", "maxForever", "count")
    )
    if name in ("min", "max", "minForever", "maxForever"):
        type_ = one.type
    elif name in ("count", "distinctCount"):
        type_ = "long"
    else:
        type_ = "long" if name == "sum" and whole else "double"
    return f"{name}({argument})", type_
