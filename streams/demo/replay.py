"""Sends the day into the input topics by its arrival times, faster than it happened.

Each topic's records go to one partition. A partition moves event time on when it gets a record; were a day's few
records spread over four and replayed this fast, the emptiest would hold back the clock for all.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from confluent_kafka import Producer

from streams.demo.sample import DAY, SampleRecord, milliseconds
from streams.errors import BrokerError
from streams.settings import Settings

STEP_SECONDS = 0.05
HOUR_MS = 3_600_000
PARTITION = 0


class DayReplay:
    """``sent`` counts records that the broker has taken; ``hour`` is the hour of the day that is being sent."""

    def __init__(self, settings: Settings, records: Sequence[SampleRecord], speed: float) -> None:
        if speed <= 0:
            raise ValueError("speed must be above 0")
        self._records = records
        self.speed = speed
        self._topics = {name: stream.topic for name, stream in settings.streams.items()}
        self._refused = ""
        self.sent = 0
        self._at_ms = records[0].arrives_ms - HOUR_MS // 60
        self._producer: Any = Producer(
            {"bootstrap.servers": ",".join(settings.brokers), "linger.ms": 5, "log_level": 0}
        )

    @property
    def hour(self) -> float:
        return (self._at_ms - milliseconds(DAY)) / HOUR_MS

    async def send(self) -> None:
        """Send everything in time.

        Raises:
            BrokerError: the broker did not take a record.
        """
        begun, first = time.monotonic(), self._at_ms
        for record in self._records:
            while (ahead := (record.arrives_ms - first) / 1000 / self.speed - (time.monotonic() - begun)) > 0:
                self._at_ms = round(first + (time.monotonic() - begun) * self.speed * 1000)
                self._producer.poll(0)
                await asyncio.sleep(min(ahead, STEP_SECONDS))
            self._at_ms = record.arrives_ms
            self._producer.produce(
                self._topics[record.stream], record.value, record.id, PARTITION, on_delivery=self._delivered
            )
        while len(self._producer) > 0:
            self._producer.poll(0)
            await asyncio.sleep(STEP_SECONDS)
        if self._refused:
            raise BrokerError(f"the embedded broker did not take a record: {self._refused}")

    def _delivered(self, error: object, _: object) -> None:
        if error is None:
            self.sent += 1
        else:
            self._refused = str(error)
