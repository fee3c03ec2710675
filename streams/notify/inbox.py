"""The alerts topic, read from where the outbox says: every partition, by one consumer, without a group's say.

The group ``<prefix>-notify`` only carries an offset below which everything has been delivered, so that its
lag shows what is still owed, and so that a notifier whose outbox was lost starts there and owes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError

from streams import logs
from streams.errors import BrokerError, TopicsError
from streams.notify import wording
from streams.notify.outbox import Arrival
from streams.operate.admin import admin_client
from streams.operate.client import broker_errors, kafka_python_options
from streams.records import Alert
from streams.settings import Settings

POLL_MS = 500
LONGEST_ALERT_BYTES = 1_048_576
CLOSE_MS = 5_000

log = logs.get(__name__)


@dataclass(frozen=True)
class Mail:
    """What one poll brought: alerts in order, the next offset of each partition read, and what was unreadable."""

    arrivals: tuple[Arrival, ...]
    next_offsets: dict[int, int]
    unreadable: int


class Inbox:
    """A consumer of the alerts topic. Its methods block, and are called one at a time.

    Raises:
        TopicsError: the alerts topic does not exist.
        BrokerError: the cluster cannot be reached or refuses.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.prefix = settings.prefix
        self.topic = settings.topics.alerts
        with admin_client(settings, "looking at the cluster") as client:
            self.cluster: str = client.describe_cluster()["cluster_id"] or "unnamed"
            self._partitions = self._count(client.describe_topics())
        with broker_errors(settings, "reading alerts"):
            self._consumer = KafkaConsumer(
                **kafka_python_options(settings, "notify"),
                group_id=settings.topics.group("notify"),
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                max_poll_records=200,
            )
        self._committed: dict[int, int] = {}

    def start(self, known: dict[int, int]) -> None:
        """Begin at the ``known`` offsets; where one is missing, at the group's, else at the beginning."""
        with broker_errors(self._settings, "finding the place in the alerts topic"):
            partitions = [TopicPartition(self.topic, number) for number in range(self._partitions)]
            self._consumer.assign(partitions)
            begins = self._consumer.beginning_offsets(partitions)
            ends = self._consumer.end_offsets(partitions)
            for tp in partitions:
                at = known.get(tp.partition)
                if at is None:
                    at = self._consumer.committed(tp)
                if at is not None and at > ends[tp]:
                    log.warning("alerts topic ends before the outbox, reading it anew", partition=tp.partition)
                    at = None
                self._consumer.seek(tp, begins[tp] if at is None else max(at, begins[tp]))

    def poll(self) -> Mail:
        """Wait a moment for alerts. What cannot be read is logged by its place, counted and passed over."""
        with broker_errors(self._settings, "reading alerts"):
            polled = self._consumer.poll(timeout_ms=POLL_MS)
        arrivals: list[Arrival] = []
        next_offsets: dict[int, int] = {}
        unreadable = 0
        for tp, records in polled.items():
            for record in records:
                next_offsets[tp.partition] = record.offset + 1
                if record.value is None:
                    continue
                alert = read_alert(record.value)
                if alert is None:
                    unreadable += 1
                    log.error(
                        "unreadable alert passed over", topic=self.topic, partition=tp.partition, at=record.offset
                    )
                else:
                    arrivals.append(Arrival(alert, tp.partition, record.offset))
        return Mail(tuple(arrivals), next_offsets, unreadable)

    def settle(self, delivered_below: dict[int, int]) -> None:
        """Let the group's offsets follow; a broker that is away gets them later."""
        fresh = {number: at for number, at in delivered_below.items() if self._committed.get(number) != at}
        if not fresh:
            return
        offsets = {TopicPartition(self.topic, number): OffsetAndMetadata(at, "", -1) for number, at in fresh.items()}
        try:
            self._consumer.commit(offsets, timeout_ms=CLOSE_MS)
        except KafkaError as exc:
            log.warning("group offsets not committed", reason=type(exc).__name__)
        else:
            self._committed |= fresh

    def check(self) -> bool:
        """Whether the broker answers.

        Raises:
            BrokerError: the topic has more partitions than at the start; a restart reads them all.
        """
        partitions = [TopicPartition(self.topic, number) for number in range(self._partitions)]
        try:
            self._consumer.end_offsets(partitions, timeout_ms=CLOSE_MS)
            now = self._consumer.partitions_for_topic(self.topic) or set()
        except KafkaError:
            return False
        if len(now) > self._partitions:
            raise BrokerError(f"{self.topic} has grown from {self._partitions} to {len(now)} partitions; restarting")
        return True

    def close(self) -> None:
        self._consumer.close(autocommit=False, timeout_ms=CLOSE_MS)

    def _count(self, topics: list[dict[str, Any]]) -> int:
        for topic in topics:
            if topic["name"] == self.topic and topic["error_code"] == 0:
                return len(topic["partitions"])
        raise TopicsError(
            f"there is no topic {self.topic} on {', '.join(self._settings.brokers)}; run `tocsin topics create`"
        )


def read_alert(value: bytes) -> Alert | None:
    """The alert in ``value``; ``None`` where it is none, or cannot be worded (a start that names no time)."""
    if len(value) > LONGEST_ALERT_BYTES:
        return None
    try:
        alert = msgspec.json.decode(value, type=Alert)
        for moment in (alert.starts_at, alert.ends_at):
            if moment is not None:
                wording.parse_time(moment)
        wording.annotate(alert)
    except (ValueError, OverflowError, RecursionError):  # msgspec's errors are ValueErrors
        return None
    return alert
