"""Records as the outside world sends them, and a log of what the broker acknowledged.

Seeded: the same seed gives the same bytes. From the second day of event time on, every day has two bad hours in
which one company is torn apart; the records of all partitions are sent in the order of their times.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import Producer

from tests.broker.books import Stored

BEGIN_MS = 1_709_251_200_000
"""2024-03-01T00:00:00Z."""
QUARTER_MS = 15 * 60 * 1000
ENDLESS = 10_000_000
PATIENCE_SECONDS = 240.0
COMPANIES = ("Aldermoor", "Brackwater", "Cindervale", "Dunholt", "Eastmere", "Farrowgate")
DETAILS = """annual audit autumn branch bridge budget buyers canal cargo carrier chapter clerk coast contract cotton
courier depot dealer district dock driver engine export factory ferry field filing fleet freight garden grain harbour
hearing hotel invoice island keeper kitchen ledger library lorry market meadow meeting mill minister notice office
orchard outlet owner parcel partner pier plant port print quarry quarter railway report river road route sailor schedule
season shelf shift ship shop signal station steel storage street supplier tariff tender terminal timber town tower trade
train tunnel union valley village wagon warehouse weather wharf window winter wool workshop yard""".split()  # noqa: SIM905 - words read better than a list


NEGATIVE = ("terrible fraud", "awful recall", "a lawsuit over losses", "worst outage", "angry and broken", "a scam")
OTHER = ("great growth", "happy and fast", "wins an award", "opens a branch", "publishes a notice", "moves its office")
"""What the tiny release hears as negative, and what it does not."""


@dataclass(frozen=True)
class Note:
    """One record to be sent."""

    id: str
    stream: str
    partition: int
    value: bytes
    event_ms: int


def stream_of_records(
    seed: int, count: int = ENDLESS, *, partitions: int = 4, step_ms: int = 60_000, details: int = 6
) -> Iterator[Note]:
    """``count`` records, one each ``step_ms`` of event time on average, half of them news and half reviews.

    In the bad hours of a day six of ten records complain about the company of the day. Texts without ``details``
    are too short to be recognised as copies of one another: each of them counts.
    """
    dice = random.Random(seed)
    for number in range(count):
        event_ms = BEGIN_MS + int((number + dice.random()) * step_ms)
        day, within = divmod(event_ms - BEGIN_MS, 96 * QUARTER_MS)
        bad = day >= 1 and 40 <= within // QUARTER_MS < 48 and dice.random() < 0.6
        company = COMPANIES[day % len(COMPANIES)] if bad else dice.choice(COMPANIES)
        lead = dice.choice(NEGATIVE if bad or dice.random() < 0.15 else OTHER)
        rest = " ".join(dice.choices(DETAILS, k=details))
        record: dict[str, Any] = {
            "id": f"r{seed}-{number}",
            "published_at": datetime.fromtimestamp(event_ms / 1000, UTC).isoformat().replace("+00:00", "Z"),
            "text": f"{company}: {lead} {rest}.",
            "lang": "en",
            "source": f"paper-{number % 7}",
        }
        stream = ("news", "reviews")[number % 2]
        if stream == "news":
            record["entities"] = [company]
        else:
            record["product"] = company
            record["stars"] = 1 + number % 5
        value = json.dumps(record).encode()
        yield Note(str(record["id"]), stream, (number // 2) % partitions, value, event_ms)


class Generator:
    """Sends with ``acks=all`` through librdkafka and keeps the log of what was acknowledged.

    Not kafka-python: its idempotent producer hung for good after one of the campaign's broker kills.
    """

    def __init__(self, servers: str, topics: dict[str, str]) -> None:
        self.stored: list[Stored] = []
        self.refused: list[str] = []
        self._topics = topics
        self._producer = Producer(
            {
                "bootstrap.servers": servers,
                "acks": "all",
                "enable.idempotence": True,
                "linger.ms": 5,
                "message.max.bytes": 16 * 1024 * 1024,
                "delivery.timeout.ms": int(PATIENCE_SECONDS * 1000),
                "socket.timeout.ms": 15_000,
                "reconnect.backoff.max.ms": 500,
                "log_level": 2,
            }
        )

    def __enter__(self) -> Generator:
        return self

    def __exit__(self, *_: object) -> None:
        self._producer.flush(30)

    def send(self, note: Note) -> None:
        """Hand one record to the client; waits where its queue is full."""
        self.send_raw(note.stream, note.partition, note.value, key=note.id.encode(), name=note.id)

    def send_raw(
        self, stream: str, partition: int, value: bytes | None, *, key: bytes | None = None, name: str = ""
    ) -> None:
        """Send any bytes at all."""
        digest = hashlib.sha256(value or b"").digest()[:8]

        def told(error: Any, message: Any) -> None:
            if error is None:
                self.stored.append(Stored(name, message.topic(), message.partition(), message.offset(), digest))
            else:
                self.refused.append(f"{name}: {error}")

        while True:
            try:
                self._producer.produce(self._topics[stream], value, key, partition, on_delivery=told)
            except BufferError:
                self._producer.poll(0.1)
            else:
                break
        self._producer.poll(0)

    def settle(self) -> list[Stored]:
        """Wait until everything is acknowledged; returns the log.

        Raises:
            AssertionError: the broker refused something, or gave no answer.
        """
        unanswered = self._producer.flush(PATIENCE_SECONDS)
        assert not self.refused, self.refused[:5]
        assert unanswered == 0, f"{unanswered} records are not acknowledged"
        return self.stored
