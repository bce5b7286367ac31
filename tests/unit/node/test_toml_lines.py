from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from eiha.node.toml_lines import find_lines


def test_keys_and_tables_are_found_where_they_stand() -> None:
    text = 'a = 1\n[t]\nb = 2\n[t."x y"]\nc.d = 3 # [no]\n[[list]]\ne = 4\n'
    assert find_lines(text) == {
        ("a",): 1,
        ("t",): 2,
        ("t", "b"): 3,
        ("t", "x y"): 4,
        ("t", "x y", "c", "d"): 5,
        ("list",): 6,
        ("list", "e"): 7,
    }


def test_values_over_several_lines_hide_nothing_that_follows() -> None:
    text = 'a = [\n  "b = 1 ]", # ]\n  { c = 2 },\n]\ns = """\n[t]\nd = 1\n"""\nq = \'\'\'x = """\'\'\'\nlast = 1\n'
    assert find_lines(text) == {("a",): 1, ("s",): 5, ("q",): 9, ("last",): 10}


def test_an_escaped_quote_does_not_end_a_string() -> None:
    assert find_lines('a = "x\\" ["\nb = 1\n') == {("a",): 1, ("b",): 2}


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.text("\"'[]{}#=\\\n x", max_size=12)), max_size=6))
def test_every_key_that_tomllib_finds_has_a_line(pairs: list[tuple[str, str]]) -> None:
    lines = []
    for index, (name, value) in enumerate(pairs):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        lines.append(f'{name}{index} = "{escaped}"')
    text = "\n".join(lines)
    found = find_lines(text)
    assert list(found) == [(name,) for name in tomllib.loads(text)]
    assert list(found.values()) == list(range(1, len(pairs) + 1))
