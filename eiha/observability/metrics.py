"""Counters, gauges and histograms, written as Prometheus text (exposition format 0.0.4).

Each node has one ``Registry``; there is no global state, so that two nodes in one process do not mix. Not
thread-safe: values are changed on the event loop only, other threads hand their facts to it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import Final, Protocol, TypeVar

LATENCY_BUCKETS_S: Final = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds in seconds: from an idle pair's answer to a takeover gone wrong."""

LABEL_VALUES_MAX: Final = 1_000
"""Distinct label combinations of one metric; further ones are counted under ``other``, so that no client can make
the node remember names without end."""

LabelValues = tuple[str, ...]


class Metric(Protocol):
    """What the registry needs of a metric."""

    name: str

    def lines(self) -> list[str]:
        """The metric's samples, one a line, without help and type."""


_Metric = TypeVar("_Metric", bound=Metric)


class Counter:
    """A number that only grows, by label values."""

    __slots__ = ("_labels", "_values", "name")

    def __init__(self, name: str, labels: LabelValues = ()) -> None:
        self.name = name
        self._labels = labels
        self._values: dict[LabelValues, float] = {} if labels else {(): 0}

    def add(self, amount: float, *labels: str) -> None:
        """Grow by ``amount``, which must not be negative."""
        assert amount >= 0
        assert len(labels) == len(self._labels)
        key = _bounded(self._values, labels)
        self._values[key] = self._values.get(key, 0) + amount

    def value(self, *labels: str) -> float:
        """What was counted so far."""
        return self._values.get(labels, 0)

    def by_labels(self) -> dict[LabelValues, float]:
        """All that was counted, by label values."""
        return dict(self._values)

    def total(self) -> float:
        """The sum over all label values."""
        return sum(self._values.values())

    def lines(self) -> list[str]:
        """The samples."""
        return [f"{self.name}{_labels(self._labels, key)} {_number(value)}" for key, value in self._values.items()]


class Gauge:
    """A number that goes up and down, by label values; or one that is read when asked (``read_from``)."""

    __slots__ = ("_labels", "_read", "_values", "name")

    def __init__(self, name: str, labels: LabelValues = ()) -> None:
        self.name = name
        self._labels = labels
        self._values: dict[LabelValues, float] = {}
        self._read: Callable[[], float] | None = None

    def set(self, value: float, *labels: str) -> None:
        """The value from now on."""
        assert len(labels) == len(self._labels)
        self._values[_bounded(self._values, labels)] = value

    def read_from(self, source: Callable[[], float]) -> None:
        """Take the value from ``source`` each time the metrics are read."""
        assert not self._labels
        self._read = source

    def value(self, *labels: str) -> float:
        """The value now."""
        return self._read() if self._read is not None else self._values.get(labels, 0)

    def lines(self) -> list[str]:
        """The samples."""
        if self._read is not None:
            self._values[()] = self._read()
        return [f"{self.name}{_labels(self._labels, key)} {_number(value)}" for key, value in self._values.items()]


class Histogram:
    """How often values fell into buckets; ``bounds`` are inclusive upper bounds, ascending."""

    __slots__ = ("_bounds", "_counts", "_sum", "name")

    def __init__(self, name: str, bounds: tuple[float, ...] = LATENCY_BUCKETS_S) -> None:
        assert list(bounds) == sorted(bounds)
        self.name = name
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        """Count ``value``."""
        self._counts[bisect_left(self._bounds, value)] += times
        self._sum += value * times

    @property
    def count(self) -> int:
        """Values counted."""
        return sum(self._counts)

    def quantile(self, fraction: float) -> float:
        """Upper bound of the bucket that holds the quantile; 0 when nothing was counted."""
        rank = fraction * self.count
        below = 0
        for bound, count in zip((*self._bounds, float("inf")), self._counts, strict=True):
            below += count
            if count and below >= rank:
                return bound
        return 0.0

    def lines(self) -> list[str]:
        """The samples."""
        found = []
        below = 0
        for bound, count in zip((*self._bounds, float("inf")), self._counts, strict=True):
            below += count
            text = "+Inf" if bound == float("inf") else _number(bound)
            found.append(f'{self.name}_bucket{{le="{text}"}} {below}')
        return [*found, f"{self.name}_sum {_number(self._sum)}", f"{self.name}_count {below}"]


class Registry:
    """All metrics of one node."""

    def __init__(self) -> None:
        self._metrics: dict[str, tuple[str, str, Metric]] = {}

    def counter(self, name: str, help_text: str, labels: LabelValues = ()) -> Counter:
        """A new counter; its name ends with ``_total``."""
        assert name.endswith("_total")
        return self._add("counter", help_text, Counter(name, labels))

    def gauge(self, name: str, help_text: str, labels: LabelValues = ()) -> Gauge:
        """A new gauge."""
        return self._add("gauge", help_text, Gauge(name, labels))

    def histogram(self, name: str, help_text: str, bounds: tuple[float, ...] = LATENCY_BUCKETS_S) -> Histogram:
        """A new histogram; its name ends with its unit."""
        return self._add("histogram", help_text, Histogram(name, bounds))

    def names(self) -> tuple[tuple[str, str, str], ...]:
        """Name, type and help of each metric, for the documentation and its test."""
        return tuple((name, kind, help_text) for name, (kind, help_text, _) in self._metrics.items())

    def render(self) -> str:
        """Everything, as Prometheus reads it."""
        lines: list[str] = []
        for name, (kind, help_text, metric) in self._metrics.items():
            lines.append(f"# HELP {name} {_escape_help(help_text)}")
            lines.append(f"# TYPE {name} {kind}")
            lines.extend(metric.lines())
        return "\n".join(lines) + "\n"

    def _add(self, kind: str, help_text: str, metric: _Metric) -> _Metric:
        assert metric.name not in self._metrics, metric.name
        self._metrics[metric.name] = (kind, help_text, metric)
        return metric


def _bounded(values: dict[LabelValues, float], labels: LabelValues) -> LabelValues:
    if labels in values or len(values) < LABEL_VALUES_MAX:
        return labels
    return ("other",) * len(labels)


def _labels(names: LabelValues, values: LabelValues) -> str:
    if not names:
        return ""
    inner = ",".join(f'{name}="{_escape(value)}"' for name, value in zip(names, values, strict=True))
    return "{" + inner + "}"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _escape_help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
