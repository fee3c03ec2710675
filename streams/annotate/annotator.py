"""``tocsin annotate``: a process of its own that reads alerts and tells those that first rang again, annotated.

It never delays the bell: the alert has long been delivered. It is a consumer of the alerts topic and writes to it;
what it writes has the alert's id and a transition id that follows from the transition's, so that what is done twice
is one message to everybody. The annotation has a key of its own beside the alert's, so that compaction lets it push
out nothing.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata
from prometheus_client import CollectorRegistry

from models.errors import ModelError, RegistryError
from models.explain import explain
from models.registry import Registry
from models.scorer import Scorer
from streams import logs
from streams.annotate.fetching import Originals
from streams.annotate.judging import Reread, judged, revised, tone, unchanged, wants
from streams.delivery.outputs import partition_by_key
from streams.errors import EXIT_RESTART, BrokerError
from streams.intake import Intake, WatchList
from streams.metrics import Metrics
from streams.offline.scoring import Failed, open_scorer, score_each
from streams.operate.admin import require_topic
from streams.operate.client import broker_errors, kafka_python_options
from streams.records import Alert, Annotation, Document, Explained, Origin, ScoredDocument, WeighedWord, encode
from streams.scored import Reading, scored_documents
from streams.settings import Settings
from streams.topics import series_root
from streams.web import Health, served_beside

EXPLAINED, SHOWN_WORDS = 3, 6
POLL_MS = 500
SCORERS_KEPT = 3
STALL_SECONDS = 300.0
"""One alert may take as long as two releases take to load and a few dozen stories to be fetched and read."""

log = logs.get(__name__)


def run(settings: Settings) -> int:
    """Annotate until SIGTERM or SIGINT; the exit status.

    Raises:
        SettingsError: the port of its pages is taken.
        TopicsError: the alerts topic does not exist.
        ModelError: the release that the settings name cannot be used.
    """
    stopping: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _: stopping.append(got))
    metrics, health = Metrics.bind(CollectorRegistry(), settings.cost.core_hour), Health(STALL_SECONDS)
    web = settings.web.model_copy(update={"port": settings.annotate.port})
    chosen = "port" in settings.annotate.model_fields_set
    try:
        with served_beside(web, metrics.registry, health, chosen=chosen) as port:
            log.info("annotator serves health and metrics", port=port)
            annotate(settings, lambda: bool(stopping), metrics, health)
    except BrokerError as exc:
        log.error("annotator ends, to be restarted", reason=str(exc))
        return EXIT_RESTART
    log.info("annotator stopped")
    return 0


def annotate(settings: Settings, stopped: Callable[[], bool], metrics: Metrics, health: Health) -> None:
    """Read alerts, annotate, send, commit; until ``stopped``.

    Raises:
        TopicsError: the alerts topic does not exist.
        BrokerError: the cluster cannot be reached or refuses.
        ModelError: the release that the settings name cannot be used.
    """
    topic = settings.topics.alerts
    partitions = require_topic(settings, topic)
    health.expect("release", "broker")
    desk = Annotator(settings, metrics)
    health.hold("release")
    health.facts["release"] = desk.release
    options = kafka_python_options(settings, "annotate")
    with broker_errors(settings, "annotating alerts"):
        consumer = KafkaConsumer(
            topic,
            **options,
            group_id=settings.topics.group("annotate"),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_records=1,
            max_poll_interval_ms=600_000,
        )
        producer = KafkaProducer(**options, acks="all")
        health.hold("broker")
        log.info("annotator starts", release=desk.release)
        try:
            while not stopped():
                health.beat()
                for tp, records in consumer.poll(timeout_ms=POLL_MS).items():
                    for record in records:
                        begun = time.monotonic()
                        metrics.records_in.labels(topic).inc()
                        told = desk.take(record.value)
                        if told is not None:
                            home = partition_by_key(told.alert_id.encode(), partitions)
                            key = f"{told.alert_id}:annotation".encode()
                            producer.send(topic, key=key, value=encode(told), partition=home).get(
                                timeout=settings.kafka.delivery_timeout_seconds
                            )
                            metrics.annotation_seconds.observe(time.monotonic() - begun)
                        consumer.commit({tp: OffsetAndMetadata(record.offset + 1, "", -1)})
        finally:
            producer.close()
            consumer.close(autocommit=False)
            desk.close()


class Annotator:
    """From an alert to its annotated revision."""

    def __init__(self, settings: Settings, metrics: Metrics, originals: Originals | None = None) -> None:
        self._settings = settings
        self._metrics = metrics
        self._intake = Intake(settings.intake, WatchList.load(settings.intake.watchlist))
        champion = open_scorer(settings.scoring)
        self.release = champion.release
        self._scorers: dict[str, Scorer] = {champion.release: champion}
        self._originals = originals or Originals(settings, self._intake)

    def close(self) -> None:
        self._originals.close()

    def take(self, value: bytes | None) -> Alert | None:
        """The annotated revision of the alert in ``value``; ``None`` where it wants none or cannot be had."""
        try:
            alert = msgspec.json.decode(value or b"", type=Alert)
        except (ValueError, RecursionError):
            return None
        if not wants(alert):
            return None
        try:
            annotation = self._annotate(alert)
        except ModelError as exc:
            log.warning("alert not annotated", alert=alert.alert_id[:64], reason=str(exc)[:300])
            self._metrics.annotations.labels("failed").inc()
            return None
        self._metrics.annotations.labels(annotation.verdict).inc()
        log.info("alert annotated", alert=alert.alert_id[:64], verdict=annotation.verdict)
        return revised(alert, annotation)

    def _annotate(self, alert: Alert) -> Annotation:
        background = alert.evidence.background
        origins = [exemplar.origin for exemplar in alert.exemplars]
        now = self._scorer(alert.release) or self._scorers[self.release]
        earlier = [release for release in background.releases if release != alert.release]
        if not earlier:
            return unchanged(alert, self._explained(alert, now, self._originals.documents(origins)))
        then = next((scorer for name in reversed(earlier) if (scorer := self._scorer(name)) is not None), None)
        if then is None:
            why = f"the registry no longer has release {' or '.join(earlier)}"
            return Annotation("undecided", why[:300], alert.release)
        documents = self._originals.documents([*background.negative, *background.other, *origins])

        def reread(places: Sequence[Origin]) -> list[Reread]:
            found = [documents[place] for place in places if place in documents]
            return [
                Reread(one, other)
                for one, other in zip(
                    self._tones(now, found, alert.series), self._tones(then, found, alert.series), strict=True
                )
            ]

        return judged(
            alert,
            then.release,
            reread(background.negative),
            reread(background.other),
            reread(origins),
            self._explained(alert, now, documents),
        )

    def _tones(self, scorer: Scorer, documents: Sequence[Document], series: str) -> list[bool | None]:
        reading = Reading.of(scorer, self._settings.streams)

        def join(some: Sequence[Document], scores: Any) -> list[ScoredDocument]:
            return scored_documents(some, scores, reading)

        results = score_each(scorer, documents, join)
        return [None if isinstance(one, Failed) else tone(one, series, scorer.languages) for one in results]

    def _explained(self, alert: Alert, scorer: Scorer, documents: dict[Origin, Document]) -> tuple[Explained, ...]:
        found = []
        for exemplar in alert.exemplars[:EXPLAINED]:
            document = documents.get(exemplar.origin)
            if document is None or not document.heard.strip():
                continue
            span = _span(document, series_root(alert.series))
            weights = explain(scorer, document.heard, span, "negative")
            heaviest = sorted((one for one in weights if one.weight > 0), key=lambda one: (-one.weight, one.start))
            words = [
                WeighedWord(document.heard[one.start : one.end][:60], one.weight) for one in heaviest[:SHOWN_WORDS]
            ]
            found.append(Explained(exemplar.id, tuple(words)))
        return tuple(found)

    def _scorer(self, release: str) -> Scorer | None:
        """The release of that version, loaded; ``None`` where the registry has none that is sound."""
        if release not in self._scorers:
            root = Registry(self._settings.scoring.registry)
            if release not in root.versions():
                return None
            if len(self._scorers) >= SCORERS_KEPT:
                oldest = next(name for name in self._scorers if name != self.release)
                del self._scorers[oldest]
            try:
                self._scorers[release] = open_scorer(self._settings.scoring, release)
            except (RegistryError, ModelError) as exc:
                log.warning("a release cannot be read", release=release[:64], reason=str(exc)[:300])
                return None
        return self._scorers[release]


def _span(document: Document, root: str) -> tuple[int, int] | None:
    """Where ``document`` first names the entity of series ``root``, in what the model reads."""
    kind, _, name = root.partition(":")
    for mention in document.mentions if kind == "entity" else ():
        if mention.id == name and mention.heard_start is not None and mention.heard_end is not None:
            return mention.heard_start, mention.heard_end
    return None
