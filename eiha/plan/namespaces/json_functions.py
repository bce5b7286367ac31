"""``json:``: documents as text or objects. A path is JSONPath; what it does not find, or what is no JSON, is null."""

from __future__ import annotations

from typing import Final

from eiha.events.schema import Attribute, AttributeType
from eiha.plan.signatures import Signature, declare

_JOHN: Final = "\"{'name':'John','age':23,'salary':12000.5,'married':true,'tags':['a','b']}\""


def _getter(name: str, result: str, what: str, path: str, value: str) -> Signature:
    return declare(
        f"json:get{name}",
        f"json string|object, path string -> {result}",
        f"{what} at `path`.",
        (f"json:get{name}({_JOHN}, '{path}')", value),
        (f"json:get{name}({_JOHN}, '$.nowhere')", "null"),
    )


SCALARS: Final[tuple[Signature, ...]] = (
    _getter("Bool", "bool", "The bool", "$.married", "true"),
    _getter("Double", "double", "The number", "$.salary", "12000.5"),
    _getter("Float", "float", "The number", "$.salary", "12000.5"),
    _getter("Int", "int", "The whole number", "$.age", "23"),
    _getter("Long", "long", "The whole number", "$.age", "23"),
    _getter("Object", "object", "The value", "$.tags", "[a, b]"),
    _getter("String", "string", "The text, or the JSON of another value,", "$.tags", '["a","b"]'),
    declare(
        "json:isExists",
        "json string|object, path string -> bool",
        "Whether `path` finds anything.",
        (f"json:isExists({_JOHN}, '$.name')", "true"),
        (f"json:isExists({_JOHN}, '$.nowhere')", "false"),
    ),
    declare(
        "json:setElement",
        "json string|object, path string, element any, key string? -> object",
        "The document with an element under `key` of the object at `path`, at the end of the list there, or in place "
        "of the value there. Where the path finds nothing, as it was.",
        ("json:toString(json:setElement(\"{'name':'John'}\", '$', 40, 'age'))", '{"name":"John","age":40}'),
        ("json:toString(json:setElement(\"{'items':['pen']}\", '$.items', 'book'))", '{"items":["pen","book"]}'),
        ("json:toString(json:setElement(\"{'item':'pen'}\", '$.item', 'book'))", '{"item":"book"}'),
    ),
    declare("json:toJson", "value any -> string", "Any value as JSON.", ("json:toJson(map:create('a', 1))", '{"a":1}')),
    declare("json:toObject", "json string -> object", "What the text says.", ("json:toObject('[1, 2]')", "[1, 2]")),
    declare(
        "json:toString",
        "json object -> string",
        "The JSON of an object.",
        ("json:toString(list:create(1, 'a'))", '[1,"a"]'),
    ),
)

AGGREGATORS: Final[tuple[Signature, ...]] = (
    declare(
        "json:group",
        (
            "json string|object -> string",
            "json string|object, distinct bool! -> string",
            "json string|object, enclosing string, distinct bool!? -> string",
        ),
        "A JSON list of the elements that are in, equal ones together (once if `distinct`), in an object if "
        "`enclosing` names a key.",
    ),
    declare(
        "json:groupAsObject",
        (
            "json string|object -> object",
            "json string|object, distinct bool! -> object",
            "json string|object, enclosing string, distinct bool!? -> object",
        ),
        "The same as an object.",
    ),
)

_TOKENIZE: Final = "json string|object, path string, failOnMissingAttribute bool!? -> object"

PROCESSORS: Final[tuple[tuple[Signature, tuple[Attribute, ...]], ...]] = (
    (
        declare(
            "json:tokenize",
            _TOKENIZE,
            "A row for each element that `path` finds, or of the list there. Nothing found: no row, or with "
            "`failOnMissingAttribute` false one with null.",
        ),
        (Attribute("jsonElement", AttributeType.STRING),),
    ),
    (
        declare("json:tokenizeAsObject", _TOKENIZE, "The same; each element as an object."),
        (Attribute("jsonElement", AttributeType.OBJECT),),
    ),
)
