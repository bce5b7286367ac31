"""No decoder does anything but decode or refuse, whatever it is given. ``make fuzz-decoders`` goes on for longer."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.decoders.judge import Misbehaved, Target, judge
from tests.decoders.targets import TARGETS

SLOW = {"http", "plans", "log segments", "questions", "configuration", "plan syntax", "dumps"}


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_nearly_valid_input_is_decoded_or_refused_in_bounded_time_and_memory(target: Target) -> None:
    @settings(
        max_examples=30 if target.name in SLOW else 120,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(st.integers(0, 1 << 40))
    def check(seed: int) -> None:
        judge(target, target.make(random.Random(seed)))

    check()


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_what_the_inputs_are_made_of_is_not_all_refused(target: Target) -> None:
    """Else nothing behind the first check would ever be reached."""
    found = {judge(target, target.make(random.Random(seed))) for seed in range(60)}
    assert True in found


def spin(cpu_s: float) -> None:
    end_s = time.process_time() + cpu_s
    while time.process_time() < end_s:
        pass


@pytest.mark.parametrize(
    ("decode", "expected"),
    [
        (lambda _: {}["missing"], "raised KeyError"),
        (lambda _: bytearray(64 << 20), "MB of memory"),
        (lambda _: spin(1.3), "s for 3 bytes"),
    ],
    ids=["another error", "memory", "time"],
)
def test_a_decoder_that_does_something_else_is_found(decode: object, expected: str) -> None:
    target = Target("planted", lambda _: b"abc", decode, (ValueError,))  # type: ignore[arg-type]
    with pytest.raises(Misbehaved, match=expected):
        judge(target, b"abc")
