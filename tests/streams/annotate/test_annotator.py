"""The annotator on the embedded broker: alerts in, one annotated revision each, however often it is started."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from prometheus_client import CollectorRegistry

from streams.annotate.annotator import annotate
from streams.annotate.judging import revision_id
from streams.metrics import Metrics
from streams.operate.admin import create_topics
from streams.operate.client import kafka_python_options
from streams.operate.embedded import EmbeddedBroker, on_embedded
from streams.records import Alert, Background, Evidence, Origin, encode
from streams.settings import ScoringSettings, Settings
from streams.web import Health
from tests.models.tiny import build_tiny_release
from tests.streams.notify.receiving import FIRING, transition

CALM = [f"Acme opens office number {at} in town" for at in range(12)]
ANGRY = [f"Acme reports crash number {at} in town" for at in range(4)]


@pytest.fixture(scope="module")
def embedded_servers() -> Iterator[str]:
    with EmbeddedBroker() as servers:
        yield servers


@pytest.fixture
def settings(embedded_servers: str, tiny_registry: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    registry = tmp_path / "registry"
    shutil.copytree(tiny_registry, registry)
    build_tiny_release(registry, "tiny-0")
    prefix = f"x{abs(hash(request.node.name))}"
    scoring = ScoringSettings(registry=str(registry))
    made = on_embedded(Settings(prefix=prefix, state_dir=tmp_path, scoring=scoring), embedded_servers)
    streams = {"news": made.streams["news"].model_copy(update={"topic": f"{prefix}-news"})}
    made = made.model_copy(update={"streams": streams})
    create_topics(made)
    return made


def published(settings: Settings) -> list[Origin]:
    """The stories, in the input topic."""
    topic = settings.streams["news"].topic
    producer = KafkaProducer(**kafka_python_options(settings), acks="all")
    found = []
    for at, text in enumerate([*CALM, *ANGRY]):
        line = {"text": text, "published_at": f"2026-11-22T07:{at:02}:00Z", "entities": ["Acme"]}
        sent = producer.send(topic, value=json.dumps(line).encode(), partition=0).get(timeout=30)
        found.append(Origin(topic, 0, sent.offset))
    producer.close()
    return found


def alert_on(places: list[Origin], releases: tuple[str, ...], **changes: object) -> Alert:
    exemplars = tuple(
        msgspec.structs.replace(FIRING.exemplars[0], id=f"d{at}", origin=place)
        for at, place in enumerate(places[len(CALM) :])
    )
    background = Background(negative=(), other=tuple(places[: len(CALM)]), releases=releases)
    return transition(
        alert_id="a" * 32,
        series="entity:acme",
        release="tiny",
        share=0.8,
        baseline_share=0.1,
        exemplars=exemplars,
        evidence=Evidence(background=background),
        **changes,
    )


def alerts_on_topic(settings: Settings) -> list[tuple[bytes, int, Alert]]:
    consumer = KafkaConsumer(**kafka_python_options(settings))
    partitions = [TopicPartition(settings.topics.alerts, number) for number in range(4)]
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    ends = consumer.end_offsets(partitions)
    found = []
    while any(consumer.position(tp) < ends[tp] for tp in partitions):
        for tp, records in consumer.poll(timeout_ms=500).items():
            found += [(r.key, tp.partition, msgspec.json.decode(r.value, type=Alert)) for r in records]
    consumer.close()
    return found


def annotated(
    settings: Settings, *alerts: Alert, metrics: Metrics | None = None, health: Health | None = None
) -> list[tuple[bytes, int, Alert]]:
    """What the alerts topic holds once each of ``alerts`` was looked at."""
    producer = KafkaProducer(**kafka_python_options(settings), acks="all")
    for alert in alerts:
        producer.send(settings.topics.alerts, key=alert.alert_id.encode(), value=encode(alert))
    producer.close()
    looked = threading.Event()
    polls = iter(range(100))

    def stopped() -> bool:
        done = sum(alert.revision > 0 for _, _, alert in alerts_on_topic(settings)) >= 1
        if done or next(polls, None) is None:
            looked.set()
        return looked.is_set()

    annotate(settings, stopped, metrics or Metrics.bind(CollectorRegistry()), health or Health())
    return alerts_on_topic(settings)


def test_an_alert_is_told_again_with_a_verdict_and_the_words_that_tell(settings: Settings) -> None:
    first = alert_on(published(settings), ("tiny", "tiny-0"))
    [(_, home, original), (key, partition, revision)] = annotated(settings, first)
    assert (key, partition) == (b"a" * 32 + b":annotation", home)
    assert original.revision == 0
    assert revision.transition_id == revision_id(first.transition_id)
    assert revision.annotation is not None
    assert revision.annotation.verdict == "world", "both releases are one and the same"
    assert revision.annotation.previous == "tiny-0"
    assert revision.annotation.stories == len(CALM)
    assert [word.word for word in revision.annotation.explained[0].words] == ["crash"]
    assert [one.id for one in revision.annotation.explained] == ["d0", "d1", "d2"]


def test_it_counts_its_verdicts_and_is_ready_when_it_can_read(settings: Settings) -> None:
    metrics, health = Metrics.bind(CollectorRegistry()), Health(stall_seconds=1000)
    annotated(settings, alert_on(published(settings), ("tiny",)), metrics=metrics, health=health)
    assert health.ready
    assert health.facts["release"] == "tiny"
    told = metrics.registry.get_sample_value("tocsin_annotations_total", {"verdict": "world"})
    assert told == metrics.registry.get_sample_value("tocsin_annotation_seconds_count") == 1


def test_without_another_release_only_the_world_can_have_moved(settings: Settings) -> None:
    [_, (_, _, revision)] = annotated(settings, alert_on(published(settings), ("tiny",)))
    assert revision.annotation is not None
    assert (revision.annotation.verdict, revision.annotation.previous) == ("world", "tiny")


def test_records_that_are_gone_leave_it_undecided_and_nothing_stops(settings: Settings) -> None:
    gone = [replace_offset(place) for place in published(settings)]
    [_, (_, _, revision)] = annotated(settings, alert_on(gone, ("tiny-0",)))
    assert revision.annotation is not None
    assert (revision.annotation.verdict, revision.annotation.explained) == ("undecided", ())


def replace_offset(place: Origin) -> Origin:
    return msgspec.structs.replace(place, offset=place.offset + 10_000)
