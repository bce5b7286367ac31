import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eiha.siddhiql.lexer import tokenize
from eiha.siddhiql.tokens import TokenKind


def kinds(text: str) -> list[tuple[TokenKind, str]]:
    return [(token.kind, token.value) for token in tokenize(text)[:-1]]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("12", TokenKind.INT),
        ("12L", TokenKind.LONG),
        ("1f", TokenKind.FLOAT),
        ("1.5F", TokenKind.FLOAT),
        ("6.02e23f", TokenKind.FLOAT),
        (".25", TokenKind.DOUBLE),
        ("1e2", TokenKind.DOUBLE),
        ("5d", TokenKind.DOUBLE),
        ("1.5E-3", TokenKind.DOUBLE),
    ],
)
def test_the_suffix_and_form_of_a_number_tell_its_type(text: str, kind: TokenKind) -> None:
    assert kinds(text) == [(kind, text)]


def test_the_longest_number_wins_even_where_a_unit_was_meant() -> None:
    assert kinds("5days") == [(TokenKind.DOUBLE, "5d"), (TokenKind.NAME, "ays")]
    assert kinds("5 days") == [(TokenKind.INT, "5"), (TokenKind.KEYWORD, "days")]


def test_keywords_take_any_case_and_names_keep_theirs() -> None:
    assert kinds("SeLect Foo `select`") == [
        (TokenKind.KEYWORD, "select"),
        (TokenKind.NAME, "Foo"),
        (TokenKind.NAME, "select"),
    ]


def test_strings_have_no_escapes() -> None:
    assert kinds(r"'a\nb'") == [(TokenKind.STRING, r"a\nb")]
    assert kinds('"it\'s"') == [(TokenKind.STRING, "it's")]
    assert kinds('"""both \' and "\nover lines"""') == [(TokenKind.STRING, "both ' and \"\nover lines")]
    assert kinds('""') == [(TokenKind.STRING, "")]


@pytest.mark.parametrize("text", ["'a \"b\" c'", "'open", "'over\nlines'", "`open", "{ open", "\f", "\x00", "§"])
def test_what_is_no_token_is_kept_as_an_unexpected_character(text: str) -> None:
    assert any(kind is TokenKind.UNEXPECTED for kind, _ in kinds(text))


def test_nothing_behind_an_unexpected_character_is_read() -> None:
    assert len(tokenize("a {" + "{" * 200_000)) == 3


def test_comments_are_left_out_and_an_open_one_runs_to_the_end() -> None:
    assert kinds("a -- b\nc /* d\ne */ f /* g") == [(TokenKind.NAME, name) for name in "acf"]


def test_braces_within_strings_of_a_script_do_not_end_it() -> None:
    assert kinds('{ a = "}"; // }\n { b } }') == [(TokenKind.SCRIPT, ' a = "}"; // }\n { b } ')]


def test_spans_count_lines_from_1_and_columns_from_0() -> None:
    token = tokenize("a\n  bc")[1]
    assert (token.span.line, token.span.column, token.span.start, token.span.end) == (2, 2, 4, 6)


@given(st.text())
def test_any_text_gives_tokens_in_order_closed_by_the_end(text: str) -> None:
    tokens = tokenize(text)
    assert tokens[-1].kind is TokenKind.END
    assert tokens[-1].span.end == len(text)
    for before, after in itertools.pairwise(tokens):
        assert before.span.end <= after.span.start
    for token in tokens:
        assert text[token.span.start : token.span.end] == token.text
