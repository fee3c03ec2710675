"""A document and what the release heard in it, joined into the record that leaves the score stage.

Pure. The agents and the offline verbs call the same functions, so a file and a stream give equal records.
Probabilities are rounded before a winner is chosen: noise in the last bit of a sum (another batch, another
processor) then moves neither a number nor a label.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from streams.errors import SettingsError
from streams.records import (
    PROBABILITY_DIGITS,
    Document,
    ScoredDocument,
    ScoredEntity,
    Sentiment,
    SentimentProbs,
    TopicCall,
)

SENTIMENTS: tuple[Sentiment, Sentiment, Sentiment] = ("negative", "neutral", "positive")
"""The order of the three sentiment columns."""

Span = tuple[int, int]
Feeling = tuple[Sentiment, SentimentProbs]


class StreamTaxonomy(Protocol):
    """What of a stream's settings is needed here."""

    @property
    def taxonomy(self) -> str: ...


class Heard(Protocol):
    """The arrays of ``models.scorer.Scores`` for n documents."""

    @property
    def sentiment(self) -> NDArray[np.float32]: ...
    @property
    def topics(self) -> Mapping[str, NDArray[np.float32]]: ...
    @property
    def entities(self) -> Sequence[NDArray[np.float32]]: ...
    @property
    def embedding(self) -> NDArray[np.float32]: ...


@dataclass(frozen=True)
class Reading:
    """What of a release goes into every record: its version, its labels, and each stream's main taxonomy."""

    release: str
    taxonomies: Mapping[str, tuple[str, ...]]
    main: Mapping[str, str]
    embeddings: bool = False

    @classmethod
    def of(cls, scorer: Any, streams: Mapping[str, StreamTaxonomy], embeddings: bool = False) -> Reading:
        """Read ``scorer``'s version and labels; ``streams`` maps a stream's name to its settings.

        Raises:
            SettingsError: a stream names a taxonomy that the release does not have.
        """
        for name, stream in streams.items():
            if stream.taxonomy not in scorer.taxonomies:
                known = ", ".join(sorted(scorer.taxonomies))
                raise SettingsError(
                    f"streams.{name}.taxonomy: {stream.taxonomy!r} is none of release {scorer.release}'s: {known}"
                )
        main = {name: stream.taxonomy for name, stream in streams.items()}
        return cls(scorer.release, dict(scorer.taxonomies), main, embeddings)


def spans_of(document: Document) -> list[Span | None]:
    """Where the scorer finds each mention in ``document.heard``; ``None`` for one that was only named."""
    return [
        None if m.heard_start is None or m.heard_end is None else (m.heard_start, m.heard_end)
        for m in document.mentions
    ]


def scored_documents(documents: Sequence[Document], scores: Heard, reading: Reading) -> list[ScoredDocument]:
    """Join n documents with the n rows of ``scores``, in order."""
    feelings = _feelings(scores.sentiment)
    toward = iter(_feelings(np.concatenate(scores.entities)) if any(d.mentions for d in documents) else ())
    calls = {name: _calls(scores.topics[name], labels) for name, labels in reading.taxonomies.items()}
    return [
        _join(
            document,
            feelings[i],
            {name: rows[i] for name, rows in calls.items()},
            [next(toward) for _ in document.mentions],
            _embedding(scores.embedding[i]) if reading.embeddings else None,
            reading,
        )
        for i, document in enumerate(documents)
    ]


def rounded(probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    """The probabilities as they are written: float64, :data:`PROBABILITY_DIGITS` decimals."""
    return probabilities.astype(np.float64).round(PROBABILITY_DIGITS)


def _calls(probabilities: NDArray[np.float32], labels: tuple[str, ...]) -> list[TopicCall]:
    table = rounded(probabilities)
    winners = np.argmax(table, axis=1)
    best = table[np.arange(len(table)), winners].tolist()
    return [TopicCall(labels[w], p) for w, p in zip(winners.tolist(), best, strict=True)]


def _feelings(probabilities: NDArray[np.float32]) -> list[Feeling]:
    table = rounded(probabilities)
    moods = np.argmax(table, axis=1).tolist()
    return [(SENTIMENTS[mood], SentimentProbs(*row)) for mood, row in zip(moods, table.tolist(), strict=True)]


def _join(
    document: Document,
    feeling: Feeling,
    topics: dict[str, TopicCall],
    toward: Sequence[Feeling],
    embedding: str | None,
    reading: Reading,
) -> ScoredDocument:
    main = reading.main.get(document.stream)
    return ScoredDocument(
        id=document.id,
        origin=document.origin,
        stream=document.stream,
        event_ms=document.event_ms,
        title=document.title,
        text=document.text,
        source=document.source,
        url=document.url,
        lang=document.lang,
        flags=document.flags,
        sentiment=feeling[0],
        sentiment_probs=feeling[1],
        topic=topics[main].label if main in topics else "",
        topics=topics,
        entities=tuple(
            [
                ScoredEntity(mention.name, mention.id, mention.start, mention.end, mood, probs)
                for mention, (mood, probs) in zip(document.mentions, toward, strict=True)
            ]
        ),
        signature=f"{document.signature:016x}",
        release=reading.release,
        stars=document.stars,
        product=document.product,
        brand=document.brand,
        embedding=embedding,
    )


def _embedding(vector: NDArray[np.float32]) -> str:
    """Little-endian float16, base64: 384 numbers in 1,024 characters."""
    return base64.b64encode(vector.astype("<f2").tobytes()).decode("ascii")
