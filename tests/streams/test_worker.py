"""The worker process on the embedded broker: what it exits with, and that a line in is a line out."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer

from models.registry import Registry
from streams import worker
from streams.errors import EXIT_RESTART, EXIT_USAGE
from streams.operate import admin, hints
from streams.operate.embedded import EmbeddedBroker, on_embedded
from streams.settings import KafkaSettings, ScoringSettings, Settings, WatchSettings, WebSettings
from tests.models import altered
from tests.models.tiny import build_tiny_release


@pytest.fixture
def broker() -> Iterator[str]:
    with EmbeddedBroker() as servers:
        yield servers


@pytest.fixture
def settings(broker: str, tiny_registry: Path, tmp_path: Path) -> Settings:
    given = Settings(
        state_dir=tmp_path,
        scoring=ScoringSettings(registry=str(tiny_registry), threads=1),
        watch=WatchSettings(idle_seconds=0.5, snapshot_seconds=1.0),
        web=WebSettings(port=0),
        kafka=KafkaSettings(commit_interval_seconds=0.2),
    )
    return on_embedded(given, broker)


class Running:
    """A worker in a thread, as one who embeds it runs it."""

    def __init__(self, settings: Settings) -> None:
        self._stopping = threading.Event()
        self.status: list[int] = []
        self._thread = threading.Thread(
            target=lambda: self.status.append(worker.run(settings, embedded=True, stopping=self._stopping))
        )
        self._thread.start()

    def stop(self) -> int:
        self._stopping.set()
        self._thread.join(60)
        return self.status[0]


def _read(servers: str, topic: str, enough: Callable[[list[Any]], bool]) -> list[Any]:
    consumer = Consumer({"bootstrap.servers": servers, "group.id": f"test-{topic}", "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    found: list[Any] = []
    deadline = time.monotonic() + 60
    while not enough(found) and time.monotonic() < deadline:
        message = consumer.poll(0.2)
        if message is not None and message.error() is None:
            found.append(message)
    consumer.close()
    return found


def test_what_goes_in_comes_out_scored_observed_or_dead_lettered(settings: Settings, broker: str) -> None:
    admin.create_topics(settings)
    producer = Producer({"bootstrap.servers": broker})
    for n in range(40):
        value = b"{" if n % 10 == 9 else json.dumps({"id": str(n), "text": "fraud at Acme", "entities": ["Acme"]})
        producer.produce("news", value, partition=n % 4)
    assert producer.flush(10) == 0
    running = Running(settings)
    scored = _read(broker, "tocsin.scored.v1", lambda some: len(some) >= 36)
    dead = _read(broker, "tocsin.news.dlq", lambda some: len(some) >= 4)
    heard: set[tuple[str, int]] = set()

    def every_source_was_heard_of(messages: list[Any]) -> bool:
        heard.update((m["topic"], m["partition"]) for m in (json.loads(message.value()) for message in messages[-1:]))
        return len(heard) == 8

    _read(broker, "tocsin.observations.v1", every_source_was_heard_of)
    assert running.stop() == 0
    assert {json.loads(message.value())["id"] for message in scored} == {str(n) for n in range(40) if n % 10 != 9}
    assert len(dead) == 4
    assert heard == {(topic, partition) for topic in ("news", "reviews") for partition in range(4)}


def test_a_running_worker_follows_the_champion_and_turns_back(settings: Settings, broker: str, tmp_path: Path) -> None:
    """No restart, no document without a release; what waits before a hint is an hour, so the hint is what is heard."""
    registry = Registry(tmp_path / "registry")
    registry.promote(build_tiny_release(registry.root).name)
    altered.hotter(registry.root, "hotter")
    scoring = settings.scoring.model_copy(update={"registry": str(registry.root), "refresh_seconds": 3600.0})
    settings = settings.model_copy(update={"scoring": scoring})
    admin.create_topics(settings)
    producer = Producer({"bootstrap.servers": broker})
    moves = iter([lambda: registry.promote("hotter"), registry.rollback, None])
    awaited = iter(["tiny", "hotter", "tiny"])
    wanted = [next(awaited)]

    def come_back(found: list[Any]) -> bool:
        producer.produce("news", b'{"text": "fraud at Acme"}', partition=0)
        producer.poll(0)
        if found and json.loads(found[-1].value())["release"] == wanted[-1]:
            move = next(moves)
            if move is None:
                return True
            hints.tell(settings, "champion", move())
            wanted.append(next(awaited))
        return False

    running = Running(settings)
    found = _read(broker, "tocsin.scored.v1", come_back)
    assert running.stop() == 0
    stamped = [json.loads(message.value())["release"] for message in found]
    assert [name for name, _ in itertools.groupby(stamped)] == ["tiny", "hotter", "tiny"]


def test_missing_topics_need_a_person(settings: Settings) -> None:
    assert worker.run(settings) == EXIT_USAGE


def test_a_release_that_is_not_there_needs_a_person(settings: Settings) -> None:
    admin.create_topics(settings)
    wrong = settings.model_copy(update={"scoring": settings.scoring.model_copy(update={"release": "no-such"})})
    assert worker.run(wrong, ["score"]) == EXIT_USAGE


def test_a_taxonomy_that_the_release_lacks_needs_a_person(settings: Settings) -> None:
    admin.create_topics(settings)
    news = settings.streams["news"].model_copy(update={"taxonomy": "no-such"})
    assert worker.run(settings.model_copy(update={"streams": {**settings.streams, "news": news}})) == EXIT_USAGE


def test_an_absent_broker_is_what_a_restart_may_mend(
    tiny_registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.operate.client.BOOTSTRAP_SECONDS", 0.5)
    away = Settings(brokers=("127.0.0.1:9",), state_dir=tmp_path, scoring=ScoringSettings(registry=str(tiny_registry)))
    assert worker.run(away) == EXIT_RESTART


def test_a_slab_that_cannot_be_delivered_ends_the_process_with_a_request_for_another(
    settings: Settings, broker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(self: Any, outputs: Any) -> None:
        from streams.errors import DeliveryError

        raise DeliveryError("not acknowledged")

    monkeypatch.setattr("streams.delivery.outputs.Outputs.deliver", refuse)
    admin.create_topics(settings)
    producer = Producer({"bootstrap.servers": broker})
    producer.produce("news", b'{"text": "fraud"}', partition=0)
    assert producer.flush(10) == 0
    assert worker.run(settings, ["score"], embedded=True) == EXIT_RESTART


def test_a_port_that_is_taken_needs_a_person(settings: Settings) -> None:
    import socket

    admin.create_topics(settings)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        web = settings.web.model_copy(update={"port": taken.getsockname()[1]})
        assert worker.run(settings.model_copy(update={"web": web}), embedded=True) == EXIT_USAGE
