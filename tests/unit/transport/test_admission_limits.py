from __future__ import annotations

import pytest

from eiha.transport.admission_limits import (
    ADDRESSES_MAX,
    DELAY_MAX_S,
    FAILURES_FREE,
    FORGIVEN_AFTER_S,
    AdmissionBook,
    AdmissionLimits,
    FailedLogins,
    TokenBucket,
)


def test_a_bucket_gives_its_burst_at_once_and_then_its_rate() -> None:
    bucket = TokenBucket(10, 5, 0.0)
    assert [bucket.try_take(1, 0.0) for _ in range(6)] == [True] * 5 + [False]
    assert bucket.try_take(1, 0.1)
    assert not bucket.try_take(1, 0.1)
    assert [bucket.try_take(1, 100.0) for _ in range(6)] == [True] * 5 + [False], "no more than the burst is saved"


def test_a_bucket_that_was_overdrawn_tells_how_long_to_wait() -> None:
    bucket = TokenBucket(10, 5, 0.0)
    bucket.take(25, 0.0)
    assert bucket.wait_s(0.0) == pytest.approx(2.0)
    assert bucket.wait_s(1.5) == pytest.approx(0.5)
    assert bucket.wait_s(2.0) == 0
    assert bucket.wait_s(1.0) == 0, "time that goes back takes nothing back"


@pytest.mark.parametrize(
    ("limits", "addresses", "expected"),
    [
        (AdmissionLimits(connections_max=2), ["a", "b", "c"], "connections-max"),
        (AdmissionLimits(connections_per_address_max=2), ["a", "a", "a"], "connections-per-address"),
        (AdmissionLimits(connections_per_s_max=2), ["a", "a", "a"], "connections-per-second"),
    ],
)
def test_who_is_over_a_bound_is_told_which(limits: AdmissionLimits, addresses: list[str], expected: str) -> None:
    book = AdmissionBook(limits)
    assert [book.admit(address, 0.0) for address in addresses] == ["", "", expected]
    if expected != "connections-max":
        assert book.admit("another", 0.0) == "", "others are not touched by it"
    book.release(addresses[0])
    assert book.admit(addresses[2], 10.0) == ""


def test_without_bounds_everybody_is_admitted_and_nothing_is_remembered_of_who_left() -> None:
    book = AdmissionBook(AdmissionLimits())
    for number in range(1_000):
        assert book.admit(str(number), 0.0) == ""
    for number in range(1_000):
        book.release(str(number))
    assert (book.connections, book._connected) == (0, {})


def test_the_table_of_addresses_is_bounded() -> None:
    book = AdmissionBook(AdmissionLimits(connections_per_s_max=1))
    logins = FailedLogins()
    for number in range(ADDRESSES_MAX + 10):
        book.admit(str(number), 0.0)
        logins.failed(str(number), 0.0)
    assert len(book._rates) == len(logins._failures) == ADDRESSES_MAX


def test_wrong_secrets_are_answered_later_and_later_and_forgiven_in_the_end() -> None:
    logins = FailedLogins()
    delays = [logins.failed("a", float(number)) for number in range(12)]
    assert delays[:FAILURES_FREE] == [0.0] * FAILURES_FREE
    rest = delays[FAILURES_FREE:]
    assert rest == sorted(rest)
    assert rest[0] > 0
    assert rest[-1] == DELAY_MAX_S
    assert logins.failed("b", 11.0) == 0.0
    assert logins.failed("a", 12.0 + FORGIVEN_AFTER_S) == 0.0
