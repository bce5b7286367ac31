"""What to write instead of habits from SQL, Java and other query languages, by the token that was not valid."""

from __future__ import annotations

from typing import Final

from eiha.siddhiql.tokens import Token, TokenKind

_ABOUT_STRINGS: Final = (
    "a string ends with the quote it began with; '...' may hold no double quote and no line break, and there are no "
    "escapes"
)


def hint(before: Token | None, token: Token, after: Token) -> str:
    """A sentence that begins with ``; ``, or an empty string.

    Args:
        before: the token before the one that is not valid, if any.
        token: the one that is not valid.
        after: the one after it.
    """
    advice = _advice(before, token, after)
    return f"; {advice}" if advice else ""


def _advice(before: Token | None, token: Token, after: Token) -> str:
    if before is not None and before.kind is TokenKind.STRING and before.span.end == token.span.start:
        return _ABOUT_STRINGS
    if token.kind is TokenKind.UNEXPECTED:
        return _about_character(token.text)
    if before is not None and before.text == "!":
        return "write not"
    if token.kind is TokenKind.SYMBOL:
        return _about_symbol(token, after)
    match token.value.lower():
        case "partition" if before is not None and before.value.lower() == "define":
            return "write partition with (attribute of Stream) begin ... end around the queries"
        case "from" if before is not None and before.text == ")" and after.text == "(":
            return "a table takes no from (...): it is kept in memory (docs/migration.md)"
        case "where":
            return "a filter is written behind the stream: from S[condition]"
        case "is" if before is not None and before.text == ")":
            return "is null follows an attribute or a function call, without parentheses"
        case _:
            return ""


def _about_character(character: str) -> str:
    match character:
        case "&":
            return "write and"
        case "|":
            return "write or"
        case "'" | '"':
            return _ABOUT_STRINGS
        case "`":
            return "a name in backticks ends with a backtick"
        case "$":
            return "a plan has no ${...}; write the value"
        case "{":
            return "a script ends with the brace that closes it"
        case _:
            return ""


def _about_symbol(token: Token, after: Token) -> str:
    match token.text:
        case "=":
            return "equality is written =="
        case "/" if after.text in ("/", "*"):
            return "comments are written -- or /* */"
        case "-" if after.kind in (TokenKind.NAME, TokenKind.KEYWORD) or after.text == "(":
            return "a minus sign belongs to a constant; write 0 - ..."
        case _:
            return ""
