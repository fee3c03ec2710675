"""Alerts and what people say of them, read from where the outbox says: every partition, by one consumer, without
a group's say.

The group ``<prefix>-notify`` only carries an offset below which everything has been delivered, so that its
lag shows what is still owed, and so that a notifier whose outbox was lost starts there and owes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError

from streams import logs
from streams.notify import wording
from streams.notify.outbox import Arrival
from streams.operate.admin import no_topic
from streams.operate.client import broker_errors, kafka_python_options
from streams.operate.places import Places
from streams.records import Alert, AlertFeedback
from streams.settings import Settings

POLL_MS = 500
LONGEST_ALERT_BYTES = 1_048_576
LONGEST_FEEDBACK_BYTES = 65_536
CLOSE_MS = 5_000

log = logs.get(__name__)


@dataclass(frozen=True)
class Word:
    """What a person said, as it stood in the feedback topic."""

    feedback: AlertFeedback
    partition: int
    offset: int


@dataclass(frozen=True)
class Mail:
    """What one poll brought: alerts and words in order, by topic the next offset of each partition read, and how
    much of each could not be read."""

    arrivals: tuple[Arrival, ...]
    words: tuple[Word, ...]
    next_offsets: dict[str, dict[int, int]]
    unreadable: dict[str, int]


class Inbox:
    """A consumer of the alerts and the feedback topic. Its methods block, and are called one at a time.

    Raises:
        TopicsError: the alerts topic does not exist.
        BrokerError: the cluster cannot be reached or refuses.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.alerts, self.feedback = settings.topics.alerts, settings.topics.feedback
        self._places = Places(settings, (self.alerts, self.feedback))
        self.cluster = self._places.cluster
        if self.alerts not in self._places.counts:
            raise no_topic(settings, self.alerts)
        if self.feedback not in self._places.counts:
            log.warning("no feedback topic: nobody can acknowledge; run `tocsin topics create`", topic=self.feedback)
        with broker_errors(settings, "reading alerts"):
            self._consumer = KafkaConsumer(
                **kafka_python_options(settings, "notify"),
                group_id=settings.topics.group("notify"),
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                max_poll_records=200,
            )
        self._committed: dict[TopicPartition, int] = {}

    @property
    def topics(self) -> list[str]:
        """The topics that are read."""
        return list(self._places.counts)

    def start(self, known: dict[str, dict[int, int]]) -> None:
        """Begin at the ``known`` offsets by topic; where one is missing, at the group's, else at the beginning."""

        def remembered(place: TopicPartition) -> int | None:
            at = known.get(place.topic, {}).get(place.partition)
            return self._consumer.committed(place) if at is None else at

        with broker_errors(self._settings, "finding the place in the alerts topic"):
            self._places.begin(self._consumer, remembered, "outbox")

    def poll(self) -> Mail:
        """Wait a moment for mail. What cannot be read is logged by its place, counted and passed over."""
        with broker_errors(self._settings, "reading alerts"):
            polled = self._consumer.poll(timeout_ms=POLL_MS)
        arrivals: list[Arrival] = []
        words: list[Word] = []
        next_offsets: dict[str, dict[int, int]] = {}
        unreadable: dict[str, int] = {}
        for tp, records in polled.items():
            for record in records:
                next_offsets.setdefault(tp.topic, {})[tp.partition] = record.offset + 1
                if record.value is None:
                    continue
                if tp.topic == self.alerts and (alert := read_alert(record.value)) is not None:
                    arrivals.append(Arrival(alert, tp.partition, record.offset))
                elif tp.topic == self.feedback and (feedback := read_feedback(record.value)) is not None:
                    words.append(Word(feedback, tp.partition, record.offset))
                elif tp.topic == self.alerts or not is_feedback(record.value):
                    unreadable[tp.topic] = unreadable.get(tp.topic, 0) + 1
                    log.error("unreadable, passed over", topic=tp.topic, partition=tp.partition, at=record.offset)
        return Mail(tuple(arrivals), tuple(words), next_offsets, unreadable)

    def settle(self, delivered_below: dict[str, dict[int, int]]) -> None:
        """Let the group's offsets follow; a broker that is away gets them later."""
        fresh = {
            TopicPartition(topic, number): at
            for topic, offsets in delivered_below.items()
            for number, at in offsets.items()
            if self._committed.get(TopicPartition(topic, number)) != at
        }
        if not fresh:
            return
        offsets = {tp: OffsetAndMetadata(at, "", -1) for tp, at in fresh.items()}
        try:
            self._consumer.commit(offsets, timeout_ms=CLOSE_MS)
        except KafkaError as exc:
            log.warning("group offsets not committed", reason=type(exc).__name__)
        else:
            self._committed |= fresh

    def check(self) -> bool:
        """Whether the broker answers.

        Raises:
            BrokerError: a topic has more partitions than at the start; a restart reads them all.
        """
        try:
            self._consumer.end_offsets(self._places.all, timeout_ms=CLOSE_MS)
            self._places.refuse_growth(self._consumer)
        except KafkaError:
            return False
        return True

    def close(self) -> None:
        self._consumer.close(autocommit=False, timeout_ms=CLOSE_MS)


def read_feedback(value: bytes) -> AlertFeedback | None:
    """What is said of an alert in ``value``; ``None`` where it is about something else, or nothing."""
    if len(value) > LONGEST_FEEDBACK_BYTES:
        return None
    try:
        return msgspec.json.decode(value, type=AlertFeedback)
    except (ValueError, RecursionError):
        return None


def is_feedback(value: bytes) -> bool:
    """Whether ``value`` is feedback of some other kind, such as on a document, which is not for the notifier."""
    try:
        kind = msgspec.json.decode(value, type=_OtherFeedback).kind
    except (ValueError, RecursionError):
        return False
    return kind not in ("", "alert")


class _OtherFeedback(msgspec.Struct):
    kind: str = ""


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
