"""Reads back what the line writes, with a Kafka client and counting of its own, as any consumer of it would."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaError, TopicPartition

from streams.demo.verdict import Tally
from streams.errors import BrokerError
from streams.records import Alert
from streams.settings import Settings

BATCH = 500
POLL_SECONDS = 0.2

_alerts = msgspec.json.Decoder(Alert)


def following(settings: Settings, topics: Iterable[str]) -> Any:
    """A consumer of all that is in ``topics``, from their beginning."""
    consumer: Any = Consumer(
        {
            "bootstrap.servers": ",".join(settings.brokers),
            "group.id": settings.topics.group("demo"),
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 100,
            "log_level": 0,
        }
    )
    known = consumer.list_topics(timeout=10).topics
    consumer.assign([TopicPartition(name, number, 0) for name in topics for number in known[name].partitions])
    return consumer


def received(consumer: Any) -> Iterator[Any]:
    """The messages that have come since the last call. Blocks briefly.

    Raises:
        BrokerError: the broker is gone.
    """
    for message in consumer.consume(BATCH, POLL_SECONDS):
        if message.error() is None:
            yield message
        elif message.error().code() != KafkaError._PARTITION_EOF:
            raise BrokerError(f"the demo cannot read back: {message.error()}")


class Follower:
    """Follows the scored documents, the dead letters and the alerts from their beginning."""

    def __init__(self, settings: Settings) -> None:
        topics = settings.topics
        self._alerts = topics.alerts
        self._dead = {topics.dead_letters(name) for name in topics.inputs}
        self.tally = Tally()
        self._consumer = following(settings, [topics.scored, topics.alerts, *self._dead])

    def poll(self) -> list[Alert]:
        """Count what has come since the last call; returns the alert transitions among it. Blocks briefly.

        Raises:
            BrokerError: the broker is gone.
        """
        fresh: list[Alert] = []
        for message in received(self._consumer):
            key = (message.key() or b"").decode("utf-8", "replace")
            if message.topic() == self._alerts:
                fresh.append(_alerts.decode(message.value()))
            elif message.topic() in self._dead:
                self.tally.dead[key] += 1
                headers = dict(message.headers() or ())
                stage = headers.get("__connect.errors.stage", b"?").decode("utf-8", "replace")
                self.tally.reasons[stage] += 1
            else:
                self.tally.scored[key] += 1
        self.tally.transitions += fresh
        return fresh

    def close(self) -> None:
        self._consumer.close()
