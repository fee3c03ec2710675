"""Dead letters: looking at them, and sending them back to where they came from.

A dead letter is the original record with Kafka Connect's error headers. Sending it back takes those headers
off and counts the attempt in ``tocsin.replays``; a record that failed again after two replays is refused,
because a third would not go better. What has been sent back is remembered as a consumer group's offset on
the dead-letter topic, committed after the broker has the records: a replay that is killed may repeat its
last batch, under the same ids, and never skips one.
"""

from __future__ import annotations

import heapq
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Literal

import msgspec
import typer
from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from rich.console import Console
from rich.table import Table
from rich.text import Text

from streams.errors import InputError
from streams.operate.admin import require_topic
from streams.operate.client import broker_errors, kafka_python_options, records_between
from streams.operate.terminal import harmless
from streams.records import Origin
from streams.settings import Settings
from streams.topics import DIGEST_HEADER, REPLAYS_HEADER

MOST_REPLAYS = 2
REPLAY_ROLE = "dlq-replay"
BATCH = 200
PREVIEW_CHARS = 2_000
_ERRORS = "__connect.errors."
_OURS = "tocsin."
_ORIGIN = "origin"
_YEAR_10000_MS = 253_402_300_800_000

Fate = Literal["sent", "refused", "not replayable"]


@dataclass(frozen=True)
class DeadLetter:
    """One record of a dead-letter topic. ``place`` is where it lies, ``origin`` where it came from."""

    place: Origin
    origin: Origin | None
    stage: str
    error: str
    message: str
    replays: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]

    @classmethod
    def parse(cls, record: Any) -> DeadLetter:
        """Read a consumer record; headers that are missing or not what they should be become blanks."""
        headers = tuple((name, value) for name, value in record.headers or ())
        said = {name: (value or b"").decode("utf-8", "replace") for name, value in headers}
        return cls(
            place=Origin(record.topic, record.partition, record.offset),
            origin=_origin(said),
            stage=said.get(_ERRORS + "stage", ""),
            error=said.get(_ERRORS + "exception.class.name", ""),
            message=said.get(_ERRORS + "exception.message", ""),
            replays=_number(said.get(REPLAYS_HEADER, "0")) or 0,
            timestamp_ms=record.timestamp,
            key=record.key,
            value=record.value,
            headers=headers,
        )

    @property
    def digest(self) -> str:
        """The sha256 of the original where this letter holds only a prefix of it, else ``""``."""
        return next(
            ((value or b"").decode("ascii", "replace") for name, value in self.headers if name == DIGEST_HEADER), ""
        )

    def fate(self, topic: str) -> tuple[Fate, str]:
        """Whether this letter can go back to input ``topic``, and why not."""
        if self.digest:
            return "not replayable", "only a prefix of the original was kept"
        if self.origin is None or self.origin.topic != topic:
            return "not replayable", "its headers do not say that it came from this topic"
        if self.key is None and self.value is None:
            return "not replayable", "it has neither key nor value"
        if self.replays >= MOST_REPLAYS:
            return "refused", f"it failed again after {self.replays} replays"
        return "sent", ""

    def original_headers(self) -> list[tuple[str, bytes | None]]:
        """The headers the record came with, and the count of this replay."""
        kept = [
            (name, value) for name, value in self.headers if name != _ORIGIN and not name.startswith((_ERRORS, _OURS))
        ]
        return [*kept, (REPLAYS_HEADER, str(self.replays + 1).encode())]

    def as_row(self) -> dict[str, Any]:
        """Plain JSON values; the value is a bounded preview."""
        return {
            "place": self.place,
            "origin": self.origin,
            "time": _time(self.timestamp_ms),
            "stage": self.stage,
            "error": self.error,
            "message": self.message,
            "key": None if self.key is None else self.key.decode("utf-8", "backslashreplace"),
            "bytes": len(self.value or b""),
            "value": (self.value or b"")[:PREVIEW_CHARS].decode("utf-8", "backslashreplace"),
            "replays": self.replays,
            "sha256": self.digest,
        }


def show(settings: Settings, *, topic: str | None, stage: str | None, limit: int, as_json: bool) -> int:
    """Print the newest ``limit`` dead letters, oldest of them first; JSON gives one object per line.

    Raises:
        InputError: ``topic`` is not an input topic of these settings.
        TopicsError: the dead-letter topics do not exist.
        BrokerError: the cluster cannot be reached or refuses.
    """
    found = (letter for letter in letters(settings, topic, newest=None if stage else limit))
    wanted = (letter for letter in found if stage is None or letter.stage == stage)
    newest = sorted(
        heapq.nlargest(limit, wanted, key=lambda letter: (letter.timestamp_ms, letter.place)),
        key=lambda letter: (letter.timestamp_ms, letter.place),
    )
    if as_json:
        for letter in newest:
            typer.echo(msgspec.json.encode(letter.as_row()).decode())
        return 0
    if not newest:
        typer.echo("no dead letters")
        return 0
    table = Table("time", "from", "stage", "error", "message", "replays", "bytes")
    for letter in newest:
        origin = letter.origin
        cells = (
            _time(letter.timestamp_ms),
            f"{origin.topic}/{origin.partition}@{origin.offset}" if origin else "?",
            letter.stage,
            letter.error,
            letter.message,
            str(letter.replays),
            f"{len(letter.value or b'')}{' (prefix)' if letter.digest else ''}",
        )
        table.add_row(*(Text(harmless(cell)) for cell in cells))
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else 200).print(table)
    return 0


def replay(settings: Settings, *, topic: str | None, dry_run: bool) -> int:
    """Send every dead letter that was not sent back yet to its input topic; prints what became of them.

    Key, value, headers and partition are the original's. A letter of stage ``validate`` goes with a new
    timestamp, because a record that was ahead of its time may be right by now; the others keep theirs, so
    that a record without a time of its own is not counted as news of today.

    Raises:
        InputError: ``topic`` is not an input topic of these settings.
        TopicsError: the dead-letter topics do not exist.
        BrokerError: the cluster cannot be reached, or did not take a record; the rest is not sent.
    """
    fates: Counter[Fate] = Counter()
    for name in _chosen(settings, topic):
        with broker_errors(settings, f"replaying dead letters of {name}"), _opened(settings, name) as opened:
            consumer, producer, partitions = opened
            starts, ends = _not_yet_replayed(consumer, partitions)
            pending = read(settings, consumer, starts, ends)
            inputs = producer.partitions_for(name) or set()
            while batch := list(islice(pending, BATCH)):
                for letter, (fate, reason) in _judged(batch, name):
                    fates[fate] += 1
                    if reason:
                        typer.echo(f"{_shown(letter.place)}: {fate}: {reason}", err=True)
                if not dry_run:
                    _send(settings, producer, name, inputs, batch)
                    consumer.commit(_after(batch))
    would = "would be " if dry_run else ""
    typer.echo(
        f"{fates['sent']} {would}sent back, {fates['refused']} refused (replayed {MOST_REPLAYS} times already), "
        f"{fates['not replayable']} not replayable"
    )
    return 0


def letters(settings: Settings, topic: str | None, newest: int | None = None) -> Iterator[DeadLetter]:
    """Dead letters of one input topic or of all, in no order; ``newest`` reads only so many per partition."""
    for name in _chosen(settings, topic):
        with broker_errors(settings, f"reading dead letters of {name}"), _reader(settings) as consumer:
            partitions = _partitions(settings, name)
            consumer.assign(partitions)
            starts, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
            if newest is not None:
                starts = {tp: max(start, ends[tp] - newest) for tp, start in starts.items()}
            yield from read(settings, consumer, starts, ends)


def read(settings: Settings, consumer: Any, starts: dict[Any, int], ends: dict[Any, int]) -> Iterator[DeadLetter]:
    """Dead letters of the assigned partitions, from ``starts`` up to but without ``ends``."""
    return map(DeadLetter.parse, records_between(settings, consumer, starts, ends, BATCH))


def _judged(batch: Iterable[DeadLetter], topic: str) -> Iterator[tuple[DeadLetter, tuple[Fate, str]]]:
    return ((letter, letter.fate(topic)) for letter in batch)


def _send(settings: Settings, producer: Any, topic: str, inputs: set[int], batch: list[DeadLetter]) -> None:
    """Send what may go back and wait until the broker has it all."""
    futures = []
    for letter in batch:
        if letter.fate(topic)[0] != "sent" or letter.origin is None:
            continue
        futures.append(
            producer.send(
                topic,
                key=letter.key,
                value=letter.value,
                headers=letter.original_headers(),
                partition=letter.origin.partition if letter.origin.partition in inputs else None,
                timestamp_ms=None if letter.stage == "validate" else letter.timestamp_ms,
            )
        )
    for future in futures:
        future.get(timeout=settings.kafka.delivery_timeout_seconds)


def _after(batch: list[DeadLetter]) -> dict[Any, Any]:
    last: dict[Any, int] = {}
    for letter in batch:
        last[TopicPartition(letter.place.topic, letter.place.partition)] = letter.place.offset + 1
    return {partition: OffsetAndMetadata(offset, "", -1) for partition, offset in last.items()}


def _not_yet_replayed(consumer: Any, partitions: list[Any]) -> tuple[dict[Any, int], dict[Any, int]]:
    consumer.assign(partitions)
    begins, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
    return {tp: max(begins[tp], consumer.committed(tp) or 0) for tp in partitions}, ends


@contextmanager
def _reader(settings: Settings, group: str | None = None) -> Iterator[Any]:
    consumer = KafkaConsumer(
        **kafka_python_options(settings, REPLAY_ROLE),
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=2 * 1024 * 1024,
    )
    try:
        yield consumer
    finally:
        consumer.close()


@contextmanager
def _opened(settings: Settings, topic: str) -> Iterator[tuple[Any, Any, list[Any]]]:
    partitions = _partitions(settings, topic)
    with _reader(settings, settings.topics.group(REPLAY_ROLE)) as consumer:
        producer = KafkaProducer(
            **kafka_python_options(settings, REPLAY_ROLE), acks="all", max_request_size=2 * 1024 * 1024
        )
        try:
            yield consumer, producer, partitions
        finally:
            producer.close(timeout=settings.kafka.delivery_timeout_seconds)


def _chosen(settings: Settings, topic: str | None) -> tuple[str, ...]:
    inputs = settings.topics.inputs
    if topic is None:
        return inputs
    if topic not in inputs:
        raise InputError(f"{topic!r} is not an input topic of these settings; there are: {', '.join(inputs)}")
    return (topic,)


def _partitions(settings: Settings, topic: str) -> list[Any]:
    name = settings.topics.dead_letters(topic)
    return [TopicPartition(name, partition) for partition in range(require_topic(settings, name))]


def _origin(said: dict[str, str]) -> Origin | None:
    partition, offset = _number(said.get(_ERRORS + "partition")), _number(said.get(_ERRORS + "offset"))
    topic = said.get(_ERRORS + "topic")
    return None if not topic or partition is None or offset is None else Origin(topic, partition, offset)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 20 else None


def _shown(place: Origin) -> str:
    return f"{place.topic}/{place.partition}@{place.offset}"


def _time(timestamp_ms: int) -> str:
    if not 0 <= timestamp_ms < _YEAR_10000_MS:
        return str(timestamp_ms)
    return datetime.fromtimestamp(timestamp_ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
