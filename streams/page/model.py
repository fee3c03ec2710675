"""The model on the page: which releases read, how far they differ, and whether the stream is still what they know.

What a detector says now is this worker's; its alarms come from their topic, so they are everybody's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct
from prometheus_client import Gauge
from prometheus_client.metrics_core import Metric

from streams.lessons import DriftSignal, Shift
from streams.metrics import Metrics
from streams.scoring.serving import Live

SHOWN_SHIFTS = 3
SHOWN_NAME = 80


class Reading(Struct, frozen=True):
    """A release that reads: the one that serves, or one beside it, which judges ``differ`` of the ``documents`` both
    have read otherwise. One that is not ``armed`` brings nothing to compare a stream with."""

    role: str
    release: str
    precision: str
    documents: int = 0
    differ: float | None = None
    armed: bool = True


class Gauged(Struct, frozen=True):
    """What a detector of a stream says now, and how often it alarmed in this worker."""

    stream: str
    detector: str
    statistic: float
    threshold: float
    alarms: int


class Alarmed(Struct, frozen=True):
    """An alarm of a detector, as it stood in its topic."""

    release: str
    stream: str
    detector: str
    calls: str
    documents: int
    event_ms: int
    shifts: tuple[Shift, ...]


def readings(live: Live) -> list[Reading]:
    """The release that serves, then those beside it."""
    serving = live.current
    armed = serving.scorer.reference is not None
    found = [Reading("serves", serving.release, serving.scorer.precision, armed=armed)]
    for role, other in list(live.beside.items()):
        compared = live.comparisons.get(role)
        documents = compared.documents if compared is not None else 0
        differ = round(compared.share("sentiment"), 4) if compared is not None and documents else None
        found.append(Reading(role, other.release, other.scorer.precision, documents, differ))
    return found


def gauged(metrics: Metrics) -> list[Gauged]:
    """Every detector that has said something, by stream."""
    thresholds = _by_labels(metrics.drift_threshold.collect())
    alarms = _by_labels(metrics.drift_alarms.collect())
    return [
        Gauged(stream, detector, round(value, 3), round(thresholds.get((stream, detector), 0.0), 3), int(rang))
        for (stream, detector), value in sorted(_by_labels(metrics.drift_statistic.collect()).items())
        for rang in [alarms.get((stream, detector), 0.0)]
    ]


def heard(metrics: Metrics) -> dict[str, int]:
    """How many documents the detectors heard, by stream."""
    return {stream: int(count) for (stream,), count in _by_labels(metrics.drift_documents.collect()).items()}


def expected(accuracy: Gauge) -> dict[str, dict[str, float]]:
    """What part of its calls a head should be right by, by stream and head."""
    told: dict[str, dict[str, float]] = {}
    for (stream, head), value in sorted(_by_labels(accuracy.collect()).items()):
        told.setdefault(stream, {})[head] = round(value, 3)
    return told


def alarmed(signal: DriftSignal) -> Alarmed:
    """What the page shows of ``signal``, bounded."""
    shifts = tuple(Shift(shift.name[:SHOWN_NAME], shift.usual, shift.now) for shift in signal.shifts[:SHOWN_SHIFTS])
    return Alarmed(
        signal.release[:SHOWN_NAME],
        signal.stream[:SHOWN_NAME],
        signal.detector[:SHOWN_NAME],
        signal.calls,
        signal.documents,
        signal.event_ms,
        shifts,
    )


def _by_labels(families: Iterable[Metric]) -> Mapping[tuple[str, ...], float]:
    return {
        tuple(sample.labels.values()): float(sample.value)
        for family in families
        for sample in family.samples
        if not sample.name.endswith("_created")
    }
