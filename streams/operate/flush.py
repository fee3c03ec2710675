"""The end of a replay: once everything is scored, the watchers are told that its time has run out.

Without it the last windows of a history stay open, for no later event closes them; live, idle partitions close
theirs as the wall clock goes on. The word is an empty observations message for every source partition, like an
idle tick: it stands in the log behind all that was scored before, so the watchers stay a function of their log.
"""

from __future__ import annotations

import threading
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from streams.errors import BrokerError, TopicsError
from streams.operate.admin import partition_counts
from streams.operate.client import broker_errors, kafka_python_options
from streams.records import encode
from streams.settings import Settings
from streams.watch.observations import tick
from streams.watch.windows import window_start

LOOK_SECONDS = 0.5
WORKERLESS_SECONDS = 90.0
"""A group may be without members for as long as a rebalance after a crash takes; then nobody is reading."""


def flush(settings: Settings, topic: str, event_ms: int, stop: threading.Event) -> bool:
    """Wait until input ``topic`` is scored to its present end, then close every window up to that of ``event_ms``.

    Documents that come later, for the time that was closed, count as late. False where ``stop`` was set before.

    Raises:
        BrokerError: the cluster cannot be reached, or no worker reads ``topic``.
        TopicsError: the observations topic does not exist.
    """
    observations = settings.topics.observations
    counts = partition_counts(settings, [topic, observations])
    if observations not in counts:
        raise TopicsError(f"there is no topic {observations} on {', '.join(settings.brokers)}; start a worker first")
    with broker_errors(settings, f"waiting for {topic} to be scored"):
        ends = _scored_ends(settings, topic, counts[topic], stop)
        if ends is None:
            return False
        _tell(settings, topic, ends, _closing_ms(settings, event_ms), counts[observations])
    return True


def _closing_ms(settings: Settings, event_ms: int) -> int:
    """The event time that moves the watermark to the end of the window that ``event_ms`` falls into."""
    size_ms = settings.watch.window_seconds * 1000
    return window_start(event_ms, size_ms) + size_ms + settings.watch.grace_seconds * 1000


def _scored_ends(settings: Settings, topic: str, partitions: int, stop: threading.Event) -> list[int] | None:
    """The end offset of each partition when this began, once the group has committed them all; None: stopped."""
    group = settings.topics.group("score")
    places = [TopicPartition(topic, number) for number in range(partitions)]
    begins, ends = _bounds(settings, places)
    columns = (TextColumn("waiting for the workers"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    admin = KafkaAdminClient(**kafka_python_options(settings, "flush"))
    alone = 0.0
    try:
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("", total=sum(ends) - sum(begins))
            while True:
                commits = admin.list_group_offsets(group).get(group, {})
                reached = [
                    max(first, commits[p].offset) if p in commits else first
                    for p, first in zip(places, begins, strict=True)
                ]
                bar.update(task, completed=sum(map(min, reached, ends)) - sum(begins))
                if all(at >= end for at, end in zip(reached, ends, strict=True)):
                    return ends
                alone = 0.0 if admin.describe_groups([group])[group]["members"] else alone + LOOK_SECONDS
                if alone > WORKERLESS_SECONDS:
                    raise BrokerError(
                        f"no worker of group {group} was there for {alone:.0f} s, so {topic} is not being scored: "
                        "start `tocsin worker`, then replay again (what was sent counts once)"
                    )
                if stop.wait(LOOK_SECONDS):
                    return None
    finally:
        admin.close()


def _bounds(settings: Settings, places: list[Any]) -> tuple[list[int], list[int]]:
    """The first and the end offset of each of ``places``."""
    consumer = KafkaConsumer(**kafka_python_options(settings, "flush"))
    try:
        begins, ends = consumer.beginning_offsets(places), consumer.end_offsets(places)
        return [begins[place] for place in places], [ends[place] for place in places]
    finally:
        consumer.close()


def _tell(settings: Settings, topic: str, ends: list[int], closing_ms: int, homes: int) -> None:
    producer = KafkaProducer(**kafka_python_options(settings, "flush"), acks="all")
    try:
        futures = [
            producer.send(settings.topics.observations, value=encode(message), partition=home)
            for partition, end in enumerate(ends)
            for home, message in enumerate(
                tick(topic=topic, partition=partition, next_offset=end, event_ms=closing_ms, partitions=homes)
            )
        ]
        for future in futures:
            future.get(timeout=settings.kafka.delivery_timeout_seconds)
    finally:
        producer.close(timeout=settings.kafka.delivery_timeout_seconds)
