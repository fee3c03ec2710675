"""One embedded broker for the tests of this folder, and settings of its own for each test."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest
from kafka import KafkaConsumer, TopicPartition

from streams.operate.admin import create_topics, partition_counts
from streams.operate.client import kafka_python_options
from streams.operate.embedded import EmbeddedBroker, on_embedded
from streams.settings import Settings, StreamSettings

_numbers = itertools.count()


@pytest.fixture(scope="session")
def embedded_servers() -> Iterator[str]:
    with EmbeddedBroker() as servers:
        yield servers


@pytest.fixture
def settings(embedded_servers: str) -> Settings:
    """Settings on the embedded broker; prefix and input topics are this test's alone, and exist."""
    number = next(_numbers)
    streams = {name: StreamSettings(topic=f"{name}{number}") for name in ("news", "reviews")}
    mine = on_embedded(Settings(prefix=f"t{number}", streams=streams), embedded_servers)
    create_topics(mine)
    return mine


@pytest.fixture
def read_topic() -> Callable[[Settings, str], list[object]]:
    """Everything a topic holds now, by (partition, offset)."""

    def read(settings: Settings, topic: str) -> list[object]:
        consumer = KafkaConsumer(**kafka_python_options(settings), enable_auto_commit=False)
        partitions = [TopicPartition(topic, n) for n in range(partition_counts(settings, [topic])[topic])]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends, found = consumer.end_offsets(partitions), []
        while any(consumer.position(partition) < end for partition, end in ends.items()):
            for records in consumer.poll(timeout_ms=10_000).values():
                found.extend(records)
        consumer.close()
        return sorted(found, key=lambda record: (record.partition, record.offset))

    return read
