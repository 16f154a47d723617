"""Metrics: `exposition` has the whole, `family` how one is declared; the other modules are one topic each."""

from vso.app.metrics.exposition import CONTENT_TYPE, Metrics
from vso.app.metrics.objects import Reckoning
from vso.app.metrics.runtime import RuntimeMetrics

__all__ = ["CONTENT_TYPE", "Metrics", "Reckoning", "RuntimeMetrics"]
