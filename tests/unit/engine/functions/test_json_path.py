"""Where JSONPath leads."""

from __future__ import annotations

from typing import Any

import pytest

from eiha.engine.functions.json_path import compiled, value_at, with_value
from eiha.engine.functions.json_text import NoJson, parsed, text_of

STORE = parsed(
    "{store: {books: [{title: 'A', price: 8.5, tags: []}, {title: 'B', price: 12}, {title: 'C'}], open: true}}"
)


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("$.store.open", [True]),
        ("store.open", [True]),
        ("$['store']['open']", [True]),
        ("$.store.books[0].title", ["A"]),
        ("$.store.books[-1].title", ["C"]),
        ("$.store.books[9].title", []),
        ("$.store.books[*].title", ["A", "B", "C"]),
        ("$.store.books[0,2].title", ["A", "C"]),
        ("$.store.books[:2].title", ["A", "B"]),
        ("$..price", [8.5, 12]),
        ("$.store.books[?(@.price > 10)].title", ["B"]),
        ("$.store.books[?(@.price)].title", ["A", "B"]),
        ("$.store.books[?(@.title == 'A' || @.price == 12)].title", ["A", "B"]),
        ("$.store.books[?(@.title != 'A' && @.price)].title", ["B"]),
        ("$.store.books[0]['title','price']", ["A", 8.5]),
        ("$.nowhere.at.all", []),
    ],
)
def test_a_path_finds_what_it_says(path: str, values: list[Any]) -> None:
    way = compiled(path)
    assert way is not None
    assert way.values(STORE) == values


@pytest.mark.parametrize("path", ["$.a[", "$[?(@.x ~ 1)]", "$.a b", "$.a[(1)]"])
def test_what_is_no_path_is_none(path: str) -> None:
    assert compiled(path) is None


def test_a_changed_copy_leaves_the_document_as_it_was() -> None:
    before = text_of(STORE)
    changed = with_value(STORE, ("store", "books", 1, "price"), lambda value: value + 1)
    assert value_at(changed, ("store", "books", 1, "price")) == 13
    assert text_of(STORE) == before


@pytest.mark.parametrize("text", ["", "{", "[1", "'a", "{a}", "[1] 2", "[" * 300 + "]" * 300, "{'a' 1}", '"\\u12"'])
def test_what_is_no_json_is_told(text: str) -> None:
    with pytest.raises(NoJson):
        parsed(text)
