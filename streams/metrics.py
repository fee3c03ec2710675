"""Every Prometheus metric of tocsin, bound to a registry that is passed in.

Base units, ``_total`` for counters, and only closed label sets: topic names come from the settings, stages
and states from the records, never anything from a document.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

# One inference batch takes 5 ms (short texts, GPU) to a few seconds (long texts, two cores).
INFERENCE_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# Broker timestamp to acknowledged output: a second is good, a minute means lag, an hour a backlog.
END_TO_END_BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
# Token budgets make batches of 2 to a few hundred documents.
BATCH_BUCKETS: Final = (2, 4, 8, 16, 32, 64, 128, 256, 512)

# The grace for late documents is a minute by default; an hour means a backlog, more a replay of the past.
DELAY_BUCKETS: Final = (5.0, 15.0, 30.0, 60.0, 75.0, 90.0, 120.0, 180.0, 300.0, 900.0, 3600.0)
# A near server takes tens of milliseconds, one that drips is cut off at feeds.timeout_seconds.
FEED_BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 60.0)


@dataclass(frozen=True)
class Metrics:
    """The metrics of one process. Build one per registry; a second on the same registry is an error."""

    registry: CollectorRegistry
    records_in: Counter
    records_scored: Counter
    dead_letters: Counter
    lag: Gauge
    batch_documents: Histogram
    inference_seconds: Histogram
    slab_seconds: Histogram
    end_to_end_seconds: Histogram
    commits: Counter
    observations: Counter
    late_documents: Counter
    series: Gauge
    series_refused: Counter
    watermark: Gauge
    snapshots: Counter
    alerts: Counter
    alert_delay: Histogram
    notifications: Counter
    alert_feedback: Counter
    annotations: Counter
    annotation_seconds: Histogram
    outbox_pending: Gauge
    outbox_oldest_seconds: Gauge
    release: Info
    release_moves: Counter
    compared: Counter
    differing: Counter
    drift_statistic: Gauge
    drift_threshold: Gauge
    drift_alarms: Counter
    drift_documents: Counter
    drift_skipped: Counter
    drift_samples: Counter
    expected_accuracy: Gauge
    feed_polls: Counter
    feed_documents: Counter
    feed_received: Counter
    feed_seconds: Histogram
    feeds: Gauge
    archive_documents: Counter
    archive_alerts: Counter
    archive_pruned: Counter
    archive_stored: Gauge
    archive_bytes: Gauge
    archive_lag: Gauge
    archive_batch_seconds: Histogram

    @classmethod
    def bind(cls, registry: CollectorRegistry, core_hour: float = 0.0) -> Metrics:
        """Register every metric on ``registry``; ``core_hour`` is the price of one core for one hour."""

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"tocsin_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"tocsin_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(f"tocsin_{name}", text, buckets=buckets, registry=registry)

        scored = counter("records_scored", "Documents scored and acknowledged by the broker.", "topic")
        registry.register(_Cost(scored, core_hour))
        return cls(
            registry=registry,
            records_in=counter("records_in", "Input records read.", "topic"),
            records_scored=scored,
            dead_letters=counter("dead_letters", "Records sent to a dead-letter topic.", "topic", "stage"),
            lag=gauge("lag_records", "Records behind the end of a source partition.", "topic", "partition"),
            batch_documents=histogram("batch_documents", "Documents in an inference batch.", BATCH_BUCKETS),
            inference_seconds=histogram("inference_seconds", "In the model for one batch.", INFERENCE_BUCKETS),
            slab_seconds=histogram("slab_seconds", "A slab's arrival to its last acknowledgement.", END_TO_END_BUCKETS),
            end_to_end_seconds=histogram(
                "end_to_end_seconds", "A record's broker timestamp to its acknowledged output.", END_TO_END_BUCKETS
            ),
            commits=counter("commits", "Offset commits.", "role"),
            observations=counter("observations", "Observations applied by the watcher."),
            late_documents=counter("late_documents", "Came behind the watermark and corrected their window."),
            series=gauge("series", "Series watched.", "partition"),
            series_refused=counter("series_refused", "Observations of series beyond watch.max_series."),
            watermark=gauge(
                "watermark_timestamp_seconds", "Event time up to which a watcher has counted.", "partition"
            ),
            snapshots=counter("snapshots", "Snapshots of the watch state."),
            alerts=counter("alerts", "Alert transitions.", "state", "severity"),
            alert_delay=histogram(
                "alert_delay_seconds", "The end of the window that rang to its alert, acknowledged.", DELAY_BUCKETS
            ),
            notifications=counter("notifications", "Deliveries to a sink.", "sink", "outcome"),
            alert_feedback=counter("alert_feedback", "What people said of alerts.", "verdict"),
            annotations=counter("annotations", "Alerts told again with what a model says of them.", "verdict"),
            annotation_seconds=histogram(
                "annotation_seconds", "An alert read to its annotation acknowledged.", END_TO_END_BUCKETS
            ),
            outbox_pending=gauge("outbox_pending", "Deliveries waiting in the outbox.", "sink"),
            outbox_oldest_seconds=gauge("outbox_oldest_seconds", "Age of the oldest waiting delivery.", "sink"),
            release=Info("tocsin_release", "The release that scores, its provider and precision.", registry=registry),
            release_moves=counter("release_moves", "Releases swapped in, refused, or backed out.", "outcome"),
            compared=counter("compared_documents", "Also read by the release beside (previous, candidate).", "role"),
            differing=counter(
                "compared_differing", "Of those, where the other release names another winner.", "role", "head"
            ),
            drift_statistic=gauge("drift_statistic", "Of a drift detector, in its own units.", "stream", "detector"),
            drift_threshold=gauge("drift_threshold", "Above which it alarms.", "stream", "detector"),
            drift_alarms=counter("drift_alarms", "Alarms of a drift detector.", "stream", "detector"),
            drift_documents=counter("drift_documents", "Documents heard by the drift detectors.", "stream"),
            drift_skipped=counter("drift_skipped", "Documents that the drift detectors had no time for.", "stream"),
            drift_samples=counter("drift_samples", "Documents sent to be labelled.", "stream", "slice"),
            expected_accuracy=gauge(
                "expected_accuracy",
                "Mean calibrated confidence of late: what a head should be right by.",
                "stream",
                "head",
            ),
            feed_polls=counter("feed_polls", "Looks at feeds.", "outcome"),
            feed_documents=counter("feed_documents", "Documents of feeds that the broker has."),
            feed_received=counter("feed_received_bytes", "Received of feeds, as packed."),
            feed_seconds=histogram("feed_seconds", "One look at a feed, from the request on.", FEED_BUCKETS),
            feeds=gauge("feeds", "Feeds that are read, by how the last look at them ended.", "state"),
            archive_documents=counter("archive_documents", "Scored documents brought to the archive.", "outcome"),
            archive_alerts=counter("archive_alerts", "Alert transitions kept in the archive."),
            archive_pruned=counter("archive_pruned_documents", "Forgotten by the archive.", "reason"),
            archive_stored=gauge("archive_stored_documents", "In the archive."),
            archive_bytes=gauge("archive_bytes", "In use of the archive's file."),
            archive_lag=gauge("archive_lag_records", "Records that the archive has yet to read.", "topic", "partition"),
            archive_batch_seconds=histogram("archive_batch_seconds", "To keep a batch.", END_TO_END_BUCKETS),
        )

    def partition_left(self, partition: str) -> None:
        """Tell no more of a watcher's ``partition``: another worker does."""
        self.series.remove(partition)
        self.watermark.remove(partition)


class _Cost(Collector):
    """Core-seconds of this process, and what a million documents cost at the configured price."""

    def __init__(self, scored: Counter, core_hour: float) -> None:
        self._scored = scored
        self._core_hour = core_hour

    def describe(self) -> Iterator[Metric]:
        return iter(())  # the registry asks at registration, when there is nothing to collect yet

    def collect(self) -> Iterator[Metric]:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        seconds = usage.ru_utime + usage.ru_stime
        scored = sum(s.value for m in self._scored.collect() for s in m.samples if s.name.endswith("_total"))
        yield CounterMetricFamily("tocsin_core_seconds", "Processor time used by this process.", value=seconds)
        if scored:
            per_million = seconds / scored * 1e6
            cost = per_million / 3600 * self._core_hour
            yield GaugeMetricFamily(
                "tocsin_core_seconds_per_million_documents", "Since the start of this process.", value=per_million
            )
            yield GaugeMetricFamily("tocsin_cost_per_million_documents", "At the configured price.", value=cost)
