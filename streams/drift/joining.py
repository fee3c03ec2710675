"""From documents and what a release made of them to what the detectors hear."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from models.labels import SENTIMENTS
from models.scorer import Scores
from streams.drift.feed import Delivered
from streams.drift.listener import SENTIMENT_ERROR, TOPIC_ERROR, Heard
from streams.records import Document

NEGATIVE, POSITIVE = SENTIMENTS.index("negative"), SENTIMENTS.index("positive")


class Known(Struct, frozen=True):
    """What a document may be known to be: a sentiment or stars of 1 to 5, and a topic."""

    sentiment: str | None = None
    stars: float | None = None
    topic: str | None = None


def hear(
    documents: Sequence[Document],
    scores: Scores,
    labels: Sequence[Known | None],
    languages: Sequence[str],
    taxonomy: str,
    topics: Sequence[str],
) -> Heard:
    """n documents with their scores; ``labels`` are ``None`` where nothing is known.

    ``languages`` are those that the release reads, ``topics`` the labels of the stream's ``taxonomy``.
    """
    heads = {"sentiment": scores.sentiment, **{f"topic.{name}": table for name, table in scores.topics.items()}}
    delivered = [
        Delivered(len(document.heard), document.signature, document.lang not in languages, bool(document.flags))
        for document in documents
    ]
    errors = [
        {} if label is None else _errors(label, scores.sentiment[at], scores.topics[taxonomy][at], topics)
        for at, label in enumerate(labels)
    ]
    return Heard(scores.embedding, heads, delivered, errors)


def _errors(
    label: Known, sentiment: NDArray[np.float32], topic: NDArray[np.float32], topics: Sequence[str]
) -> dict[str, float]:
    """1 where the call was wrong, 0 where it was right. Stars say nothing of neutral, and three of them nothing."""
    found: dict[str, float] = {}
    if label.sentiment in SENTIMENTS:
        found[SENTIMENT_ERROR] = float(SENTIMENTS[int(sentiment.argmax())] != label.sentiment)
    elif label.stars is not None and (label.stars >= 4 or label.stars <= 2):
        found[SENTIMENT_ERROR] = float((sentiment[POSITIVE] > sentiment[NEGATIVE]) != (label.stars >= 4))
    if label.topic in topics:
        found[TOPIC_ERROR] = float(topics[int(topic.argmax())] != label.topic)
    return found
