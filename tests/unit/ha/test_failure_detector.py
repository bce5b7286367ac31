from __future__ import annotations

from eiha.ha.failure_detector import FailureDetector
from eiha.ha.policy import Policy
from eiha.kernel.ids import MonotonicMs

POLICY = Policy()


def at(ms: int) -> MonotonicMs:
    return MonotonicMs(ms)


def suspicion(detector: FailureDetector, ms: int) -> str | None:
    return detector.suspicion(at(ms), grace_ms=50, timeout_ms=1_000)


def beat(detector: FailureDetector, ms: int, turns: int) -> None:
    detector.pong(detector.next_nonce(at(ms)))
    detector.ping(turns, at(ms))


def test_a_peer_that_answers_is_there() -> None:
    detector = FailureDetector(POLICY, at(0))
    for ms in range(0, 5_000, 100):
        detector.tick(at(ms))
        beat(detector, ms, ms)
        assert suspicion(detector, ms) is None


def test_silence_for_longer_than_the_timeout_is_suspicious() -> None:
    detector = FailureDetector(POLICY, at(0))
    beat(detector, 0, 1)
    assert suspicion(detector, 1_000) is None
    assert "round trip" in (suspicion(detector, 1_001) or "")


def test_links_without_a_round_trip_for_three_timeouts_are_dead_and_new_ones_are_not() -> None:
    detector = FailureDetector(POLICY, at(0))
    beat(detector, 0, 1)
    assert detector.dead_link(at(3_000)) is None
    assert detector.dead_link(at(3_001)) == "no round trip for 3001 ms"
    detector.restart(at(3_001))
    assert detector.dead_link(at(6_001)) is None


def test_a_late_pong_proves_life_only_at_the_time_its_ping_was_sent() -> None:
    detector = FailureDetector(POLICY, at(0))
    nonce = detector.next_nonce(at(100))
    detector.ping(1, at(2_000))
    detector.pong(nonce)
    assert "round trip" in (suspicion(detector, 2_000) or "")


def test_a_pong_nobody_asked_for_proves_nothing() -> None:
    detector = FailureDetector(POLICY, at(0))
    detector.ping(1, at(2_000))
    detector.pong(99)
    assert suspicion(detector, 2_000) is not None


def test_a_main_loop_that_stands_still_is_suspicious_although_pongs_come() -> None:
    detector = FailureDetector(POLICY, at(0))
    for ms in range(0, 1_200, 100):
        beat(detector, ms, 7)
    assert "main loop" in (suspicion(detector, 1_150) or "")


def test_closed_links_are_suspicious_after_the_grace() -> None:
    detector = FailureDetector(POLICY, at(0))
    detector.links(any_open=False, now_ms=at(10))
    assert suspicion(detector, 59) is None
    assert "closed" in (suspicion(detector, 60) or "")
    detector.links(any_open=True, now_ms=at(61))
    assert suspicion(detector, 70) is None


def test_after_a_pause_of_its_own_the_node_gives_the_peer_a_fresh_start() -> None:
    detector = FailureDetector(POLICY, at(0))
    detector.tick(at(0))
    detector.links(any_open=False, now_ms=at(5))
    assert detector.tick(at(5_000))
    assert suspicion(detector, 5_000) is None
    assert not detector.tick(at(5_010))
    assert suspicion(detector, 5_050) is not None
