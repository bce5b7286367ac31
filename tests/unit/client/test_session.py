import asyncio

from hypothesis import given
from hypothesis import strategies as st

from eiha.client.session import Session
from eiha.protocol.client_messages import Publish


def make(sequence, number):
    return Publish(sequence, number, 1, b"")


def filled(sizes):
    session = Session("c")
    for size in sizes:
        session.add("S", size, size * 10, make, [])
    return session


@given(st.lists(st.integers(1, 5), max_size=30), st.lists(st.integers(0, 40), max_size=8))
def test_what_is_unacknowledged_is_always_what_lies_after_the_highest_ack(sizes, acks):
    session = filled(sizes)
    settled = []
    for through in acks:
        settled += [pending.sequence for pending in session.ack(through)]
        highest = min(max([0, *acks[: acks.index(through) + 1]]), len(sizes))
        assert settled == list(range(1, len(settled) + 1))
        assert len(settled) >= highest
        assert len(session) == len(sizes) - len(settled)
        assert session.unacked_rows == sum(sizes[len(settled) :])
        assert session.unacked_bytes == 10 * session.unacked_rows
        assert session.first == len(settled) + 1


def test_thousands_of_settled_publications_are_let_go():
    session = filled([1] * 5_000)
    session.ack(4_000)
    assert len(session._items) == 1_000
    assert session.get(4_001).sequence == session.first == 4_001
    assert session.get(4_000) is session.get(5_001) is None


def test_a_refused_publication_is_a_gap_until_all_before_it_is_settled():
    session = filled([1, 2, 3, 4])
    marked = session.mark_refused(2, whole_stream=False)
    assert [pending.sequence for pending in marked] == [2]
    assert session.mark_refused(2, whole_stream=False) == []
    assert not session.drop_refused()
    assert session.client_id == "c"
    session.ack(1)
    assert session.drop_refused()
    assert session.client_id == "c~2"
    assert [session.get(number).rows for number in (1, 2)] == [3, 4]
    assert (session.unacked_rows, session.first, session.acked_through) == (7, 1, 0)


def test_a_refused_stream_takes_its_later_publications_along_and_no_earlier_ones():
    session = Session("c")
    for stream in ("A", "B", "A", "B", "A"):
        session.add(stream, 1, 1, make, [])
    marked = session.mark_refused(3, whole_stream=True)
    assert [pending.sequence for pending in marked] == [3, 5]
    session.ack(2)
    session.drop_refused()
    assert [session.get(1).stream, session.get(2)] == ["B", None]


def test_draining_gives_everything_back_once():
    async def scenario():
        future = asyncio.get_running_loop().create_future()
        session = Session("c")
        session.add("S", 5, 9, make, [future])
        assert [pending.futures for pending in session.drain()] == [[future]]
        assert session.drain() == []
        assert session.unacked_rows == session.unacked_bytes == 0

    asyncio.run(scenario())
