"""The trainer's metrics, bound to a registry that is passed in. Only closed label sets, as everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from trainer.cycle.agreement import Agreement

# A cycle takes a minute on a GPU and twenty on two cores.
CYCLE_BUCKETS: Final = (10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_200.0, 2_400.0, 3_600.0)
OUTCOMES: Final = ("promoted", "nominated", "refused", "unchanged", "failed")
STAGES: Final = ("waiting", "reading", "learning", "writing", "judging", "promoting")


@dataclass(frozen=True)
class TrainerMetrics:
    """The metrics of one trainer. Build one per registry."""

    registry: CollectorRegistry
    records_in: Counter
    unreadable: Counter
    lag: Gauge
    labels: Counter
    set_aside: Counter
    samples: Gauge
    fresh_labels: Gauge
    gate_rows: Gauge
    memory: Gauge
    people_words: Gauge
    people_right: Gauge
    people_confidence: Gauge
    people_calibration_error: Gauge
    signals: Counter
    cycles: Counter
    promotions: Counter
    checks: Counter
    cycle_seconds: Histogram
    last_cycle: Gauge
    next_cycle: Gauge
    stage: Gauge

    @classmethod
    def bind(cls, registry: CollectorRegistry) -> TrainerMetrics:
        """Register every metric on ``registry``."""

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"tocsin_trainer_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"tocsin_trainer_{name}", text, labels, registry=registry)

        found = cls(
            registry=registry,
            records_in=counter("records_in", "Records taken in.", "topic"),
            unreadable=counter("unreadable", "Records that could not be read.", "topic"),
            lag=gauge("lag_records", "Records behind the end of a topic.", "topic"),
            labels=counter("labels", "Labels that a cycle took to learn from or to judge by.", "source"),
            set_aside=counter("labels_set_aside", "Labels that no cycle uses.", "why"),
            samples=gauge("samples", "Documents held.", "slice"),
            fresh_labels=gauge("fresh_labels", "Labelled documents that no release has learnt."),
            gate_rows=gauge("gate_rows", "Labelled documents held back to judge by.", "set"),
            memory=gauge("memory_rows", "Rows remembered to be rehearsed."),
            people_words=gauge("people_words", "People's words on the sentiment of what was drawn blindly."),
            people_right=gauge("people_right", "Of them, the share in which the champion was right."),
            people_confidence=gauge("people_confidence", "Of them, how sure the champion was in the mean."),
            people_calibration_error=gauge("people_calibration_error", "Of them, expected calibration error."),
            signals=counter("signals", "Drift signals taken in.", "calls"),
            cycles=counter("cycles", "Cycles concluded.", "outcome"),
            promotions=counter("promotions", "Releases made champion."),
            checks=counter("gate_checks", "Checks of verdicts.", "check", "outcome"),
            cycle_seconds=Histogram(
                "tocsin_trainer_cycle_seconds", "A cycle, begun to concluded.", buckets=CYCLE_BUCKETS, registry=registry
            ),
            last_cycle=gauge("last_cycle_timestamp_seconds", "When the last cycle was concluded; 0: never."),
            next_cycle=gauge("cooldown_timestamp_seconds", "No cycle begins before, however much reason there is."),
            stage=gauge("stage", "1 for what the trainer is at.", "stage"),
        )
        for outcome in OUTCOMES:  # a counter that begins at 1 has, to Prometheus, never increased
            found.cycles.labels(outcome)
        found.at("waiting")
        return found

    def agree(self, found: Agreement) -> None:
        """Say how sure and how right the champion is, by people's words."""
        self.people_words.set(found.words)
        self.people_right.set(found.right)
        self.people_confidence.set(found.confidence)
        self.people_calibration_error.set(found.calibration_error)

    def at(self, stage: str) -> None:
        """Say what the trainer is at, one of :data:`STAGES`."""
        for name in STAGES:
            self.stage.labels(name).set(name == stage)
