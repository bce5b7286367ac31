from eiha.siddhiql.diagnostics import did_you_mean, excerpt, semantic_error, unsupported
from eiha.siddhiql.span import NO_SPAN, Span


def test_an_excerpt_shows_the_line_with_carets_below_what_is_meant() -> None:
    text = "one\n\ttwo three\nfour"
    assert excerpt(text, Span(2, 5, 9, 14)) == "     two three\n         ^^^^^"


def test_what_spans_lines_is_marked_to_the_end_of_the_first() -> None:
    assert excerpt("ab cd\nef", Span(1, 3, 3, 8)) == "    ab cd\n       ^^"


def test_an_unknown_place_has_no_excerpt() -> None:
    assert excerpt("text", NO_SPAN) == ""


def test_a_near_name_is_proposed_whatever_its_case_and_a_far_one_is_not() -> None:
    assert did_you_mean("PRISE", ["price", "symbol"]) == "; did you mean 'price'?"
    assert did_you_mean("volume", ["price", "symbol"]) == ""
    assert did_you_mean("price", ["price"]) == ""


def test_errors_carry_line_column_and_excerpt() -> None:
    error = semantic_error("from S", Span(1, 5, 5, 6), "there is no stream 'S'")
    assert str(error) == "line 1, column 5: there is no stream 'S'\n    from S\n         ^"
    assert unsupported("x", Span(1, 0, 0, 1), "window.session").construct == "window.session"
