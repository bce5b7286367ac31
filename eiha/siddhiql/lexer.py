"""Text to tokens. Never fails: what is no token becomes an ``UNEXPECTED`` one, which the parser refuses in context.

Since no parse gets past that token, the text behind it is not read; so the time is linear in the text.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Final

from eiha.siddhiql.span import Span
from eiha.siddhiql.tokens import KEYWORDS, SYMBOLS, Token, TokenKind

_EXPONENT: Final = r"[eE][-+]?[0-9]+"

# an unclosed block comment runs to the end of the text; form feeds are no space, as in Siddhi
_HIDDEN: Final = re.compile(r"(?:[ \v\t\r\n]+|--[^\r\n]*|/\*.*?(?:\*/|\Z))+", re.DOTALL)
_WORD: Final = re.compile(r"[a-zA-Z_][a-zA-Z_0-9]*")
_QUOTED_NAME: Final = re.compile(r"`(.*?)`", re.DOTALL)
_STRING: Final = re.compile(r"'[^\x00-\x1f'\"]*'|\"[^\x00-\x1f\"]*\"")
_TRIPLE_STRING: Final = re.compile(r'"""(.*?)"""', re.DOTALL)
_SCRIPT_PART: Final = re.compile(r'"[^"]*"|//[^\r\n]*|[{}]')
_NUMBERS: Final[tuple[tuple[TokenKind, re.Pattern[str]], ...]] = (
    (TokenKind.FLOAT, re.compile(rf"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:{_EXPONENT})?[fF]")),
    (TokenKind.DOUBLE, re.compile(rf"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:{_EXPONENT})?[dD]")),
    (TokenKind.DOUBLE, re.compile(rf"[0-9]+(?:\.[0-9]*)?{_EXPONENT}|[0-9]*\.[0-9]+(?:{_EXPONENT})?")),
    (TokenKind.LONG, re.compile(r"[0-9]+[lL]")),
    (TokenKind.INT, re.compile(r"[0-9]+")),
)


def tokenize(text: str) -> tuple[Token, ...]:
    """The tokens of ``text`` up to the first ``UNEXPECTED`` one, without spaces and comments, closed by one ``END``."""
    line_starts = [0, *(match.end() for match in re.finditer("\n", text))]
    tokens: list[Token] = []
    position = 0
    while True:
        hidden = _HIDDEN.match(text, position)
        position = hidden.end() if hidden else position
        kind, end, value = _next(text, position)
        line = bisect_right(line_starts, position)
        span = Span(line, position - line_starts[line - 1], position, end)
        tokens.append(Token(kind, text[position:end], value, span))
        if kind is TokenKind.END:
            return tuple(tokens)
        position = len(text) if kind is TokenKind.UNEXPECTED else end


def _next(text: str, start: int) -> tuple[TokenKind, int, str]:
    """Kind, end and value of the token at ``start``."""
    if start == len(text):
        return TokenKind.END, start, ""
    if word := _WORD.match(text, start):
        lowered = word.group().lower()
        if lowered in KEYWORDS:
            return TokenKind.KEYWORD, word.end(), lowered
        return TokenKind.NAME, word.end(), word.group()
    character = text[start]
    if character in "0123456789.":
        found = _number(text, start)
        if found is not None:
            kind, end = found
            return kind, end, text[start:end]
    if character == "`" and (quoted := _QUOTED_NAME.match(text, start)):
        return TokenKind.NAME, quoted.end(), quoted.group(1)
    if character in "'\"":
        if triple := _TRIPLE_STRING.match(text, start):
            return TokenKind.STRING, triple.end(), triple.group(1)
        if string := _STRING.match(text, start):
            return TokenKind.STRING, string.end(), string.group()[1:-1]
    if character == "{" and (closed := _script_end(text, start)) is not None:
        return TokenKind.SCRIPT, closed, text[start + 1 : closed - 1]
    for symbol in SYMBOLS:
        if text.startswith(symbol, start):
            return TokenKind.SYMBOL, start + len(symbol), symbol
    return TokenKind.UNEXPECTED, start + 1, character


def _number(text: str, start: int) -> tuple[TokenKind, int] | None:
    """The longest number at ``start``: ``5days`` is the double ``5d`` and a name, as in Siddhi's lexer."""
    best: tuple[TokenKind, int] | None = None
    for kind, pattern in _NUMBERS:
        match = pattern.match(text, start)
        if match and (best is None or match.end() > best[1]):
            best = kind, match.end()
    return best


def _script_end(text: str, start: int) -> int | None:
    """Where the braces opened at ``start`` are closed; braces in strings and ``//`` comments do not count."""
    depth = 0
    for match in _SCRIPT_PART.finditer(text, start):
        if match.group() == "{":
            depth += 1
        elif match.group() == "}":
            depth -= 1
            if depth == 0:
                return match.end()
    return None
