"""Samples, words of people and signals, read from where the store says: every partition, by one consumer, without a
group's say."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import msgspec
from kafka import KafkaConsumer

from streams import logs
from streams.errors import TopicsError
from streams.lessons import DocumentFeedback, DriftSample, DriftSignal
from streams.operate.client import broker_errors, kafka_python_options
from streams.operate.places import Places
from streams.settings import Settings
from trainer.cycle.store import Arrivals, Store

POLL_MS = 500
CLOSE_MS = 5_000
LONGEST = 65_536
"""Bytes of a record; what the sampler and `tocsin feedback` send is far shorter."""

log = logs.get(__name__)


@dataclass(frozen=True)
class Mail:
    """One poll: what goes into the store, and by topic how many records came and how many could not be read."""

    arrivals: Arrivals
    read: Counter[str] = field(default_factory=Counter)
    unreadable: Counter[str] = field(default_factory=Counter)


class Mailbox:
    """A consumer of the drift samples, the feedback and the drift topic.

    Raises:
        TopicsError: one of them does not exist.
        BrokerError: the cluster cannot be reached or refuses.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        topics = settings.topics
        self.samples, self.feedback, self.drift = topics.drift_samples, topics.feedback, topics.drift
        wanted = (self.samples, self.feedback, self.drift)
        self._places = Places(settings, wanted)
        self.cluster = self._places.cluster
        missing = [name for name in wanted if name not in self._places.counts]
        if missing:
            raise TopicsError(
                f"missing on {', '.join(settings.brokers)}: {', '.join(missing)}; run `tocsin topics create`"
            )
        with broker_errors(settings, "reading samples"):
            self._consumer = KafkaConsumer(
                **kafka_python_options(settings, "trainer"), enable_auto_commit=False, max_poll_records=500
            )

    def start(self, store: Store) -> None:
        """Begin where ``store`` ends; at a topic's beginning where it knows nothing, or more than the topic holds."""
        with broker_errors(self._settings, "finding the place in the samples"):
            known = {name: store.offsets(name) for name in self._places.counts}
            self._places.begin(self._consumer, lambda tp: known[tp.topic].get(tp.partition), "database")

    def poll(self) -> Mail:
        """Wait a moment for mail. What cannot be read is logged by its place, counted and passed over."""
        with broker_errors(self._settings, "reading samples"):
            polled = self._consumer.poll(timeout_ms=POLL_MS)
        samples: list[DriftSample] = []
        words: list[DocumentFeedback] = []
        signals: list[DriftSignal] = []
        next_offsets: dict[str, dict[int, int]] = {}
        read: Counter[str] = Counter()
        unreadable: Counter[str] = Counter()
        for tp, records in polled.items():
            for record in records:
                next_offsets.setdefault(tp.topic, {})[tp.partition] = record.offset + 1
                read[tp.topic] += 1
                if record.value is None:
                    continue
                found = self._decoded(tp.topic, record.value)
                if isinstance(found, DriftSample):
                    samples.append(found)
                elif isinstance(found, DocumentFeedback):
                    words.append(found)
                elif isinstance(found, DriftSignal):
                    signals.append(found)
                elif found is None:
                    unreadable[tp.topic] += 1
                    log.error("unreadable, passed over", topic=tp.topic, partition=tp.partition, at=record.offset)
        return Mail(Arrivals(samples, words, signals, next_offsets), read, unreadable)

    def behind(self) -> dict[str, int]:
        """By topic, how many records there are that have not been read.

        Raises:
            BrokerError: a topic has more partitions than at the start; a restart reads them all.
        """
        with broker_errors(self._settings, "looking for the end of the samples"):
            ends = self._consumer.end_offsets(self._places.all)
            left: Counter[str] = Counter(dict.fromkeys(self._places.counts, 0))
            for tp in self._places.all:
                left[tp.topic] += max(0, ends[tp] - self._consumer.position(tp))
            self._places.refuse_growth(self._consumer)
        return dict(left)

    def close(self) -> None:
        self._consumer.close(autocommit=False, timeout_ms=CLOSE_MS)

    def _decoded(self, topic: str, value: bytes) -> Any:
        """The record; ``False`` for one that is for others, ``None`` for one that cannot be read."""
        kind = {self.samples: DriftSample, self.feedback: DocumentFeedback, self.drift: DriftSignal}[topic]
        if len(value) > LONGEST:
            return None
        try:
            return msgspec.json.decode(value, type=kind)
        except (ValueError, RecursionError):
            return False if topic == self.feedback and _of_others(value) else None


class _Kind(msgspec.Struct):
    kind: str = ""


def _of_others(value: bytes) -> bool:
    """Whether it is feedback of another kind, such as on an alert."""
    try:
        return msgspec.json.decode(value, type=_Kind).kind not in ("", "document")
    except (ValueError, RecursionError):
        return False
