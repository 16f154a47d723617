"""Metrics: `exposition` has the whole, `family` how one is declared; the other modules are one topic each."""

from vso.app.metrics.exposition import CONTENT_TYPE, Metrics

__all__ = ["CONTENT_TYPE", "Metrics"]
