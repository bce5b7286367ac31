from __future__ import annotations

import pytest

from eiha.errors import ConfigurationError
from eiha.ha.policy import Policy


def test_the_defaults_fit_together() -> None:
    assert Policy().failure_timeout_ms == 1_000


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"failure_timeout_ms": 299}, "failure_timeout_ms"),
        ({"link_closed_grace_ms": 1_001}, "link_closed_grace_ms"),
        ({"cold_start_wait_ms": 999}, "cold_start_wait_ms"),
        ({"tick_ms": 0}, "tick_ms"),
        ({"tick_ms": 101}, "tick_ms"),
        ({"witness_retry_ms": 2_000}, "witness_retry_ms"),
        ({"entry_bytes_max": 0}, "entry_bytes_max"),
        ({"entry_bytes_max": 17 << 20}, "entry_bytes_max"),
        ({"append_bytes_max": 33 << 20}, "append_bytes_max"),
        ({"log_tail_bytes": 1 << 40}, "log_tail_bytes"),
        ({"inflight_entries_max": 0}, "inflight_entries_max"),
        ({"digest_interval_entries": 0}, "digest_interval_entries"),
    ],
)
def test_values_that_contradict_one_another_are_refused_by_name(values: dict[str, int], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        Policy(**values)
