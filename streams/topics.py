"""The topics tocsin owns: names, keys, cleanup. One table; everything else asks it.

The user's own input topics (``news``, ``reviews``) are settings; each has a dead-letter topic here.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from streams.records import Origin

LONGEST_OBSERVATIONS_BYTES = 8 * 1024 * 1024
"""One observations message holds a whole slab, so its topic takes larger messages than the broker's 1 MB."""

ALERTS_KEPT_MS = str(7 * 24 * 3600 * 1000)
"""A notifier that was down this long still finds every transition; later, compaction keeps the last of each."""

LARGEST_DEAD_LETTER_BYTES = 900_000
"""A larger original goes to its dead-letter topic as a prefix and a digest, so that it fits a 1 MB request."""
DEAD_LETTER_PREFIX_BYTES = 65_536
DIGEST_HEADER = "tocsin.original.sha256"
"""On a dead letter that holds only a prefix of the original: such a one cannot be replayed."""
REPLAYS_HEADER = "tocsin.replays"
"""How often `tocsin dlq replay` has sent this record back, in decimal; kept when it fails again."""


@dataclass(frozen=True)
class Topic:
    """A topic to be created: ``partitions`` 0 means "as many as the setting for its kind"."""

    name: str
    cleanup: str = "delete"
    config: dict[str, str] = field(default_factory=dict)
    partitions: int = 0


class Topics:
    """Every topic of one instance, from its prefix and its input topics.

    >>> Topics("tocsin", ["news"]).scored
    'tocsin.scored.v1'
    >>> Topics("tocsin", ["news"]).dead_letters("news")
    'tocsin.news.dlq'
    """

    def __init__(self, prefix: str, inputs: Iterable[str]) -> None:
        self.prefix = prefix
        self.inputs = tuple(inputs)
        self.scored = f"{prefix}.scored.v1"
        self.observations = f"{prefix}.observations.v1"
        self.alerts = f"{prefix}.alerts.v1"
        self.state = f"{prefix}.state.v1"
        self.drift = f"{prefix}.drift.v1"
        self.drift_samples = f"{prefix}.drift-samples.v1"
        self.feedback = f"{prefix}.feedback.v1"
        self.releases = f"{prefix}.releases.v1"

    def dead_letters(self, topic: str) -> str:
        """The dead-letter topic of input ``topic``."""
        return f"{self.prefix}.{topic}.dlq"

    def group(self, role: str) -> str:
        """The consumer group of a role: ``<prefix>-<role>``."""
        return f"{self.prefix}-{role}"

    def all(self) -> list[Topic]:
        """Every topic with its cleanup policy, inputs first."""
        large = {"max.message.bytes": str(LONGEST_OBSERVATIONS_BYTES)}
        dead = {"max.message.bytes": str(2 * 1024 * 1024)}
        return [
            *(Topic(name) for name in self.inputs),
            Topic(self.scored, config={"max.message.bytes": str(2 * 1024 * 1024)}),
            Topic(self.observations, config=large),
            Topic(self.alerts, cleanup="compact", config={"min.compaction.lag.ms": ALERTS_KEPT_MS}),
            Topic(self.state, cleanup="compact", config=large),
            Topic(self.drift),
            Topic(self.drift_samples),
            Topic(self.feedback, cleanup="compact"),
            Topic(self.releases, cleanup="compact", partitions=1),
            *(Topic(self.dead_letters(name), config=dead) for name in self.inputs),
        ]


def series_root(series: str) -> str:
    """The part of a series' name that decides its partition: the entity, the topic or the stream.

    >>> series_root("entity:acme|topic:Earnings")
    'entity:acme'
    """
    return series.split("|", 1)[0]


def partition_of(series: str, partitions: int) -> int:
    """The observations partition in which ``series`` lives: CRC-32 of its root's UTF-8, modulo the count.

    Stable across processes and versions; changing the partition count moves series and is refused at start.

    >>> partition_of("entity:acme", 4) == partition_of("entity:acme|topic:Earnings", 4)
    True
    """
    return zlib.crc32(series_root(series).encode()) % partitions


def error_headers(origin: Origin, stage: str, error: str, message: str) -> list[tuple[str, bytes]]:
    """Kafka Connect's error headers (UTF-8) of a dead letter that came from ``origin``."""
    context = "__connect.errors."
    return [
        (context + "topic", origin.topic.encode()),
        (context + "partition", str(origin.partition).encode()),
        (context + "offset", str(origin.offset).encode()),
        (context + "stage", stage.encode()),
        (context + "exception.class.name", error.encode()),
        (context + "exception.message", message[:500].encode("utf-8", "backslashreplace")),
    ]


def dead_letter_value(value: bytes | None) -> tuple[bytes | None, list[tuple[str, bytes]]]:
    """What a dead letter carries of the original ``value``, and the header that says so where it is a prefix."""
    if value is None or len(value) <= LARGEST_DEAD_LETTER_BYTES:
        return value, []
    return value[:DEAD_LETTER_PREFIX_BYTES], [(DIGEST_HEADER, hashlib.sha256(value).hexdigest().encode())]
