"""A live page with real watchers behind it and no broker: documents go in, a server shows them.

The watchers, the board and the routes are the worker's own; only Kafka is left out, so words on alerts come back
by hand.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from prometheus_client import CollectorRegistry

from streams.delivery.outputs import Output
from streams.errors import DeliveryError
from streams.metrics import Metrics
from streams.page import LivePage
from streams.page.access import Access
from streams.page.sentiments import heard
from streams.page.site import Site
from streams.records import AlertFeedback, Origin, ScoredDocument, ScoredEntity, SentimentProbs
from streams.settings import ArchiveSettings, IntakeSettings, Settings, WatchSettings, WebSettings
from streams.watch.observations import gather
from streams.watch.watcher import Watcher
from streams.web import Health, serve

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
MONDAY = 1_767_571_200_000  # 2026-01-05T00:00:00Z
PROBS = {
    "negative": SentimentProbs(0.91, 0.06, 0.03),
    "neutral": SentimentProbs(0.08, 0.84, 0.08),
    "positive": SentimentProbs(0.03, 0.1, 0.87),
}
HARMLESS = {"title": "A quiet word about kettles", "source": "wire", "url": ""}


@dataclass
class Watched:
    watcher: Watcher
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass
class Broker:
    """Takes words on alerts; the newsroom hands them back as the reader would."""

    said: list[AlertFeedback] = field(default_factory=list)
    refusing: bool = False

    async def deliver(self, outputs: Iterable[Output]) -> None:
        await asyncio.sleep(0)
        if self.refusing:
            raise DeliveryError("away")
        for output in outputs:
            assert output.value is not None
            self.said.append(msgspec.json.decode(output.value, type=AlertFeedback))


class NoReader:
    """In place of the one on Kafka: says that all is well, and brings nothing."""

    connected = True

    async def run(self) -> None:
        await asyncio.Event().wait()


class Newsroom:
    """One worker's page. ``publish`` is what a scored slab does; ``clock`` is the stream's time in ms."""

    def __init__(
        self, watchlist: Path | None = None, token: str = "", host: str = "127.0.0.1", archive: Path | None = None
    ) -> None:
        self.settings = Settings(
            archive=ArchiveSettings(path=archive or Path("no-archive.sqlite")),
            intake=IntakeSettings(watchlist=watchlist),
            watch=WatchSettings(grace_seconds=0),
            web=WebSettings.model_validate({"host": host, "port": 0, "token": token}),
        )
        self.broker = Broker()
        self.metrics = Metrics.bind(CollectorRegistry())
        self.health = Health(stall_seconds=1e9)
        counts = {topic.name: 1 for topic in self.settings.topics.all()}
        self.page = LivePage(self.settings, counts, self.broker, self.metrics, self.health)  # type: ignore[arg-type]
        self.watched = Watched(Watcher(0, self.settings.watch, self.settings.rules, {"news": 1, "reviews": 1}))
        self.watched.watcher.listener = self.page.listener(0)
        self.page.reader = NoReader()
        self.page.watches = lambda: [self.watched]
        self.clock = MONDAY
        self._offset = 0
        self._site = Site(self.page, Access(host, self.settings.web.page_token()))
        self.url = ""

    def publish(self, documents: Sequence[ScoredDocument]) -> None:
        """Count ``documents`` in, raise what rings, show it. The clock goes to the last of them."""
        if not documents:
            return
        self.clock = max(self.clock, *(document.event_ms for document in documents))
        message = gather(
            documents, topic="news", partition=0, first=documents[0].origin.offset, last=documents[-1].origin.offset,
            event_ms=self.clock, release="r1", partitions=1, languages=("en",),
        )[0]  # fmt: skip
        other = msgspec.structs.replace(message, topic="reviews", items=(), documents=(), first=0, last=-1)
        with self.watched.lock:
            alerts = self.watched.watcher.apply(message) + self.watched.watcher.apply(other)
        for alert in alerts:
            self.page.board.take(alert)
        self.page.hear(heard(documents, ("en",)))
        self.metrics.records_scored.labels("news").inc(len(documents))

    def hand_back(self) -> None:
        """What the broker took comes back on the feedback topic."""
        while self.broker.said:
            self.page.board.hear(self.broker.said.pop(0))

    def document(self, company: str, mood: str, at_ms: int, **changes: str) -> ScoredDocument:
        """A document about ``company``, the next of the source partition."""
        self._offset += 1
        told = HARMLESS | changes
        return ScoredDocument(
            id=f"d{self._offset}", origin=Origin("news", 0, self._offset), stream="news", event_ms=at_ms,
            title=told["title"], text="", source=told["source"], url=told["url"], lang="en", flags=(),
            sentiment=mood, sentiment_probs=PROBS[mood], topic=told.get("topic", "Company | Product News"), topics={},  # type: ignore[arg-type]
            entities=(ScoredEntity(told.get("name", company), company, None, None, mood, PROBS[mood]),),  # type: ignore[arg-type]
            signature=f"{self._offset * 64:016x}", release="r1",
        )  # fmt: skip

    def live_through(self, days: float, companies: Mapping[str, float], seed: int = 7) -> None:
        """Ordinary days: each company has so many documents an hour, one in six of them negative."""
        chance = random.Random(seed)
        until = self.clock + int(days * DAY)
        at, slab = self.clock, list[ScoredDocument]()
        while at < until:
            for company, per_hour in companies.items():
                if chance.random() < per_hour / 12:
                    mood = chance.choices(("negative", "neutral", "positive"), (1, 3, 2))[0]
                    slab.append(self.document(company, mood, at, title=f"Notes on {company}, part {self._offset}"))
            at += 5 * MINUTE
            if len(slab) >= 60:
                self.publish(slab)
                slab = []
        self.publish(slab)

    def crisis(self, company: str, stories: int = 20, minutes: int = 25, **changes: str) -> None:
        """Bad stories about ``company``, one after the other, and the time for them to be counted."""
        begin, step = self.clock + MINUTE, minutes * MINUTE // stories
        told = {"title": "Kettle of {0} bursts in a kitchen, {1} hurt", "source": "wire"} | changes
        self.publish(
            [
                self.document(
                    company,
                    "negative",
                    begin + n * step,
                    **told | {"title": told["title"].replace("{0}", company).replace("{1}", str(n))},
                )
                for n in range(stories)
            ]
        )
        self.publish([self.document("elsewhere", "neutral", begin + (minutes + 6) * MINUTE)])

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        """Serve it; gives the address."""
        web = self.settings.web if self.settings.web.host == "127.0.0.1" else WebSettings(port=0)
        runner, port = await serve(web, self.metrics.registry, self.health, extend=self._site.add_to)
        self.health.facts.update(release="shipped-2026-01", provider="cpu", precision="int8")
        running = asyncio.ensure_future(self.page.run())
        self.url = f"http://127.0.0.1:{port}"
        try:
            yield self.url
        finally:
            running.cancel()
            await runner.cleanup()
