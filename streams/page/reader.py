"""Alerts, what people said of them, and alarms of drift, for the page: every partition, from the beginning, without
a group.

The page must never be in the line's way: where the broker does not answer, it waits and says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import aiokafka
import msgspec
from aiokafka.errors import KafkaError

from streams import logs
from streams.lessons import DriftSignal
from streams.notify.inbox import read_alert, read_feedback
from streams.operate.client import aiokafka_options
from streams.page.board import Board
from streams.page.model import alarmed
from streams.settings import Settings

POLL_MS = 500
MOST_RECORDS = 200
AGAIN_SECONDS = 3.0
LONGEST_SIGNAL_BYTES = 65_536

log = logs.get(__name__)


class Reader:
    """Fills ``board`` from the topics; ``connected`` says whether it is reading."""

    def __init__(self, settings: Settings, counts: Mapping[str, int], board: Board) -> None:
        self._settings = settings
        self._board = board
        self._alerts, self._feedback = settings.topics.alerts, settings.topics.feedback
        self._drift = settings.topics.drift
        self._places = [
            aiokafka.TopicPartition(topic, number)
            # words first: an alert then comes with what was said of it
            for topic in (self._feedback, self._alerts, self._drift)
            for number in range(counts.get(topic, 0))
        ]
        self._next: dict[Any, int] = {}
        self.connected = False

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            try:
                await self._read()
            except KafkaError as exc:
                log.warning("the page reads no alerts for now", reason=repr(exc)[:200])
            finally:
                self.connected = False
            await asyncio.sleep(AGAIN_SECONDS)

    async def _read(self) -> None:
        consumer = aiokafka.AIOKafkaConsumer(
            **aiokafka_options(self._settings, "page"),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=POLL_MS,
        )
        try:
            await consumer.start()
            consumer.assign(self._places)
            for place in self._places:
                if place in self._next:
                    consumer.seek(place, self._next[place])
                else:
                    await consumer.seek_to_beginning(place)
            self.connected = True
            while True:
                for place, records in (await consumer.getmany(timeout_ms=POLL_MS, max_records=MOST_RECORDS)).items():
                    for record in records:
                        self._take(record.topic, record.value)
                        self._next[place] = record.offset + 1
        finally:
            await consumer.stop()

    def _take(self, topic: str, value: bytes | None) -> None:
        if value is None:
            return
        if topic == self._alerts:
            alert = read_alert(value)
            if alert is not None:
                self._board.take(alert)
        elif topic == self._drift:
            signal = read_drift(value)
            if signal is not None:
                self._board.drift(alarmed(signal))
        else:
            word = read_feedback(value)
            if word is not None:
                self._board.hear(word)


def read_drift(value: bytes) -> DriftSignal | None:
    """The alarm in ``value``; ``None`` where it is none."""
    try:
        return msgspec.json.decode(value, type=DriftSignal) if len(value) <= LONGEST_SIGNAL_BYTES else None
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return None
