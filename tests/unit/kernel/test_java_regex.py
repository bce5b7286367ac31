"""Java's regular expressions in Python's spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eiha.kernel.java_regex import compiled, java_replacement, problem


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("a.c", "abc", True), ("a.c", "a\rc", False), ("a[.]c", "abc", False), (r"a\.c", "a.c", True),
        (r"\d+", "12", True), (r"\d+", "\u0661", False), (r"\w+", "\u00e9", False), (r"\p{Alpha}+", "abC", True),
        (r"[\p{Digit}_]+", "1_2", True), (r"\P{Upper}", "a", True), (r"\p{L}+", "\u00e9t\u00e9", True),
        (r"(?<year>\d{4})-\k<year>", "2014-2014", True), (r"(?<=a)b", "b", False), (r"\Qa.b\E.", "a.bc", True),
        ("[a-c[x-z]]+", "ay", True), ("[]a]+", "]a", True), (r"a\h+b", "a \tb", True), (r"a++b", "aab", True),
        (r"(?>a*)b", "aab", True), ("(?i)ABC", "abc", True), (r"x\z", "x", True), (r"\x{1F600}", "\U0001f600", True),
    ],
)  # fmt: skip
def test_a_pattern_matches_as_in_java(pattern: str, text: str, matches: bool) -> None:
    regex = compiled(pattern)
    assert regex is not None
    assert (regex.fullmatch(text) is not None) == matches


@pytest.mark.parametrize("pattern", ["[", "(", "a{2,1}", "[a-z&&[^x]]", r"\p{IsGreek}", "*", "(?<1>a)"])
def test_what_is_no_pattern_or_not_known_is_said(pattern: str) -> None:
    assert compiled(pattern) is None
    assert repr(pattern) in (problem(pattern) or "")


@given(st.text(max_size=20))
def test_any_text_is_a_pattern_or_is_not_and_quoted_it_matches_itself(text: str) -> None:
    assert (compiled(text) is None) == (problem(text) is not None)
    if "\\E" not in text:
        regex = compiled(f"\\Q{text}\\E")
        assert regex is not None
        assert regex.fullmatch(text) is not None


@pytest.mark.parametrize(
    ("java", "result"),
    [("$1-$0", "b-abc"), (r"\$1", "$1"), ("${n}!", "b!"), ("\\\\", "\\"), ("$", None), ("a\\", None), ("$x", None)],
)
def test_replacements_are_javas(java: str, result: str | None) -> None:
    regex = compiled("a(?<n>b)c")
    assert regex is not None
    replacement = java_replacement(java)
    assert (None if replacement is None else regex.sub(replacement, "abc")) == result
