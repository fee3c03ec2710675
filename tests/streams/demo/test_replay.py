"""The day goes through a real embedded broker byte for byte, and what the line writes is read back."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from streams.demo.follow import Follower
from streams.demo.replay import DayReplay
from streams.demo.sample import SampleRecord
from streams.demo.stories import today
from streams.operate.admin import create_topics
from streams.operate.embedded import EmbeddedBroker, on_embedded
from streams.records import Origin
from streams.settings import Settings
from streams.topics import error_headers


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    with EmbeddedBroker() as servers:
        arranged = on_embedded(Settings(), servers)
        create_topics(arranged)
        yield arranged


def read(settings: Settings, topic: str, count: int) -> dict[str, bytes]:
    consumer = Consumer(
        {"bootstrap.servers": ",".join(settings.brokers), "group.id": "test", "auto.offset.reset": "earliest"}
    )
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(4)])
    found: dict[str, bytes] = {}
    while len(found) < count:
        for message in consumer.consume(100, 1.0):
            assert message.error() is None
            found[message.key().decode()] = message.value()
    consumer.close()
    return found


async def test_every_record_arrives_as_it_is(settings: Settings) -> None:
    records = today()
    replay = DayReplay(settings, records, speed=1e9)
    await replay.send()
    assert replay.sent == len(records)
    assert 20 < replay.hour < 21.1
    for stream in ("news", "reviews"):
        wanted = {record.id: record.value for record in records if record.stream == stream}
        assert read(settings, stream, len(wanted)) == wanted


async def test_a_replay_at_a_speed_takes_its_time(settings: Settings) -> None:
    """Two records an hour apart at 7,200 times the speed are half a second apart on the broker's clock."""
    hour = 3_600_000
    records = [SampleRecord("news", hour * n, f"t{n}", b"{}") for n in (500_000, 500_001)]
    begun = time.monotonic()
    await DayReplay(settings, records, speed=7200).send()
    assert time.monotonic() - begun >= 0.5


def test_a_speed_of_nothing_is_refused(settings: Settings) -> None:
    with pytest.raises(ValueError, match="speed"):
        DayReplay(settings, [SampleRecord("news", 0, "a", b"{}")], speed=0)


def test_the_follower_counts_what_was_written(settings: Settings) -> None:
    producer = Producer({"bootstrap.servers": ",".join(settings.brokers)})
    topics = settings.topics
    headers = error_headers(Origin("news", 0, 3), "decode", "NotJson", "no")
    producer.produce(topics.scored, b"{}", key=b"a")
    producer.produce(topics.scored, b"{}", key=b"a")
    producer.produce(topics.dead_letters("news"), b"x", key=b"b", headers=headers)
    producer.flush()
    follower = Follower(settings)
    while follower.tally.scored.total() < 2 or not follower.tally.dead:
        assert follower.poll() == []
    assert dict(follower.tally.scored) == {"a": 2}
    assert dict(follower.tally.dead) == {"b": 1}
    assert dict(follower.tally.reasons) == {"decode": 1}
    assert follower.tally.settled() == 2
    follower.close()
