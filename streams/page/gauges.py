"""The series of the watch-list, the topics and the streams as metrics, for those who look at Grafana.

Labels come from the watch-list, the release's taxonomies and the settings, never from a document: an entity that nobody
listed is on the page, not here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Protocol

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from streams.page.rows import Row
from streams.page.sentiments import MOODS, Mix

MOST_ENTITIES = 200
"""Entities of the watch-list, in its order, that have metrics of their own."""
LABELS: Final = ("kind", "name")


class Measured(Protocol):
    """Where the figures are."""

    @property
    def measured(self) -> Sequence[Row]: ...
    def mix(self, series: str) -> Mix: ...


class SeriesGauges(Collector):
    """What was measured last of each such series."""

    def __init__(self, source: Measured) -> None:
        self._source = source

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        def gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
            return GaugeMetricFamily(f"tocsin_series_{name}", text, labels=(*LABELS, *labels))

        share = gauge("negative_share", "Share of negative stories in the last hour.")
        usual = gauge("usual_share", "Share of negative stories the series is known for.")
        negative = gauge("negative_stories", "Negative stories in the last closed window.")
        low = gauge("usual_low", "Lower end of the usual range of negative stories in it.")
        high = gauge("usual_high", "Upper end of the usual range of negative stories in it.")
        near = gauge("score_ratio", "Score of the open window over the score that rings.")
        rings = gauge("ringing", "Whether an alert of the series stands.")
        documents = gauge("documents", "Documents of the last day of the stream, as scored here.", "sentiment")
        for row in self._source.measured:
            labels = row.name.split(":", 1)
            usual.add_metric(labels, row.usual_share)
            rings.add_metric(labels, row.state in ("ringing", "recovering"))
            if row.share is not None:
                share.add_metric(labels, row.share)
            if row.y:
                negative.add_metric(labels, row.y[-1])
                low.add_metric(labels, row.low[-1])
                high.add_metric(labels, row.high[-1])
            if row.threshold is not None:
                near.add_metric(labels, row.score / row.threshold)
            for mood, count in zip(MOODS, self._source.mix(row.name), strict=True):
                documents.add_metric([*labels, mood], count)
        yield from (share, usual, negative, low, high, near, rings, documents)
