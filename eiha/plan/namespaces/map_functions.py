"""``map:``: maps as objects. A map is never changed: what changes one gives another. What is no map gives null."""

from __future__ import annotations

from typing import Final

from eiha.events.schema import Attribute, AttributeType
from eiha.plan.signatures import Signature, declare

_STOCK: Final = "map:create('symbol', 'wso2', 'volume', 100)"

SCALARS: Final[tuple[Signature, ...]] = (
    declare("map:clear", "map object -> object", "An empty map.", (f"map:size(map:clear({_STOCK}))", "0")),
    declare(
        "map:clone", "map object -> object", "The same map.", (f"map:clone({_STOCK})", "{symbol=wso2, volume=100}")
    ),
    declare(
        "map:combineByKey",
        "map object, more object... -> object",
        "For each key of any map the list of its values in all of them, null where there is none.",
        ("map:combineByKey(map:create('a', 1), map:create('a', 2, 'b', 3))", "{a=[1, 2], b=[null, 3]}"),
    ),
    declare(
        "map:containsKey",
        "map object, key any -> bool",
        "Whether there is such a key.",
        (f"map:containsKey({_STOCK}, 'volume')", "true"),
    ),
    declare(
        "map:containsValue",
        "map object, value any -> bool",
        "Whether there is such a value.",
        (f"map:containsValue({_STOCK}, 'IBM')", "false"),
    ),
    declare(
        "map:create",
        "entries any... -> object",
        "A map of keys and values in turn.",
        ("map:create(1, 'one', 2, 'two')", "{1=one, 2=two}"),
    ),
    declare(
        "map:createFromJSON",
        "json string -> object",
        "The map that a JSON object says.",
        ("map:createFromJSON(\"{'symbol':'IBM','price':200}\")", "{symbol=IBM, price=200}"),
    ),
    declare(
        "map:createFromXML",
        "xml string -> object",
        "The elements within the root, by name: maps where they have elements themselves, else bools, numbers or text.",
        ("map:createFromXML('<stock><symbol>IBM</symbol><price>200</price></stock>')", "{symbol=IBM, price=200}"),
    ),
    declare(
        "map:get",
        ("map object, key any -> object", "map object, key any, default any -> =default"),
        "The value of a key; null, or the default, without one.",
        (f"map:get({_STOCK}, 'symbol')", "wso2"),
        (f"map:get({_STOCK}, 'price', 7)", "7"),
    ),
    declare(
        "map:isEmpty", "map object -> bool", "Whether there is nothing in it.", (f"map:isEmpty({_STOCK})", "false")
    ),
    declare(
        "map:isMap",
        "value any -> bool",
        "Whether it is a map.",
        (f"map:isMap({_STOCK})", "true"),
        ("map:isMap(1)", "false"),
    ),
    declare("map:keys", "map object -> object", "The list of its keys.", (f"map:keys({_STOCK})", "[symbol, volume]")),
    declare(
        "map:put",
        "map object, key any, value any -> object",
        "With a key and its value, put or replaced.",
        (f"map:put({_STOCK}, 'price', 12)", "{symbol=wso2, volume=100, price=12}"),
    ),
    declare(
        "map:putAll",
        "to object, from object -> object",
        "With all keys of another map, put or replaced.",
        (f"map:putAll({_STOCK}, map:create('symbol', 'IBM'))", "{symbol=IBM, volume=100}"),
    ),
    declare(
        "map:putIfAbsent",
        "map object, key any, value any -> object",
        "With a key and its value, unless the key is there.",
        (f"map:putIfAbsent({_STOCK}, 'volume', 1)", "{symbol=wso2, volume=100}"),
    ),
    declare(
        "map:remove",
        "map object, key any -> object",
        "Without a key.",
        (f"map:remove({_STOCK}, 'symbol')", "{volume=100}"),
    ),
    declare(
        "map:replace",
        "map object, key any, value any -> object",
        "With another value for a key, if the key is there.",
        (f"map:replace({_STOCK}, 'price', 1)", "{symbol=wso2, volume=100}"),
    ),
    declare(
        "map:replaceAll",
        "map object, others object -> object",
        "With the values of another map for the keys that are in both.",
        (f"map:replaceAll({_STOCK}, map:create('symbol', 'IBM', 'price', 1))", "{symbol=IBM, volume=100}"),
    ),
    declare("map:size", "map object -> int", "How many keys.", (f"map:size({_STOCK})", "2")),
    declare(
        "map:toJSON", "map object -> string", "As JSON.", (f"map:toJSON({_STOCK})", '{"symbol":"wso2","volume":100}')
    ),
    declare(
        "map:toXML",
        "map object, root string? -> string",
        "An element for each key, within a root if one is named.",
        (f"map:toXML({_STOCK}, 'stock')", "<stock><symbol>wso2</symbol><volume>100</volume></stock>"),
    ),
    declare("map:values", "map object -> object", "The list of its values.", (f"map:values({_STOCK})", "[wso2, 100]")),
)

AGGREGATORS: Final[tuple[Signature, ...]] = (
    declare(
        "map:collect",
        "key any, value any -> object",
        "A map of the keys and values that are in; of equal keys the last.",
    ),
    declare(
        "map:merge", "map object -> object", "A map of all that is in the maps that are in; of equal keys the last."
    ),
)

PROCESSORS: Final[tuple[tuple[Signature, tuple[Attribute, ...]], ...]] = (
    (
        declare(
            "map:tokenize",
            "map object, more object... -> object",
            "A row for each key, with its value; of several maps, with the list of its values in each.",
        ),
        (Attribute("key", AttributeType.OBJECT), Attribute("value", AttributeType.OBJECT)),
    ),
)
