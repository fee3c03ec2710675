"""The archive's consumer: every partition of its topics, from where the store says, without a group's say.

The group ``<prefix>-archive`` only carries the offsets after the store has them, so that its lag can be seen.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError

from streams import logs
from streams.archive.entries import Entry, entry_of
from streams.archive.store import Batch, Offsets
from streams.notify.inbox import read_alert
from streams.operate.admin import no_topic
from streams.operate.client import broker_errors, kafka_python_options
from streams.operate.places import Places
from streams.records import Alert, ScoredDocument
from streams.settings import Settings

POLL_MS = 500
MOST_RECORDS = 1_000
MOST_BYTES = 16 * 1024 * 1024
"""Fetched ahead, at most, so that memory stays bounded whatever lies in the topics."""
ONE_PARTITION_BYTES = 4 * 1024 * 1024
CLOSE_MS = 5_000

log = logs.get(__name__)


class Gathering:
    """Reads scored documents and alerts. Its methods block, and are called one at a time.

    Raises:
        TopicsError: a topic does not exist.
        BrokerError: the cluster cannot be reached or refuses.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._scored, self._alerts = settings.topics.scored, settings.topics.alerts
        self._places = Places(settings, (self._scored, self._alerts))
        self.cluster = self._places.cluster
        for name in (self._scored, self._alerts):
            if name not in self._places.counts:
                raise no_topic(settings, name)
        with broker_errors(settings, "reading what to keep"):
            self._consumer = KafkaConsumer(
                **kafka_python_options(settings, "archive"),
                group_id=settings.topics.group("archive"),
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                max_poll_records=MOST_RECORDS,
                fetch_max_bytes=MOST_BYTES,
                max_partition_fetch_bytes=ONE_PARTITION_BYTES,
            )
        self._next: dict[TopicPartition, int] = {}

    def start(self, known: Offsets) -> None:
        """Begin at the ``known`` offsets; where there is none, or it lies beyond the topic, at the beginning."""
        with broker_errors(self._settings, "finding the place to read on"):
            self._next = self._places.begin(
                self._consumer, lambda place: known.get((place.topic, place.partition)), "archive"
            )

    def poll(self, oldest_ms: int, now_ms: int) -> tuple[Batch, Mapping[str, int], int, int]:
        """Wait a moment for records: what to keep of them, how many came by topic, how many of them could not be read,
        and how many are from before ``oldest_ms`` and not kept."""
        with broker_errors(self._settings, "reading what to keep"):
            polled = self._consumer.poll(timeout_ms=POLL_MS)
        entries: list[Entry] = []
        alerts: list[tuple[Alert, int]] = []
        came: dict[str, int] = {}
        unreadable = expired = 0
        for place, records in polled.items():
            came[place.topic] = came.get(place.topic, 0) + len(records)
            for record in records:
                self._next[place] = record.offset + 1
                if record.value is None:
                    continue
                stored_ms = min(record.timestamp, now_ms) if record.timestamp and record.timestamp > 0 else now_ms
                if place.topic == self._alerts and (alert := read_alert(record.value)) is not None:
                    alerts.append((alert, stored_ms))
                elif place.topic == self._scored and stored_ms < oldest_ms:
                    expired += 1
                elif place.topic == self._scored and (scored := read_scored(record.value)) is not None:
                    entries.append(entry_of(scored, stored_ms, self._settings.archive.mask))
                else:
                    unreadable += 1
                    log.error("unreadable, passed over", **place._asdict(), at=record.offset)
        offsets = {(place.topic, place.partition): self._next[place] for place in polled}
        return Batch(entries, alerts, offsets), came, unreadable, expired

    def settle(self) -> None:
        """Let the group's offsets follow what is stored; a broker that is away gets them later."""
        try:
            offsets = {place: OffsetAndMetadata(at, "", -1) for place, at in self._next.items()}
            self._consumer.commit(offsets, timeout_ms=CLOSE_MS)
        except KafkaError as exc:
            log.warning("group offsets not committed", reason=type(exc).__name__)

    def lag(self) -> dict[tuple[str, int], int] | None:
        """Records not yet read, by partition; ``None`` where the broker does not answer.

        Raises:
            BrokerError: a topic has more partitions than at the start; a restart reads them all.
        """
        try:
            ends = self._consumer.end_offsets(self._places.all, timeout_ms=CLOSE_MS)
            self._places.refuse_growth(self._consumer)
        except KafkaError:
            return None
        return {(place.topic, place.partition): max(0, ends[place] - at) for place, at in self._next.items()}

    def close(self) -> None:
        self._consumer.close(autocommit=False, timeout_ms=CLOSE_MS)


def read_scored(value: bytes) -> ScoredDocument | None:
    """The scored document in ``value``; ``None`` where it is none, or holds text that cannot be stored."""
    try:
        scored = _decoder.decode(value)
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return None
    return scored if -(1 << 62) < scored.event_ms < 1 << 62 else None


_decoder = msgspec.json.Decoder(ScoredDocument)
