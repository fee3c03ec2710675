"""Documents and alerts to keep, and an archive to keep them in."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from streams.archive.entries import Entry, entry_of
from streams.archive.shelves import SqliteShelves
from streams.archive.sqlite import SqliteArchive
from streams.archive.store import Batch, Offsets, Taken
from streams.records import Alert, Origin, ScoredDocument, ScoredEntity, Sentiment, SentimentProbs, TopicCall

MONDAY = 1_767_571_200_000
MINUTE = 60_000
NOW = MONDAY + 7 * 86_400_000


def probs(mood: Sentiment) -> SentimentProbs:
    table = {"negative": (0.9, 0.07, 0.03), "neutral": (0.1, 0.8, 0.1), "positive": (0.05, 0.1, 0.85)}
    return SentimentProbs(*table[mood])


def encoded(vector: Sequence[float] | np.ndarray) -> str:
    """An embedding as a scored record carries it."""
    return base64.b64encode(np.asarray(vector, "<f2").tobytes()).decode()


def scored(
    number: int,
    title: str = "",
    text: str = "",
    *,
    mood: Sentiment = "neutral",
    about: Sequence[tuple[str, Sentiment]] = (),
    stream: str = "news",
    topic: str = "Earnings",
    source: str = "wire",
    url: str = "",
    release: str = "r1",
    vector: Sequence[float] | np.ndarray | None = None,
    id: str | None = None,
    at_ms: int | None = None,
) -> ScoredDocument:
    """The scored document ``number``, a minute after the one before."""
    return ScoredDocument(
        id=id if id is not None else f"d{number}",
        origin=Origin(stream, 0, number),
        stream=stream,
        event_ms=MONDAY + number * MINUTE if at_ms is None else at_ms,
        title=title or f"Title {number}",
        text=text or f"{title or f'Title {number}'}\nText of {number}.",
        source=source,
        url=url,
        lang="en",
        flags=(),
        sentiment=mood,
        sentiment_probs=probs(mood),
        topic=topic,
        topics={"finance": TopicCall(topic, 0.7)},
        entities=tuple(
            ScoredEntity(name.title(), name, None, None, feeling, probs(feeling)) for name, feeling in about
        ),
        signature=f"{number:016x}",
        release=release,
        embedding=None if vector is None else encoded(vector),
    )


class Room:
    """An archive in ``folder``, written and read as the processes do."""

    def __init__(self, folder: Path, *, masked: bool = True) -> None:
        self.path = folder / "archive.sqlite"
        self.masked = masked
        self.archive = SqliteArchive(self.path, masked=masked)

    def keep(
        self,
        *documents: ScoredDocument,
        alerts: Sequence[Alert] = (),
        offsets: Offsets | None = None,
        stored_ms: int = NOW,
    ) -> Taken:
        entries: list[Entry] = [entry_of(document, stored_ms, self.masked) for document in documents]
        return self.archive.take(Batch(entries, [(alert, stored_ms) for alert in alerts], offsets or {}))

    @contextmanager
    def open(self, seconds: float = 30.0) -> Iterator[SqliteShelves]:
        with SqliteShelves(self.path, seconds) as shelves:
            yield shelves

    def close(self) -> None:
        self.archive.close()
