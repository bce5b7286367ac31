"""A place in the tokens, and what was tried there: the ground under every parse function.

Each test of a token notes what would have been valid. The error of a failed parse is the one at the farthest token
that any attempt reached, with everything noted there, so trying alternatives costs nothing in clarity.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NoReturn, TypeVar

from eiha.errors import PlanSyntaxError
from eiha.siddhiql.diagnostics import did_you_mean, syntax_error
from eiha.siddhiql.hints import hint
from eiha.siddhiql.lexer import tokenize
from eiha.siddhiql.span import Span
from eiha.siddhiql.tokens import KEYWORDS, NO_NAMES, Token, TokenKind

T = TypeVar("T")

NESTING_MAX: Final = 60
"""Parentheses, calls, ``not`` and inner queries inside one another: far above any real plan, well below the stack."""

OPERATORS_MAX: Final = 250
"""Operators in one expression: later stages walk the tree, which may be one deep branch, recursively."""


class Mismatch(Exception):
    """This alternative does not fit the tokens; another one may. Never leaves the parser."""


class Cursor:
    """Tokens of ``text`` and a position in them."""

    __slots__ = ("_expected", "_farthest", "_operators", "nesting", "position", "text", "tokens")

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokenize(text)
        self.position = 0
        self.nesting = 0
        self._operators = 0
        self._farthest = 0
        self._expected: list[str] = []

    # --- looking

    @property
    def token(self) -> Token:
        """The next token."""
        return self.tokens[self.position]

    def peek(self, distance: int) -> Token:
        """The token ``distance`` after the next one."""
        return self.tokens[min(self.position + distance, len(self.tokens) - 1)]

    def at_symbol(self, symbol: str) -> bool:
        """Whether the next token is ``symbol``; noted as valid here."""
        if self.token.kind is TokenKind.SYMBOL and self.token.text == symbol:
            return True
        self._note(repr(symbol))
        return False

    def at_keyword(self, word: str) -> bool:
        """Whether the next token is the keyword ``word``; noted as valid here."""
        if self.token.kind is TokenKind.KEYWORD and self.token.value == word:
            return True
        self._note(word)
        return False

    def at_name(self) -> bool:
        """Whether the next token can be a name: a word, most keywords or a name in backticks."""
        kind = self.token.kind
        return kind is TokenKind.NAME or (kind is TokenKind.KEYWORD and self.token.value not in NO_NAMES)

    def symbol_follows(self, symbol: str, distance: int = 1) -> bool:
        """Whether the token ``distance`` ahead is ``symbol``; not noted."""
        token = self.peek(distance)
        return token.kind is TokenKind.SYMBOL and token.text == symbol

    def keyword_follows(self, word: str, distance: int = 1) -> bool:
        """Whether the token ``distance`` ahead is the keyword ``word``; not noted."""
        token = self.peek(distance)
        return token.kind is TokenKind.KEYWORD and token.value == word

    def note_operator(self) -> None:
        """An operator would have been valid here."""
        self._note("an operator")

    # --- taking

    def advance(self) -> Token:
        """Take the next token, whatever it is."""
        token = self.token
        if token.kind is not TokenKind.END:
            self.position += 1
        return token

    def take_symbol(self, symbol: str) -> Token | None:
        """Take ``symbol`` if it is next."""
        return self.advance() if self.at_symbol(symbol) else None

    def take_keyword(self, word: str) -> Token | None:
        """Take the keyword ``word`` if it is next."""
        return self.advance() if self.at_keyword(word) else None

    def take_kind(self, kind: TokenKind) -> Token | None:
        """Take a token of ``kind`` if it is next."""
        if self.token.kind is kind:
            return self.advance()
        self._note(kind.value)
        return None

    def symbol(self, symbol: str) -> Token:
        """Take ``symbol``, which must be next."""
        return self.take_symbol(symbol) or self.fail()

    def keyword(self, word: str) -> Token:
        """Take the keyword ``word``, which must be next."""
        return self.take_keyword(word) or self.fail()

    def kind(self, kind: TokenKind) -> Token:
        """Take a token of ``kind``, which must be next."""
        return self.take_kind(kind) or self.fail()

    def name(self, what: str = "a name") -> Token:
        """Take a name; its ``value`` keeps the case of keywords as written."""
        if not self.at_name():
            self.fail(what)
        return self.word(what)

    def word(self, what: str = "a name") -> Token:
        """Take a name or any keyword; its ``value`` keeps the case of keywords as written."""
        if self.token.kind not in (TokenKind.NAME, TokenKind.KEYWORD):
            self.fail(what)
        token = self.advance()
        if token.kind is TokenKind.KEYWORD:
            return Token(token.kind, token.text, token.text, token.span)
        return token

    # --- alternatives, places, errors

    def first_of(self, *alternatives: Callable[[], T]) -> T:
        """The result of the first alternative that fits; each starts at the same token."""
        start, nesting = self.position, self.nesting
        for alternative in alternatives:
            try:
                return alternative()
            except Mismatch:
                self.position, self.nesting = start, nesting
        raise Mismatch

    def span_from(self, start: Token) -> Span:
        """From ``start`` to the last token taken."""
        end = self.tokens[max(self.position - 1, 0)].span.end
        return Span(start.span.line, start.span.column, start.span.start, max(end, start.span.end))

    def fail(self, *expected: str) -> NoReturn:
        """Give this alternative up; ``expected`` would have been valid here."""
        for what in expected:
            self._note(what)
        if self.position > self._farthest:
            self._farthest, self._expected = self.position, []
        raise Mismatch

    def refuse(self, span: Span, message: str) -> NoReturn:
        """Refuse the text: no other reading of it would be valid."""
        raise syntax_error(self.text, span, message)

    def enter(self) -> None:
        """One level deeper."""
        self.nesting += 1
        if self.nesting > NESTING_MAX:
            self.refuse(self.token.span, f"nested more than {NESTING_MAX} levels deep; split it into several queries")

    def leave(self) -> None:
        """One level up."""
        self.nesting -= 1

    def start_expression(self) -> None:
        """Begin to count operators anew: what follows is no part of the expression before it."""
        self._operators = 0

    def count_operator(self) -> None:
        """One more operator in the expression at hand."""
        self._operators += 1
        if self._operators > OPERATORS_MAX:
            message = f"more than {OPERATORS_MAX} operators in one expression; split it into several queries"
            self.refuse(self.token.span, message)

    def failure(self) -> PlanSyntaxError:
        """The error of a parse that did not fit: at the farthest token that was tried."""
        token = self.tokens[self._farthest]
        expected = sorted(set(self._expected), key=self._expected.index)
        ends = token.kind is TokenKind.END
        message = "the text ends here" if ends else f"{token.text!r} is not valid here"
        message += f"; expected {_one_of(expected)}" if expected else ""
        before = self.tokens[self._farthest - 1] if self._farthest else None
        after = self.tokens[min(self._farthest + 1, len(self.tokens) - 1)]
        advice = hint(before, token, after)
        if not advice and token.kind is TokenKind.NAME and len(token.text) > 1:
            advice = did_you_mean(token.text, [word for word in expected if word in KEYWORDS])
        message += advice
        return syntax_error(self.text, self._end_of_last_token() if ends else token.span, message)

    def _end_of_last_token(self) -> Span:
        """Where a text that ends too early ends, spaces and comments aside."""
        if len(self.tokens) == 1:
            return self.tokens[0].span
        end = self.tokens[-2].span.end
        line_start = self.text.rfind("\n", 0, end) + 1
        return Span(self.text.count("\n", 0, end) + 1, end - line_start, end, end)

    def _note(self, what: str) -> None:
        if self.position > self._farthest:
            self._farthest, self._expected = self.position, []
        if self.position == self._farthest:
            self._expected.append(what)


def _one_of(expected: list[str]) -> str:
    if len(expected) == 1:
        return expected[0]
    return ", ".join(expected[:-1]) + " or " + expected[-1]
