from __future__ import annotations

import pytest

from eiha.observability.metrics import LABEL_VALUES_MAX, Registry
from eiha.observability.node_metrics import NodeMetrics


def test_a_counter_is_written_with_help_type_and_labels() -> None:
    registry = Registry()
    counter = registry.counter("eiha_x_total", "What x is.", ("stream",))
    counter.add(2, "a")
    counter.add(3, "a")
    counter.add(1, 'b"\\\n')
    assert registry.render() == (
        "# HELP eiha_x_total What x is.\n# TYPE eiha_x_total counter\n"
        'eiha_x_total{stream="a"} 5\neiha_x_total{stream="b\\"\\\\\\n"} 1\n'
    )
    assert counter.total() == 6


def test_a_counter_without_labels_is_there_before_it_counts() -> None:
    registry = Registry()
    registry.counter("eiha_x_total", "X.")
    assert "eiha_x_total 0\n" in registry.render()


def test_a_counter_cannot_shrink() -> None:
    with pytest.raises(AssertionError):
        Registry().counter("eiha_x_total", "X.").add(-1)


def test_label_values_are_bounded() -> None:
    counter = Registry().counter("eiha_x_total", "X.", ("stream",))
    for number in range(LABEL_VALUES_MAX + 10):
        counter.add(1, str(number))
    assert counter.value("other") == 10
    assert counter.total() == LABEL_VALUES_MAX + 10


def test_a_gauge_can_be_read_when_asked() -> None:
    registry = Registry()
    values = iter([1.5, 2.0])
    registry.gauge("eiha_x", "X.").read_from(lambda: next(values))
    assert registry.render().endswith("eiha_x 1.5\n")
    assert registry.render().endswith("eiha_x 2\n")


def test_a_histogram_counts_cumulatively() -> None:
    registry = Registry()
    histogram = registry.histogram("eiha_x_seconds", "X.", (0.1, 1.0))
    for value in (0.1, 0.5, 2.0):
        histogram.observe(value)
    assert registry.render().splitlines()[2:] == [
        'eiha_x_seconds_bucket{le="0.1"} 1',
        'eiha_x_seconds_bucket{le="1"} 2',
        'eiha_x_seconds_bucket{le="+Inf"} 3',
        "eiha_x_seconds_sum 2.6",
        "eiha_x_seconds_count 3",
    ]


def test_a_quantile_is_the_bound_of_its_bucket() -> None:
    histogram = Registry().histogram("eiha_x_seconds", "X.", (0.1, 1.0))
    assert histogram.quantile(0.5) == 0
    histogram.observe(0.05, times=98)
    histogram.observe(0.5)
    histogram.observe(5.0)
    assert histogram.quantile(0.5) == 0.1
    assert histogram.quantile(0.99) == 1.0
    assert histogram.quantile(1.0) == float("inf")


def test_no_two_metrics_share_a_name() -> None:
    registry = Registry()
    registry.gauge("eiha_x", "X.")
    with pytest.raises(AssertionError):
        registry.gauge("eiha_x", "X.")


def test_every_metric_of_a_node_has_a_prefix_and_a_sentence() -> None:
    names = NodeMetrics().registry.names()
    assert all(name.startswith("eiha_") and text.endswith(".") for name, _, text in names)
    assert {"eiha_epoch", "eiha_role", "eiha_failover_cover", "eiha_events_acked_total"} <= {
        name for name, _, _ in names
    }


def test_a_plan_that_is_gone_holds_no_strings() -> None:
    metrics = NodeMetrics()
    metrics.tell_strings({"p": 3, "q": 4})
    metrics.tell_strings({"q": 5})
    lines = metrics.registry.render().splitlines()
    told = [line for line in lines if line.startswith("eiha_plan_strings")]
    assert told == ['eiha_plan_strings{plan="p"} 0', 'eiha_plan_strings{plan="q"} 5']
