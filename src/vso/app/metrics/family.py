"""How metrics are declared: name, help and labels once, and series that go with what they name.

What is told to a metric as it happens is kept by the library, which any thread may read. What is asked for at a scrape
belongs to the event loop, so it is in a registry of its own.

The library's counters insist on names with ``_total`` and on a second series with the time of creation; `plain` is for
names of the original that have no suffix.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeVar

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

M = TypeVar("M", Counter, Gauge, Histogram)

DURATIONS: Final = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5),
    *(0.6, 0.7, 0.8, 0.9, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5, 6, 7, 8, 9, 10),
)
"""Buckets of durations, in seconds (operations.md section 2.1)."""
LONG_DURATIONS: Final = (*DURATIONS, 15, 20, 25, 30, 40, 50, 60)
FEW: Final = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Buckets where many label values would make many series."""
WAITS: Final = tuple(1e-8 * 10**n for n in range(12))

prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]


class Declared(NamedTuple):
    """What is known of a metric before it has a series."""

    name: str
    type: str
    text: str
    labels: tuple[str, ...] = ()


class Families:
    """Declares metrics, and removes their series; `declared` lists them.

    Those in `told` may be collected in any thread, those in `asked` on the event loop alone.
    """

    def __init__(self) -> None:
        self.told: Final = CollectorRegistry()
        self.asked: Final = CollectorRegistry()
        self.declared: Final[list[Declared]] = []
        self._labelled: list[tuple[tuple[str, ...], Counter | Gauge | Histogram]] = []

    def scrape(self) -> Collector:
        """All of them: what is asked for as of now, so call it on the event loop; to be collected in any thread."""
        return _Scrape(self.told, tuple(self.asked.collect()))

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        """A counter; `name` ends in ``_total``."""
        self.declared.append(Declared(name, "counter", text, labels))
        return self._kept(Counter(name, text, labels, registry=self.told), labels)

    def gauge(self, name: str, text: str, *labels: str) -> Gauge:
        """A gauge that is set when something happens."""
        self.declared.append(Declared(name, "gauge", text, labels))
        return self._kept(Gauge(name, text, labels, registry=self.told), labels)

    def histogram(self, name: str, text: str, *labels: str, buckets: Sequence[float] = DURATIONS) -> Histogram:
        """A histogram of seconds."""
        self.declared.append(Declared(name, "histogram", text, labels))
        return self._kept(Histogram(name, text, labels, registry=self.told, buckets=buckets), labels)

    def constant(self, name: str, text: str, **labels: str) -> None:
        """A gauge that is 1 for ever and tells by its labels."""
        self.declared.append(Declared(name, "gauge", text, tuple(labels)))
        Gauge(name, text, tuple(labels), registry=self.told).labels(**labels).set(1)

    def read(self, name: str, text: str, value: Callable[[], float]) -> None:
        """A gauge that is asked for at each scrape."""
        self.declared.append(Declared(name, "gauge", text))
        Gauge(name, text, registry=self.asked).set_function(value)

    def series(self, name: str, text: str, *labels: str) -> Gauge:
        """A gauge each of whose series is asked for at each scrape, by the function that it is given."""
        self.declared.append(Declared(name, "gauge", text, labels))
        return Gauge(name, text, labels, registry=self.asked)

    def plain(self, name: str, text: str, value: Callable[[], float]) -> None:
        """A count whose name has no suffix, asked for at each scrape; of the type ``untyped``."""
        self.declared.append(Declared(name, "untyped", text))
        self.asked.register(_Asked(Metric(name, text, "unknown"), name, value))

    def total(self, name: str, text: str, value: Callable[[], float]) -> None:
        """A counter, `name` ending in ``_total``, that is asked for at each scrape."""
        self.declared.append(Declared(name, "counter", text))
        self.asked.register(_Asked(Metric(name.removesuffix("_total"), text, "counter"), name, value))

    def forget(self, label: str, gone: Collection[str]) -> None:
        """Remove all series whose `label` is among `gone`; in one pass, however many these are."""
        for names, metric in self._labelled:
            if label in names:
                at = names.index(label)
                for values in _series(metric, names):
                    if values[at] in gone:
                        metric.remove(*values)

    def _kept(self, metric: M, labels: tuple[str, ...]) -> M:
        self._labelled.append((labels, metric))
        return metric


def _series(metric: Collector, names: Iterable[str]) -> Iterable[tuple[str, ...]]:
    """The label values of each series of `metric`, in the order of `names`."""
    return {tuple(sample.labels[name] for name in names) for family in metric.collect() for sample in family.samples}


@dataclass(frozen=True, slots=True)
class _Scrape(Collector):
    """What is still to be collected, and what was already."""

    told: Collector
    asked: tuple[Metric, ...]

    def collect(self) -> Iterator[Metric]:
        yield from self.told.collect()
        yield from self.asked


class _Asked(Collector):
    """One sample without labels in a family like `empty`."""

    def __init__(self, empty: Metric, sample: str, value: Callable[[], float]) -> None:
        self._empty, self._sample, self._value = empty, sample, value

    def collect(self) -> Iterable[Metric]:
        family = Metric(self._empty.name, self._empty.documentation, self._empty.type)
        family.add_sample(self._sample, {}, self._value())
        return (family,)
