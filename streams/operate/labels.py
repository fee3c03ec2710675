"""``tocsin feedback FILE``: labels of people on documents, from a file into the feedback topic."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import typer
from kafka import KafkaProducer

from streams.errors import InputError
from streams.lessons import DocumentFeedback
from streams.operate.admin import require_topic
from streams.operate.client import broker_errors, kafka_python_options
from streams.operate.terminal import harmless
from streams.operate.verdicts import who
from streams.records import Sentiment, encode
from streams.settings import Settings

LONGEST_TEXT = 4_000
LONGEST_NAME = 100
SHOWN_ERRORS = 10


class _Row(msgspec.Struct):
    """A line of the file. What else stands there is no concern of ours."""

    id: str = ""
    text: str = ""
    sentiment: Sentiment | None = None
    topic: str = ""
    taxonomy: str = "finance"
    by: str = ""
    source: str = ""
    note: str = ""


def send_file(settings: Settings, path: Path, by: str | None = None) -> int:
    """Send every label of ``path``, acknowledged by the broker; bad lines are named. Exit status: 1 if there were any.

    Raises:
        InputError: there is no such file.
        TopicsError: the feedback topic is missing.
        BrokerError: the cluster cannot be reached or refuses.
    """
    if not path.is_file():
        raise InputError(
            f"there is no file {path}; for a word on an alert name its id and acknowledge, dismiss or confirm"
        )
    topic = settings.topics.feedback
    require_topic(settings, topic)
    sent, refused = 0, 0
    with broker_errors(settings, "sending labels"):
        producer = KafkaProducer(**kafka_python_options(settings), acks="all")
        try:
            waiting = []
            for number, found in labels(path.read_bytes(), by or who(), time.time_ns() // 1_000_000):
                if isinstance(found, str):
                    refused += 1
                    if refused <= SHOWN_ERRORS:
                        typer.echo(f"{path}:{number}: {found}", err=True)
                    continue
                waiting.append(producer.send(topic, key=found.key, value=encode(found)))
                sent += 1
            for future in waiting:
                future.get(timeout=settings.kafka.delivery_timeout_seconds)
        finally:
            producer.close()
    sys.stderr.write(f"{sent} labels sent, {refused} lines refused\n")
    return 1 if refused else 0


def labels(data: bytes, by: str, now_ms: int) -> Iterator[tuple[int, DocumentFeedback | str]]:
    """Each line's number and its label, or why it is none."""
    for number, line in enumerate(data.splitlines(), 1):
        if line.strip():
            yield number, _label(line, by, now_ms)


def _label(line: bytes, by: str, now_ms: int) -> DocumentFeedback | str:
    try:
        row = msgspec.json.decode(line, type=_Row)
    except (ValueError, RecursionError) as exc:
        return str(exc)[:200]
    text = row.text[:LONGEST_TEXT]
    if not row.id and not text.strip():
        return "it names neither the id of a document nor a text"
    name: Any = row.id or hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]
    return DocumentFeedback(
        id=name,
        by=harmless(row.by or by, LONGEST_NAME),
        at_ms=now_ms,
        sentiment=row.sentiment,
        topics={row.taxonomy: row.topic} if row.topic else {},
        text=text,
        source=harmless(row.source, LONGEST_NAME),
        note=harmless(row.note),
    )
