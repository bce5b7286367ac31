"""``regex:``: Java's regular expressions. A null argument, or a pattern that is none, gives null."""

from __future__ import annotations

from typing import Final

from eiha.plan.signatures import Signature, declare

SCALARS: Final[tuple[Signature, ...]] = (
    declare(
        "regex:find",
        "pattern regex, text string, start int? -> bool",
        "Whether the pattern matches anywhere in the text, at or after `start`.",
        ("regex:find('\\d\\d(.*)WSO2', '21 products are produced by WSO2 currently')", "true"),
        ("regex:find('\\d\\d(.*)WSO2', '21 products are produced currently')", "false"),
        ("regex:find('WSO2', 'WSO2 middleware', 1)", "false"),
    ),
    declare(
        "regex:group",
        "pattern regex, text string, group int -> string",
        "What a group of the first match holds; null without a match or such a group.",
        ("regex:group('\\d\\d(.*)(WSO2.*)', '21 products by WSO2 currently by WSO2 employees', 2)", "WSO2 employees"),
    ),
    declare(
        "regex:lookingAt",
        "pattern regex, text string -> bool",
        "Whether the pattern matches at the start of the text.",
        ("regex:lookingAt('\\d\\d(.*)(WSO2.*)', '21 products are produced by WSO2 currently')", "true"),
        ("regex:lookingAt('WSO2(.*)', 'sample test string and WSO2')", "false"),
    ),
    declare(
        "regex:matches",
        "pattern regex, text string -> bool",
        "Whether the pattern matches the whole text.",
        ("regex:matches('WSO2(.*)middleware(.*)', 'WSO2 is situated and its a middleware company')", "true"),
        ("regex:matches('WSO2(.*)middleware', 'WSO2 is situated and its a middleware company')", "false"),
    ),
)
