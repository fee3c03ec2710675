"""From the watermark passing a minute mark to the alert on its topic, through the real watch role and a broker.

    python tests/bench/latency.py [--series 4000] [--minutes 240] [--pace 0.25] [--kafka]

A watch worker learns two days of calm stories of `--series` entities. Then event time goes on minute by minute,
a message each, `--pace` seconds apart; in every minute some entities that were calm get a dozen negative stories at
once. Their alert is due when the message after that minute moves the watermark past its mark: the latency is from
before that message is sent to the alert received by a consumer, both ways through the broker included. Windows end and
snapshots are taken meanwhile. The broker is the embedded one, or with `--kafka` a real Apache Kafka. Writes JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import threading
import time
from collections.abc import Collection, Iterator
from pathlib import Path

import msgspec
import numpy as np
from confluent_kafka import Consumer, Producer

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from streams import worker
from streams.alerting import Rule
from streams.operate import admin
from streams.operate.embedded import EmbeddedBroker, on_embedded
from streams.records import Alert, Observation, Observations, ObservedDocument, encode
from streams.settings import KafkaSettings, LogSettings, Settings, StreamSettings, WatchSettings, WebSettings
from streams.topics import partition_of
from streams.watch.observations import tick

MINUTE = 60_000
START = 1_704_067_200_000
HISTORY_MINUTES = 2 * 1440
STORIES_EACH = 60
"""Calm stories of each entity in the history: enough that it is no longer cold."""
CRISES, ANGRY = 4, 12
"""Entities that turn in each minute, and the negative stories of each."""
PARTITIONS = 4
SLAB = 512
PATIENCE_SECONDS = 60.0


class Feed:
    """Writes observations messages as a score worker would, for one source partition of the four."""

    def __init__(self, servers: str, topic: str) -> None:
        self._producer = Producer({"bootstrap.servers": servers, "linger.ms": 0})
        self._topic = topic
        self._offset = 0
        for partition in range(PARTITIONS):
            self._send(tick(topic="news", partition=partition, next_offset=0, event_ms=None, partitions=PARTITIONS))

    def tell(self, stories: list[tuple[int, str, bool]], high_ms: int) -> None:
        """One message for each observations partition: (event time, entity, negative), and the time reached."""
        documents: list[list[ObservedDocument]] = [[] for _ in range(PARTITIONS)]
        items: list[list[Observation]] = [[] for _ in range(PARTITIONS)]
        for event_ms, entity, negative in stories:
            series = f"entity:{entity}"
            home = partition_of(series, PARTITIONS)
            items[home].append(Observation(series, len(documents[home]), 0.9 if negative else 0.1, negative))
            name = f"d{self._offset}"
            documents[home].append(
                ObservedDocument(self._offset, event_ms, name, f"Headline {name}", "wire", self._offset + 1)
            )
            self._offset += 1
        first = self._offset - len(stories)
        self._send(
            [
                Observations("news", 0, first, self._offset - 1, high_ms, "r", tuple(some), tuple(seen))
                for some, seen in zip(documents, items, strict=True)
            ]
        )

    def _send(self, messages: list[Observations]) -> None:
        for home, message in enumerate(messages):
            self._producer.produce(self._topic, encode(message), partition=home)
        self._producer.flush(30)


class Ear:
    """Notes when the first word of each incident arrived."""

    def __init__(self, servers: str, topic: str) -> None:
        self.heard: dict[str, float] = {}
        self._consumer = Consumer(
            {"bootstrap.servers": servers, "group.id": "ear", "auto.offset.reset": "earliest", "fetch.wait.max.ms": 10}
        )
        self._consumer.subscribe([topic])
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while not self._stopping.is_set():
            message = self._consumer.poll(0.05)
            if message is not None and message.error() is None:
                now = time.monotonic()
                self.heard.setdefault(msgspec.json.decode(message.value() or b"", type=Alert).series, now)
        self._consumer.close()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()


@contextlib.contextmanager
def broker(real: bool) -> Iterator[str]:
    if not real:
        with EmbeddedBroker() as servers:
            yield servers
        return
    from deploy.kafka.kafka import running

    with tempfile.TemporaryDirectory(prefix="tocsin-bench-kafka-") as data, running(Path(data)) as node:
        yield node.servers


def teach(feed: Feed, series: int, rng: np.random.Generator) -> None:
    """Two days of calm: every story of an entity of its own minute, one in five negative."""
    times = np.sort(rng.integers(0, HISTORY_MINUTES * MINUTE, series * STORIES_EACH))
    entities = rng.permutation(np.repeat(np.arange(series), STORIES_EACH))
    negative = rng.random(len(times)) < 0.2
    stories = [
        (START + int(ms), f"e{entity}", bool(bad)) for ms, entity, bad in zip(times, entities, negative, strict=True)
    ]
    for at in range(0, len(stories), SLAB):
        part = stories[at : at + SLAB]
        feed.tell(part, part[-1][0])


def measured(servers: str, settings: Settings, series: int, minutes: int, pace: float) -> list[float]:
    """Seconds from before the message that passed the mark to the alert received, one per entity that turned."""
    rng = np.random.default_rng(4)
    feed, ear = Feed(servers, settings.topics.observations), Ear(servers, settings.topics.alerts)
    teach(feed, series, rng)
    per_minute = max(1, series * STORIES_EACH // HISTORY_MINUTES)
    turning = [f"e{entity}" for entity in rng.permutation(series)[: CRISES * minutes]]
    due: dict[str, float] = {}
    turned: list[str] = []
    now = START + HISTORY_MINUTES * MINUTE
    for at in range(minutes + 1):
        begun = time.monotonic()
        due |= dict.fromkeys(turned, begun)
        turned = turning[CRISES * at : CRISES * (at + 1)]
        calm = [(now + int(ms), f"e{rng.integers(series)}", False) for ms in rng.integers(0, MINUTE, per_minute)]
        angry = [(now + step * 1000, entity, True) for entity in turned for step in range(ANGRY)]
        now += MINUTE
        # The grace is a minute: with this message the watermark reaches the end of the minute before.
        feed.tell(sorted([*calm, *angry]), now)
        if at == 1:
            # Whatever it was taught is behind it once the first of them rang; their wait is not the watcher's.
            await_all(ear, due)
            due.clear()
        time.sleep(max(0.0, pace - (time.monotonic() - begun)))
    await_all(ear, due)
    ear.stop()
    return [ear.heard[f"entity:{entity}"] - sent for entity, sent in due.items()]


def await_all(ear: Ear, due: Collection[str]) -> None:
    """Wait until each of the entities ``due`` has rung."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while missing := [entity for entity in due if f"entity:{entity}" not in ear.heard]:
        if time.monotonic() > deadline:
            raise SystemExit(f"{len(missing)} of {len(due)} alerts never came: {missing[:5]}")
        time.sleep(0.05)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=1500)
    parser.add_argument("--minutes", type=int, default=240)
    parser.add_argument("--pace", type=float, default=0.25)
    parser.add_argument("--kafka", action="store_true")
    asked = parser.parse_args()
    stopping = threading.Event()
    with broker(asked.kafka) as servers, tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
        settings = Settings(
            brokers=(servers,),
            state_dir=Path(folder),
            streams={"news": StreamSettings(topic="news")},
            rules=(Rule(name="negative-spike", series=("entity",)),),
            watch=WatchSettings(snapshot_seconds=10.0),
            kafka=KafkaSettings(input_partitions=PARTITIONS, observation_partitions=PARTITIONS),
            web=WebSettings(port=0),
            log=LogSettings(level="warning"),
        )
        if not asked.kafka:
            settings = on_embedded(settings, servers)
        admin.create_topics(settings)
        running = threading.Thread(
            target=worker.run, args=(settings, ["watch"]), kwargs={"embedded": not asked.kafka, "stopping": stopping}
        )
        running.start()
        try:
            seconds = measured(servers, settings, asked.series, asked.minutes, asked.pace)
        finally:
            stopping.set()
            running.join(60)
    median, most_of_all = np.quantile(seconds, [0.5, 0.99])
    figures = {
        "broker": "Apache Kafka" if asked.kafka else "embedded",
        "series": asked.series,
        "marks": asked.minutes,
        "alerts": len(seconds),
        "p50_ms": round(1e3 * float(median), 1),
        "p99_ms": round(1e3 * float(most_of_all), 1),
        "longest_ms": round(1e3 * max(seconds), 1),
    }
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
