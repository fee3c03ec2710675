"""Telling the workers that the registry has changed, so that they need not find out by looking."""

from __future__ import annotations

import time

from kafka import KafkaProducer

from streams.operate.admin import require_topic
from streams.operate.client import broker_errors, kafka_python_options
from streams.records import ReleaseHint, encode
from streams.settings import Settings


def tell(settings: Settings, alias: str, release: str) -> ReleaseHint:
    """Put a hint that ``alias`` names ``release`` now into the releases topic, acknowledged by the broker.

    Raises:
        TopicsError: the topic is missing.
        BrokerError: the cluster cannot be reached or refuses.
    """
    hint = ReleaseHint(alias, release, time.time_ns() // 1_000_000)
    topic = settings.topics.releases
    require_topic(settings, topic)
    with broker_errors(settings, "telling of a release"):
        producer = KafkaProducer(**kafka_python_options(settings), acks="all")
        try:
            producer.send(topic, key=alias.encode(), value=encode(hint)).get(
                timeout=settings.kafka.delivery_timeout_seconds
            )
        finally:
            producer.close()
    return hint
