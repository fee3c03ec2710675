"""The live page of one process: what is shown, kept fresh while somebody looks."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
from prometheus_client import Counter

from streams.archive.questions import names_of
from streams.delivery.outputs import Output, Outputs, partition_by_key
from streams.intake import WatchList
from streams.metrics import Metrics
from streams.page.board import Board, Frame
from streams.page.gauges import MOST_ENTITIES
from streams.page.looking import LookingBack
from streams.page.model import Reading, expected, gauged, heard
from streams.page.past import Past
from streams.page.reader import Reader
from streams.page.rows import Detail, Row, by_weight, detail, find, measured, rows
from streams.page.sentiments import Heard, Mix
from streams.records import AlertFeedback, encode
from streams.settings import Settings
from streams.watch.watcher import Listener, Watcher
from streams.web import Health

REFRESH_SECONDS = 0.5
RATE_SECONDS = 5.0
MEASURE_SECONDS = 10.0
"""How fresh the series are that Prometheus sees."""
LINE_SECONDS, LINE_POINTS = 5.0, 180
"""A quarter of an hour of the line's rate and lag, for who opens the page."""
MOST_ROWS = 150
MOST_FOUND = 50
MOST_NAMES = 5_000


class Watched(Protocol):
    """A watcher and the lock under which it may be read."""

    @property
    def watcher(self) -> Watcher: ...
    @property
    def lock(self) -> threading.Lock: ...


class AlertReader(Protocol):
    """Brings alerts, and what people said of them, onto the board."""

    connected: bool

    async def run(self) -> None: ...


@dataclass(frozen=True)
class _Sample:
    """Counters at one moment (monotonic seconds); ``latency`` holds the buckets of the end-to-end histogram."""

    at: float
    scored: float
    dead: float
    latency: tuple[tuple[float, float], ...]


class LivePage:
    """Gathers what the page shows of this process, its watchers and the alerts of all; ``watches`` names the first.

    ``hear`` takes what a scored slab adds. Lives on the worker's loop; watchers are read in a thread.
    """

    def __init__(
        self, settings: Settings, counts: Mapping[str, int], outputs: Outputs, metrics: Metrics, health: Health
    ) -> None:
        watchlist = WatchList.load(settings.intake.watchlist)
        self.board = Board({entity: watchlist.parents(entity) for entity in watchlist.entities})
        self.archive = LookingBack(settings, names_of(watchlist))
        self._names = {entity.id: entity.name for entity in list(watchlist.entities.values())[:MOST_NAMES]}
        self.hear: Callable[[Heard], None] = self.board.count
        self.watches: Callable[[], Sequence[Watched]] = lambda: ()
        self.readings: Callable[[], list[Reading]] = list
        self.lookers = 0
        self._settings = settings
        self._counts = counts
        self._outputs = outputs
        self._metrics = metrics
        self._health = health
        self.reader: AlertReader = Reader(settings, counts, self.board)
        self._pasts: dict[int, Past] = {}
        self._samples: deque[_Sample] = deque(maxlen=round(RATE_SECONDS / REFRESH_SECONDS) + 1)
        self._line: deque[tuple[float, int]] = deque(maxlen=LINE_POINTS)
        self._tick = asyncio.Event()
        self._looking = asyncio.Lock()
        self.measured: list[Row] = []
        self._listed = {f"entity:{entity}" for entity in list(watchlist.entities)[:MOST_ENTITIES]}
        self._stamps: dict[int, tuple[Any, ...]] = {}
        self._rows: dict[int, list[Row]] = {}
        self.closing = False

    def listener(self, partition: int) -> Listener:
        """What the watcher of ``partition`` tells of its windows from now on; an earlier one's past is forgotten."""
        past = self._pasts[partition] = Past()
        return past.hear

    async def run(self) -> None:
        """Read alerts, and keep what is shown fresh, until cancelled."""
        reading = asyncio.ensure_future(self.reader.run())
        try:
            measured_at = drawn_at = float("-inf")
            while True:
                self._sample()
                if time.monotonic() - measured_at >= MEASURE_SECONDS:
                    measured_at = time.monotonic()
                    self.measured = await asyncio.to_thread(self._measure)
                if time.monotonic() - drawn_at >= LINE_SECONDS:
                    drawn_at = time.monotonic()
                    self._line.append((self._rate() or 0.0, round(self._lag())))
                if self.lookers:
                    await self.refresh()
                self._turn()
                await asyncio.sleep(REFRESH_SECONDS)
        finally:
            reading.cancel()

    def mix(self, series: str) -> Mix:
        """Negative, neutral and positive documents of ``series`` in the last day."""
        return self.board.mix(series)

    def close(self) -> None:
        """Let every stream of events end."""
        self.closing = True
        self._turn()

    async def turned(self) -> None:
        """Wait for the next look at the world."""
        await self._tick.wait()

    async def refresh(self) -> None:
        """Look at the watchers and put what they know on the board."""
        async with self._looking:
            watches = list(self.watches())
            await asyncio.to_thread(self._look, watches)
            here = {watch.watcher.partition for watch in watches}
            for partition in self._rows.keys() - here:
                del self._rows[partition], self._stamps[partition]
            self.board.show(by_weight([row for found in self._rows.values() for row in found])[:MOST_ROWS])

    def frame(self, version: int) -> Frame:
        """What a client that has ``version`` is told now."""
        first = version < 0
        names, line = (self._names, list(self._line)) if first else ({}, [])
        return msgspec.structs.replace(self.board.since(version), status=self.status(), names=names, line=line)

    async def detail(self, name: str) -> Detail | None:
        """Everything about one series; ``None`` where no watcher here has it."""
        return await asyncio.to_thread(self._detail, name)

    async def find(self, words: str) -> list[str]:
        """Names of series watched here that hold ``words``."""
        return await asyncio.to_thread(self._find, words)

    async def say(self, word: AlertFeedback) -> None:
        """Put a person's word into the feedback topic, acknowledged.

        Raises:
            DeliveryError: the broker did not take it.
        """
        topic = self._settings.topics.feedback
        home = partition_by_key(word.key, self._counts[topic])
        await self._outputs.deliver([Output(topic, home, word.key, encode(word))])

    def status(self) -> dict[str, Any]:
        """How the line is doing."""
        watchers = [watch.watcher for watch in self.watches()]
        marks = [mark for watcher in watchers if (mark := watcher.watermark_ms) is not None]
        first, last = (self._samples[0], self._samples[-1]) if self._samples else (None, None)
        facts = self._health.facts
        return {
            "instance": self._settings.prefix,
            "ready": self._health.ready,
            "alerts_read": self.reader.connected,
            "standing": self.board.standing,
            "scored": round(last.scored) if last else 0,
            "dead": round(last.dead) if last else 0,
            "rate": self._rate(),
            "latency": _latency(first, last) if first and last else None,
            "lag": round(self._lag()),
            "stream_ms": min(marks, default=None),
            "series": sum(watcher.series_count for watcher in watchers),
            "learning": bool(watchers) and all(w.rows < w.tuning.rows_per_day for w in watchers),
            "watched": len(watchers),
            "partitions": self._counts[self._settings.topics.observations],
            "release": facts.get("release", ""),
            "provider": facts.get("provider", ""),
            "precision": facts.get("precision", ""),
            "archive": self.archive.there,
            "readings": self.readings(),
            "refused": facts.get("refused releases", ""),
            "drift": gauged(self._metrics),
            "drift_heard": heard(self._metrics),
            "run_length": self._settings.drift.run_length,
            "expected": expected(self._metrics.expected_accuracy),
            "budget": min((rule.budget for rule in self._settings.rules), default=None),
            "embedded": self._settings.kafka.embedded,
        }

    # In a thread

    def _look(self, watches: Sequence[Watched]) -> None:
        for watch in watches:
            with watch.lock:
                watcher = watch.watcher
                stamp = (id(watcher), watcher.mark_ms, watcher.rows, watcher.late, len(watcher.incidents.open))
                if self._stamps.get(watcher.partition) != stamp:
                    self._rows[watcher.partition] = rows(watcher, self._pasts.get(watcher.partition), MOST_ROWS)
                    self._stamps[watcher.partition] = stamp

    def _measure(self) -> list[Row]:
        found: list[Row] = []
        for watch in self.watches():
            with watch.lock:
                found += measured(watch.watcher, self._pasts.get(watch.watcher.partition), self._listed)
        return found

    def _detail(self, name: str) -> Detail | None:
        for watch in self.watches():
            with watch.lock:
                found = detail(watch.watcher, self._pasts.get(watch.watcher.partition), name)
            if found is not None:
                return found
        return None

    def _find(self, words: str) -> list[str]:
        names: list[str] = []
        for watch in self.watches():
            with watch.lock:
                names += find(watch.watcher, words, MOST_FOUND)
        return sorted(names)[:MOST_FOUND]

    # On the loop

    def _turn(self) -> None:
        tick, self._tick = self._tick, asyncio.Event()
        tick.set()

    def _sample(self) -> None:
        buckets = tuple(
            (float(sample.labels["le"]), sample.value)
            for family in self._metrics.end_to_end_seconds.collect()
            for sample in family.samples
            if sample.name.endswith("_bucket")
        )
        scored, dead = _total(self._metrics.records_scored), _total(self._metrics.dead_letters)
        self._samples.append(_Sample(time.monotonic(), scored, dead, buckets))

    def _rate(self) -> float | None:
        """Documents scored a second, of late."""
        if len(self._samples) < 2:
            return None
        first, last = self._samples[0], self._samples[-1]
        return round((last.scored - first.scored) / (last.at - first.at), 1)

    def _lag(self) -> float:
        inputs = set(self._settings.topics.inputs)
        return sum(
            float(sample.value)
            for family in self._metrics.lag.collect()
            for sample in family.samples
            if sample.labels["topic"] in inputs
        )


def _total(counter: Counter) -> float:
    return sum(float(s.value) for family in counter.collect() for s in family.samples if s.name.endswith("_total"))


def _latency(first: _Sample, last: _Sample) -> float | None:
    """Below how many seconds 95 of 100 records stayed between two samples: the edge of a bucket, ``None`` for none."""
    before = dict(first.latency)
    fresh = [(edge, count - before.get(edge, 0.0)) for edge, count in last.latency]
    if not fresh or fresh[-1][1] <= 0:
        return None
    edge = next(edge for edge, count in fresh if count >= 0.95 * fresh[-1][1])
    return edge if edge != float("inf") else None
