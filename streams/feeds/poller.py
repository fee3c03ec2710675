"""One look at a feed: ask, read, send what is new, remember it; and what came of it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Literal

from streams.feeds.documents import dated, document, item_id
from streams.feeds.fetching import Answer, FeedFailure, Fetcher
from streams.feeds.manners import Hosts, next_wait
from streams.feeds.memory import Entry, Memory
from streams.feeds.readers import Readers
from streams.feeds.reading import Reading, Request
from streams.feeds.settings import FeedsSettings
from streams.feeds.sources import Feed
from streams.operate.terminal import harmless

READERS = 4
"""More than there is work for: some may be busy with what was made to keep them busy."""

OutcomeKind = Literal["new", "unchanged", "failed", "waiting"]
OUTCOMES: tuple[OutcomeKind, ...] = ("new", "unchanged", "failed", "waiting")
Deliver = Callable[[Sequence[tuple[str, bytes]]], Awaitable[None]]
"""Sends documents, each with its id, and returns once they are acknowledged. Raises DeliveryError."""


@dataclass(frozen=True)
class Outcome:
    """What came of asking a feed: documents ``sent``, items already ``known``, ``undated`` ones that were not sent."""

    feed: Feed
    kind: OutcomeKind
    sent: int = 0
    known: int = 0
    undated: int = 0
    left_out: int = 0
    received: int = 0
    seconds: float = 0.0
    reason: str = ""


class Poller:
    """Looks at feeds, several together. Used from one event loop."""

    def __init__(self, settings: FeedsSettings, memory: Memory, deliver: Deliver) -> None:
        self._settings = settings
        self._memory = memory
        self._deliver = deliver
        self._fetcher = Fetcher(settings)
        self._readers = Readers(READERS)
        self._hosts = Hosts(settings.host_seconds, time.monotonic)
        self._room = asyncio.Semaphore(settings.at_once)
        self._dice = random.Random()  # noqa: S311 - it only spreads requests over time

    async def close(self) -> None:
        """End connections and readers."""
        await self._fetcher.close()
        await self._readers.close()

    def due_ms(self, feed: Feed) -> int:
        """The wall-clock time at which ``feed`` is to be asked next; 0 where it never was."""
        entry = self._memory.entry(feed.id)
        return max(entry.not_before_ms, entry.polled_ms and entry.polled_ms + round(1000 * self._wait(feed, 0, 0)))

    async def poll(self, feed: Feed) -> Outcome:
        """Ask ``feed`` when it is its host's turn, unless it has to be left alone yet.

        Raises:
            DeliveryError: the broker did not acknowledge; nothing of this look is remembered.
        """
        entry = self._memory.entry(feed.id)
        if entry.not_before_ms > _now_ms():
            return _waiting(feed, "it failed before", (entry.not_before_ms - _now_ms()) / 1000)
        async with self._hosts.turn(feed.host):
            if away := self._hosts.away_seconds(feed.host):
                self._memory.put(feed.id, replace(entry, not_before_ms=_now_ms() + round(1000 * away)))
                return _waiting(feed, "its host asked to be left alone", away)
            async with self._room:
                return await self._ask(feed, entry)

    async def _ask(self, feed: Feed, entry: Entry) -> Outcome:
        now_ms, began = _now_ms(), time.monotonic()
        try:
            answer = await self._fetcher.fetch(feed, entry.etag, entry.modified)
            outcome = await self._take(feed, entry, answer, now_ms)
        except FeedFailure as failure:
            failures = entry.failures + 1
            later_ms = now_ms + round(1000 * self._wait(feed, failures, failure.wait_seconds))
            self._memory.put(feed.id, replace(entry, failures=failures, not_before_ms=later_ms, polled_ms=now_ms))
            self._hosts.leave_alone(feed.host, failure.wait_seconds)
            outcome = Outcome(feed, "failed", reason=failure.reason)
        return replace(outcome, seconds=time.monotonic() - began)

    async def _take(self, feed: Feed, entry: Entry, answer: Answer, now_ms: int) -> Outcome:
        entry = replace(entry, failures=0, not_before_ms=0, polled_ms=now_ms)
        digest = blake2b(answer.body or b"", digest_size=16).digest()
        if answer.body is None or digest == entry.digest:
            self._memory.put(feed.id, entry)
            return Outcome(feed, "unchanged", received=answer.received)
        request = Request(answer.body, answer.content_type, answer.url, self._settings.max_items)
        reading = await self._readers.read(request)
        if reading.refusal:
            raise FeedFailure(reading.refusal)
        outcome, documents = self._new(feed, reading, now_ms, first=not entry.read_ms)
        await self._deliver(documents)
        entry = replace(entry, etag=answer.etag, modified=answer.modified, digest=digest, read_ms=now_ms)
        self._memory.put(feed.id, entry, (item_id(feed, item) for item in reading.items))
        return replace(outcome, received=answer.received)

    def _new(
        self, feed: Feed, reading: Reading, now_ms: int, *, first: bool
    ) -> tuple[Outcome, list[tuple[str, bytes]]]:
        """What of ``reading`` is to be sent.

        Items without a date are as old as our first sight of them. Of a feed never seen before that would make a year
        of them one busy minute: those are only remembered.
        """
        items = {item_id(feed, item): item for item in reversed(reading.items)}
        unknown = self._memory.unknown(feed.id, reversed(items))
        wanted = [name for name in unknown if not first or dated(items[name], now_ms)]
        title = harmless(reading.title)
        documents = [(name, document(feed, title, items[name], now_ms)) for name in wanted]
        outcome = Outcome(
            feed,
            "new" if documents else "unchanged",
            sent=len(documents),
            known=len(items) - len(unknown),
            undated=len(unknown) - len(wanted),
            left_out=reading.left_out,
        )
        return outcome, documents

    def _wait(self, feed: Feed, failures: int, asked_for: float) -> float:
        every = feed.every_seconds or self._settings.every_seconds
        return next_wait(every, failures, asked_for, self._dice)


def _waiting(feed: Feed, why: str, seconds: float) -> Outcome:
    return Outcome(feed, "waiting", reason=f"{why}; asked again in {seconds:.0f} s")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
