"""In which series a scored record must have been counted: the rule of the design, written a second time.

Nothing of `streams` is imported, so that a fault there cannot hide itself. A record in a language that the
release knows counts in ``entity:ID`` and ``entity:ID|topic:LABEL`` by the mean sentiment toward that entity,
in ``topic:LABEL`` and ``stream:NAME`` by its own; a bar in a name is a slash. A series lives in partition
CRC-32(what stands before the first bar) modulo the number of partitions.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import msgspec

LANGUAGES = ("en",)


class Probs(msgspec.Struct):
    negative: float
    neutral: float
    positive: float


class Entity(msgspec.Struct):
    id: str
    sentiment_probs: Probs


class Origin(msgspec.Struct):
    topic: str
    partition: int
    offset: int


class Scored(msgspec.Struct):
    """The fields of a scored record that the count needs."""

    id: str
    origin: Origin
    stream: str
    event_ms: int
    lang: str
    topic: str
    sentiment_probs: Probs
    entities: list[Entity]
    signature: str
    release: str


class Observed(msgspec.Struct):
    """An observations message; documents and items are arrays, as on the topic."""

    topic: str
    partition: int
    first: int
    last: int
    event_ms: int | None
    documents: list[list[Any]]
    items: list[list[Any]]


read_scored = msgspec.json.Decoder(Scored).decode
read_observed = msgspec.json.Decoder(Observed).decode


def amounts(record: Scored, partitions: int) -> Iterator[int]:
    """A number for each (partition, series, sentiment) in which ``record`` must be counted once."""
    if record.lang not in LANGUAGES:
        return
    topic = "topic:" + _plain(record.topic) if record.topic else None
    mentioned: dict[str, list[Probs]] = {}
    for entity in record.entities:
        mentioned.setdefault(_plain(entity.id), []).append(entity.sentiment_probs)
    document = (record.id[:256], record.event_ms, int(record.signature, 16))
    for name, probs in mentioned.items():
        home = home_of(f"entity:{name}", partitions)
        toward = _verdict(probs)
        yield amount(home, f"entity:{name}", *toward, *document)
        if topic:
            yield amount(home, f"entity:{name}|{topic}", *toward, *document)
    own = _verdict([record.sentiment_probs])
    if topic:
        yield amount(home_of(topic, partitions), topic, *own, *document)
    stream = "stream:" + _plain(record.stream)
    yield amount(home_of(stream, partitions), stream, *own, *document)


def amount(home: int, series: str, p_negative: float, negative: bool, *document: Any) -> int:
    """The number that stands for one observation; never 0, and the same for equal observations."""
    return hash((home, series, round(p_negative, 4), negative, *document)) & 0xFFFF_FFFF_FFFF_FFFF | 1


@lru_cache(maxsize=65_536)
def home_of(root: str, partitions: int) -> int:
    """The observations partition of a series, from what stands before the first bar of its name."""
    return crc32(root.encode()) % partitions


def crc32(data: bytes) -> int:
    """CRC-32 (IEEE 802.3, reflected polynomial 0xEDB88320)."""
    register = 0xFFFFFFFF
    for byte in data:
        register = _CRC[(register ^ byte) & 0xFF] ^ (register >> 8)
    return register ^ 0xFFFFFFFF


def _crc_entry(value: int) -> int:
    for _ in range(8):
        value = (value >> 1) ^ 0xEDB88320 if value & 1 else value >> 1
    return value


_CRC = [_crc_entry(value) for value in range(256)]


def _plain(name: str) -> str:
    return " ".join(name.replace("|", "/").split())[:200]


def _verdict(probs: list[Probs]) -> tuple[float, bool]:
    count = len(probs)
    negative = sum([p.negative for p in probs]) / count
    neutral = sum([p.neutral for p in probs]) / count
    positive = sum([p.positive for p in probs]) / count
    return round(negative, 4), negative >= neutral and negative >= positive
