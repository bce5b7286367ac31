"""``str:``: text. Characters are Unicode code points, counted from 0; regular expressions are Java's."""

from __future__ import annotations

from typing import Final

from eiha.plan.signatures import Signature, declare

SCALARS: Final[tuple[Signature, ...]] = (
    declare(
        "str:charAt",
        "text string, index int -> string",
        "The character at `index`; null beyond the text.",
        ("str:charAt('WSO2', 1)", "S"),
        ("str:charAt('WSO2', 4)", "null"),
    ),
    declare(
        "str:charFrequency",
        "text string, character string -> long",
        "How often one character occurs; null if `character` is not one.",
        ("str:charFrequency('WSO2,ABM,NSFT', ',')", "2"),
    ),
    declare(
        "str:coalesce",
        "value any, more any... -> =value",
        "The first argument that is not null; all are of one type.",
        ("str:coalesce('a', 'b')", "a"),
    ),
    declare(
        "str:concat",
        "first string, second string, more string... -> string",
        "All arguments joined; nulls are left out.",
        ("str:concat('D533', '8JU^', 'XYZ')", "D5338JU^XYZ"),
    ),
    declare(
        "str:contains",
        "text string, part string -> bool",
        "Whether `part` occurs in `text`.",
        ("str:contains('21 products are produced by WSO2 currently', 'WSO2')", "true"),
    ),
    declare(
        "str:equalsIgnoreCase",
        "left string, right string -> bool",
        "Whether both are the same but for upper and lower case.",
        ("str:equalsIgnoreCase('WSO2', 'wso2')", "true"),
    ),
    declare(
        "str:fillTemplate",
        ("template string, values object -> string", "template string, first scalar, more scalar... -> string"),
        "`{{key}}` becomes a value of the map, or `{{1}}`, `{{2}}`, ... an argument; a key without value stays, bare.",
        ("str:fillTemplate('{{1}} > 100 && {{2}} < 10000', 200, 300)", "200 > 100 && 300 < 10000"),
        ("str:fillTemplate('{{prize}} > 100', map:create('prize', 300))", "300 > 100"),
    ),
    declare(
        "str:hex",
        "text string -> string",
        "The bytes of the text (UTF-8) as hexadecimal digits.",
        ("str:hex('MySQL')", "4d7953514c"),
    ),
    declare("str:length", "text string -> int", "How many characters.", ("str:length('Hello World')", "11")),
    declare(
        "str:locate",
        "part string, text string, start int? -> int",
        "Where `part` first occurs in `text` at or after `start`; -1: nowhere.",
        ("str:locate('@wso2.com', 'streamin@wso2.com')", "8"),
        ("str:locate('a', 'banana', 2)", "3"),
    ),
    declare("str:lower", "text string -> string", "In lower case.", ("str:lower('WSO2 cep')", "wso2 cep")),
    declare(
        "str:regexp",
        "text string, pattern regex -> bool",
        "Whether the whole text matches.",
        ("str:regexp('WSO2 abcdh', 'WSO(.*h)')", "true"),
        ("str:regexp('WSO2 abcdh', 'WSO')", "false"),
    ),
    declare(
        "str:repeat",
        "text string, times int -> string",
        "The text so many times; null if `times` is negative.",
        ("str:repeat('StRing 1', 3)", "StRing 1StRing 1StRing 1"),
    ),
    declare(
        "str:replaceAll",
        "text string, pattern regex, by string -> string",
        "Every match replaced; `$1` is a group.",
        ("str:replaceAll('hello hi hello', 'hello', 'test')", "test hi test"),
        ("str:replaceAll('a1b2', '([a-z])([0-9])', '$2$1')", "1a2b"),
    ),
    declare(
        "str:replaceFirst",
        "text string, pattern regex, by string -> string",
        "The first match replaced.",
        ("str:replaceFirst('hello WSO2 A hello', 'WSO2(.*)A', 'XXXX')", "hello XXXX hello"),
    ),
    declare("str:reverse", "text string -> string", "Backwards.", ("str:reverse('Hello World')", "dlroW olleH")),
    declare(
        "str:split",
        "text string, separator regex, group int -> string",
        "Part number `group` (from 0) of the text cut at each `separator`; null if there are not so many.",
        ("str:split('WSO2,ABM,NSFT', ',', 0)", "WSO2"),
    ),
    declare(
        "str:strcmp",
        "left string, right string -> int",
        "Negative, 0 or positive, as `left` stands before, with or behind `right`.",
        ("str:strcmp('AbCDefghiJ KLMN', 'Hello')", "-7"),
    ),
    declare(
        "str:substr",
        (
            "text string, begin int -> string",
            "text string, begin int, length int -> string",
            "text string, pattern regex -> string",
            "text string, pattern regex, group int -> string",
        ),
        "The text from `begin` on; or what a pattern, or a group of it, first matches (an empty text: nothing).",
        ("str:substr('AbCDefghiJ KLMN', 4)", "efghiJ KLMN"),
        ("str:substr('AbCDefghiJ KLMN', 2, 4)", "CDef"),
        ("str:substr('WSO2D efghiJ KLMN', '^WSO2(.*)')", "WSO2D efghiJ KLMN"),
        ("str:substr('WSO2 cep WSO2 XX E hi hA WSO2 heAllo', 'WSO2(.*)A(.*)', 2)", "llo"),
    ),
    declare(
        "str:trim",
        "text string -> string",
        "Without white space at both ends.",
        ("str:trim('  AbCDefghiJ KLMN  ')", "AbCDefghiJ KLMN"),
    ),
    declare(
        "str:unhex",
        "digits string -> string",
        "The text whose bytes (UTF-8) are written as hexadecimal digits; null if they are not.",
        ("str:unhex('4d7953514c')", "MySQL"),
    ),
    declare("str:upper", "text string -> string", "In upper case.", ("str:upper('Hello World')", "HELLO WORLD")),
)

AGGREGATORS: Final[tuple[Signature, ...]] = (
    declare(
        "str:groupConcat",
        "key string, separator string?, distinct bool!?, order order!? -> string",
        "The keys that are in, joined by `separator` (a comma): equal ones together at the place of the first, once if "
        "`distinct`, in order 'ASC' or 'DESC' if wanted.",
    ),
)
