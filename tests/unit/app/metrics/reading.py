"""Reads samples back from metrics."""

from collections.abc import Iterable

from prometheus_client.core import Metric


def samples(metrics: Iterable[Metric]) -> dict[str, float]:
    """``name{label="value"}`` -> value, labels in the order of their names."""
    return {
        f"{one.name}{{{','.join(f'{name}={value}' for name, value in sorted(one.labels.items()))}}}": one.value
        for metric in metrics
        for one in metric.samples
    }
