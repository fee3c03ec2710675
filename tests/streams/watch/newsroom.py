"""Documents written by hand for the watcher's tests: scored records, cut into slabs as a worker would."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from streams.alerting import Rule
from streams.records import Alert, Observations, Origin, ScoredDocument, ScoredEntity, SentimentProbs
from streams.settings import WatchSettings
from streams.watch.observations import gather
from streams.watch.watcher import Watcher

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
MONDAY = 1_704_067_200_000  # 2024-01-01T00:00:00Z
RULES = (Rule(name="negative-spike"),)

BAD = SentimentProbs(0.9, 0.06, 0.04)
CALM = SentimentProbs(0.05, 0.85, 0.1)


@dataclass(frozen=True)
class Voice:
    """One document: when, where, how it feels about whom."""

    event_ms: int
    negative: bool = False
    entity: str = "acme"
    partition: int = 0
    signature: int | None = None
    source: str = "wire"
    topic: str = ""


def scored(voice: Voice, offset: int) -> ScoredDocument:
    probs = BAD if voice.negative else CALM
    mood = "negative" if voice.negative else "neutral"
    signature = voice.signature if voice.signature is not None else 1 + offset * 64 + voice.partition
    return ScoredDocument(
        id=f"p{voice.partition}-{offset}",
        origin=Origin("news", voice.partition, offset),
        stream="news",
        event_ms=voice.event_ms,
        title=f"Headline {offset}",
        text="",
        source=voice.source,
        url="",
        lang="en",
        flags=(),
        sentiment=mood,
        sentiment_probs=probs,
        topic=voice.topic,
        topics={},
        entities=(ScoredEntity(voice.entity, voice.entity, None, None, mood, probs),),
        signature=f"{signature:016x}",
        release="r1",
    )


def slab(documents: Sequence[ScoredDocument], partition: int = 0) -> Observations:
    """The message of observations partition 0 of 1 for ``documents``, consecutive in source ``partition``."""
    offsets = [document.origin.offset for document in documents]
    [message] = gather(
        documents,
        topic="news",
        partition=partition,
        first=min(offsets),
        last=max(offsets),
        event_ms=None,
        release="r1",
        partitions=1,
        languages=("en",),
    )
    return message


def slabs(voices: Iterable[Voice], size: int = 50) -> list[Observations]:
    """``voices`` of source partition 0 as messages of ``size`` documents."""
    documents = [scored(voice, offset) for offset, voice in enumerate(voices)]
    return [slab(documents[at : at + size]) for at in range(0, len(documents), size)]


def watcher(partitions: int = 1, **settings: object) -> Watcher:
    return Watcher(0, WatchSettings.model_validate(settings), RULES, {"news": partitions})


def play(watch: Watcher, messages: Iterable[Observations], flush: bool = True) -> list[Alert]:
    alerts = [alert for message in messages for alert in watch.apply(message)]
    return alerts + watch.flush() if flush else alerts


def quiet_days(days: float, start: int = MONDAY, every: int = 5 * MINUTE, entity: str = "acme") -> list[Voice]:
    """Calm coverage, one story in five negative, evenly spread."""
    count = int(days * DAY // every)
    return [Voice(start + i * every, negative=i % 5 == 0, entity=entity) for i in range(count)]


def crisis(start: int, stories: int = 30, every: int = 20_000, **more: object) -> list[Voice]:
    """Negative stories in a row."""
    return [Voice(start + i * every, negative=True, **more) for i in range(stories)]  # type: ignore[arg-type]
