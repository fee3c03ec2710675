"""What people say of alerts: saying it, and what it says of the alarm."""

from __future__ import annotations

import getpass
import json
import math
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import typer
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from rich.console import Console
from rich.table import Table
from rich.text import Text

from streams.errors import InputError
from streams.operate.admin import require_topic
from streams.operate.client import broker_errors, kafka_python_options, records_between
from streams.operate.terminal import harmless
from streams.records import Alert, AlertFeedback, Verdict, encode
from streams.settings import Settings
from streams.verdicts import last_verdicts, read_feedback

LONGEST_NOTE = 1_000
SHORTEST_PREFIX = 6
"""Of an alert's id, so many characters or more will do where only one alert begins with them."""


def say(settings: Settings, alert_id: str, verdict: Verdict, by: str | None = None, note: str = "") -> AlertFeedback:
    """Put a word on an alert into the feedback topic, acknowledged by the broker.

    ``by`` is by default who is logged in here.

    Raises:
        InputError: no alert, or more than one, has an id that begins so.
        TopicsError: a topic is missing.
        BrokerError: the cluster cannot be reached or refuses.
    """
    topics = settings.topics
    alerts = latest_alerts(_values(settings, topics.alerts))
    require_topic(settings, topics.feedback)
    word = AlertFeedback(
        find(alerts, alert_id),
        verdict,
        harmless(by or who(), 100),
        harmless(note, LONGEST_NOTE),
        time.time_ns() // 1_000_000,
    )
    with broker_errors(settings, "sending feedback"):
        producer = KafkaProducer(**kafka_python_options(settings), acks="all")
        try:
            producer.send(topics.feedback, key=word.key, value=encode(word)).get(
                timeout=settings.kafka.delivery_timeout_seconds
            )
        finally:
            producer.close()
    return word


def precision(settings: Settings, as_json: bool) -> int:
    """Print, rule by rule, how many alerts rang, how people judged them, and the precision that follows. Returns 0.

    Raises:
        TopicsError: a topic is missing.
        BrokerError: the cluster cannot be reached or refuses.
    """
    alerts = latest_alerts(_values(settings, settings.topics.alerts))
    records = judged(alerts.values(), read_feedback(_values(settings, settings.topics.feedback)))
    if as_json:
        typer.echo(json.dumps([record.as_row() for record in records], indent=2))
        return 0
    table = Table("rule", *("rang", "confirmed", "dismissed", "not judged", "precision", "95% of the time within"))
    for record in records:
        low, high = record.interval
        shares = ("", "") if record.precision is None else (f"{record.precision:.0%}", f"{low:.0%} to {high:.0%}")
        counts = (record.rang, record.confirmed, record.dismissed, record.rang - record.judged)
        table.add_row(Text(harmless(record.rule, 64)), *(str(count) for count in counts), *shares)
    Console(file=sys.stdout).print(table)
    return 0


@dataclass(frozen=True)
class Record:
    """How the alerts of one rule were judged."""

    rule: str
    rang: int
    confirmed: int
    dismissed: int

    @property
    def judged(self) -> int:
        return self.confirmed + self.dismissed

    @property
    def precision(self) -> float | None:
        """Confirmed among judged; ``None`` where nobody judged."""
        return self.confirmed / self.judged if self.judged else None

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the precision.

        >>> tuple(round(edge, 3) for edge in Record("r", 20, 9, 1).interval)
        (0.596, 0.982)
        """
        n, z = self.judged, 1.96
        if not n:
            return 0.0, 1.0
        p = self.confirmed / n
        middle, spread = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return max(0.0, (middle - spread) / (1 + z * z / n)), min(1.0, (middle + spread) / (1 + z * z / n))

    def as_row(self) -> dict[str, Any]:
        """Plain JSON values."""
        low, high = self.interval
        return {
            "rule": self.rule,
            "rang": self.rang,
            "confirmed": self.confirmed,
            "dismissed": self.dismissed,
            "precision": self.precision,
            "low": low,
            "high": high,
        }


def judged(alerts: Iterable[Alert], said: Iterable[AlertFeedback]) -> list[Record]:
    """The record of each rule, by name; of several words on one alert the last that judges counts."""
    verdicts = last_verdicts(said)
    counts: dict[str, dict[str, int]] = {}
    for alert in alerts:
        if alert.state == "pending" or alert.reason == "lapsed":
            continue
        count = counts.setdefault(alert.rule, {"rang": 0, "confirm": 0, "dismiss": 0})
        count["rang"] += 1
        if alert.alert_id in verdicts:
            count[verdicts[alert.alert_id]] += 1
    return [Record(rule, one["rang"], one["confirm"], one["dismiss"]) for rule, one in sorted(counts.items())]


def find(alerts: Mapping[str, Alert], alert_id: str) -> str:
    """The whole id of the alert whose id is, or begins with, ``alert_id``.

    Raises:
        InputError: there is none, or more than one.
    """
    if alert_id in alerts:
        return alert_id
    found = [known for known in alerts if known.startswith(alert_id)] if len(alert_id) >= SHORTEST_PREFIX else []
    if len(found) != 1:
        what = "no alert" if not found else f"not one alert but {len(found)}"
        raise InputError(f"there is {what} with an id that begins with {harmless(alert_id, 64)!r}")
    return found[0]


def latest_alerts(values: Iterable[bytes]) -> dict[str, Alert]:
    """The present state of each alert by id."""
    found: dict[str, Alert] = {}
    for value in values:
        try:
            alert = msgspec.json.decode(value, type=Alert)
        except (ValueError, RecursionError):
            continue
        known = found.get(alert.alert_id)
        if known is None or alert.sequence >= known.sequence:
            found[alert.alert_id] = alert
    return found


def _values(settings: Settings, topic: str) -> list[bytes]:
    """Every value that ``topic`` holds now, oldest first in each partition."""
    partitions = [TopicPartition(topic, number) for number in range(require_topic(settings, topic))]
    with broker_errors(settings, f"reading {topic}"):
        consumer = KafkaConsumer(**kafka_python_options(settings), enable_auto_commit=False)
        try:
            consumer.assign(partitions)
            starts, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
            records = records_between(settings, consumer, starts, ends)
            return [record.value for record in records if record.value is not None]
        finally:
            consumer.close()


def who() -> str:
    """Who is logged in here."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"
