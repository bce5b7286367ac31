import pytest

from eiha.receivers.refusals import unknown_stream


@pytest.mark.parametrize(
    ("known", "text"),
    [
        ([], "no deployed plan defines stream 'Trade'; no plan is deployed"),
        (["X"], "no deployed plan defines stream 'Trade'; there are: X"),
        (["X", "Trades"], "no deployed plan defines stream 'Trade', did you mean 'Trades'? there are: Trades, X"),
    ],
)
def test_an_unknown_stream_is_told_with_what_there_is(known, text):
    assert unknown_stream("Trade", known) == text


def test_a_long_list_is_cut():
    text = unknown_stream("nothing", [f"S{number:03}" for number in range(50)])
    assert text.endswith("S018, S019 and 30 more")
