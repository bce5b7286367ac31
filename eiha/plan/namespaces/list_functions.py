"""``list:``: lists as objects. A list is never changed: what changes one gives another. What is no list gives null."""

from __future__ import annotations

from typing import Final

from eiha.events.schema import Attribute, AttributeType
from eiha.plan.signatures import Signature, declare

_ABC: Final = "list:create('a', 'b', 'c')"

SCALARS: Final[tuple[Signature, ...]] = (
    declare(
        "list:add",
        ("list object, value any -> object", "list object, value any, index int -> object"),
        "With a value at the end, or at `index`; null if there is no such place.",
        (f"list:add({_ABC}, 'd')", "[a, b, c, d]"),
        (f"list:add({_ABC}, 'd', 0)", "[d, a, b, c]"),
    ),
    declare(
        "list:addAll",
        "to object, from object, distinct bool!? -> object",
        "With all values of another list; if `distinct`, only those that are not there.",
        (f"list:addAll({_ABC}, list:create('c', 'd'))", "[a, b, c, c, d]"),
        (f"list:addAll({_ABC}, list:create('c', 'd'), true)", "[a, b, c, d]"),
    ),
    declare("list:clear", "list object -> object", "An empty list.", (f"list:clear({_ABC})", "[]")),
    declare("list:clone", "list object -> object", "The same list.", (f"list:clone({_ABC})", "[a, b, c]")),
    declare(
        "list:contains",
        "list object, value any -> bool",
        "Whether the value is in it.",
        (f"list:contains({_ABC}, 'b')", "true"),
    ),
    declare(
        "list:containsAll",
        "list object, values object -> bool",
        "Whether all values of another list are in it.",
        (f"list:containsAll({_ABC}, list:create('a', 'x'))", "false"),
    ),
    declare(
        "list:containsAny",
        "list object, values object -> bool",
        "Whether any value of another list is in it.",
        (f"list:containsAny({_ABC}, list:create('a', 'x'))", "true"),
    ),
    declare(
        "list:create",
        "values any... -> object",
        "A list of the arguments.",
        ("list:create(1, 'a', 2.5)", "[1, a, 2.5]"),
    ),
    declare(
        "list:get",
        "list object, index int -> object",
        "The value at `index`, from 0; null beyond the list.",
        (f"list:get({_ABC}, 1)", "b"),
        (f"list:get({_ABC}, 3)", "null"),
    ),
    declare(
        "list:indexOf",
        "list object, value any -> int",
        "Where the value comes first; -1: nowhere.",
        (f"list:indexOf({_ABC}, 'c')", "2"),
    ),
    declare(
        "list:isEmpty", "list object -> bool", "Whether there is nothing in it.", (f"list:isEmpty({_ABC})", "false")
    ),
    declare(
        "list:isList",
        "value any -> bool",
        "Whether it is a list.",
        (f"list:isList({_ABC})", "true"),
        ("list:isList('a')", "false"),
    ),
    declare(
        "list:lastIndexOf",
        "list object, value any -> int",
        "Where the value comes last; -1: nowhere.",
        ("list:lastIndexOf(list:create(1, 2, 1), 1)", "2"),
    ),
    declare(
        "list:remove",
        "list object, value any -> object",
        "Without the first such value.",
        (f"list:remove({_ABC}, 'a')", "[b, c]"),
    ),
    declare(
        "list:removeAll",
        "list object, values object -> object",
        "Without any value of another list.",
        (f"list:removeAll({_ABC}, list:create('a', 'c'))", "[b]"),
    ),
    declare(
        "list:removeByIndex",
        "list object, index int -> object",
        "Without the value at `index`; null if there is none.",
        (f"list:removeByIndex({_ABC}, 1)", "[a, c]"),
    ),
    declare(
        "list:retainAll",
        "list object, values object -> object",
        "Only the values that are in another list, too.",
        (f"list:retainAll({_ABC}, list:create('a', 'c'))", "[a, c]"),
    ),
    declare(
        "list:set",
        "list object, index int, value any -> object",
        "With another value at `index`; null if there is none.",
        (f"list:set({_ABC}, 1, 'x')", "[a, x, c]"),
    ),
    declare("list:size", "list object -> int", "How many values.", (f"list:size({_ABC})", "3")),
    declare(
        "list:sort",
        "list object, order order!? -> object",
        "Rising ('ASC', if left out), falling ('DESC') or turned round ('REV'): numbers by size, text without "
        "regard to case; null for a mixture.",
        ("list:sort(list:create(3, 1, 2))", "[1, 2, 3]"),
        ("list:sort(list:create('b', 'A', 'c'), 'DESC')", "[c, b, A]"),
        (f"list:sort({_ABC}, 'REV')", "[c, b, a]"),
    ),
)

AGGREGATORS: Final[tuple[Signature, ...]] = (
    declare(
        "list:collect",
        "value any, distinct bool!? -> object",
        "The list of the values that are in, in order of arrival.",
    ),
    declare(
        "list:merge",
        "list object, distinct bool!? -> object",
        "The values of all lists that are in, in order of arrival.",
    ),
)

PROCESSORS: Final[tuple[tuple[Signature, tuple[Attribute, ...]], ...]] = (
    (
        declare(
            "list:tokenize",
            "list object, more object... -> object",
            "A row for each value: its `index` and itself; of several lists, the list of their values at that place.",
        ),
        (Attribute("index", AttributeType.INT), Attribute("value", AttributeType.OBJECT)),
    ),
)
