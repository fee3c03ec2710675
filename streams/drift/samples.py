"""Scored documents as candidates for a label, and a chosen one as it is sent: cut, and masked."""

from __future__ import annotations

from collections.abc import Sequence, Set

import numpy as np
from numpy.typing import NDArray

from streams.drift.listener import SENTIMENT_ERROR, Heard
from streams.drift.sampler import Candidate, Chosen
from streams.lessons import DriftSample
from streams.masking import mask
from streams.records import Document, ScoredDocument


def candidates_of(
    documents: Sequence[Document],
    scored: Sequence[ScoredDocument],
    heard: Heard,
    surprise: NDArray[np.float64],
    disputed: Set[int] = frozenset(),
) -> list[Candidate]:
    """What the sampler asks of n documents; ``surprise`` [n] is how unusual their kind of text is, of the documents
    ``disputed`` two releases think differently."""
    margins = np.min([_leads(table) for table in heard.heads.values()], axis=0)
    return [
        Candidate(
            id=document.id,
            story=document.signature,
            source=document.source,
            label=f"{said.sentiment}|{said.topic}",
            length=len(document.heard),
            readable=not delivered.foreign,
            margin=float(margins[at]),
            surprise=float(surprise[at]),
            contradicted=heard.errors[at].get(SENTIMENT_ERROR, 0.0) > 0.5,
            disputed=at in disputed,
        )
        for at, (document, said, delivered) in enumerate(zip(documents, scored, heard.delivered, strict=True))
    ]


def sample_of(document: Document, scored: ScoredDocument, chosen: Chosen) -> DriftSample:
    """The message for a chosen document."""
    return DriftSample(
        id=document.id,
        origin=document.origin,
        stream=document.stream,
        event_ms=document.event_ms,
        text=mask(document.text),
        source=document.source,
        lang=document.lang,
        release=scored.release,
        sentiment_probs=scored.sentiment_probs,
        topics=scored.topics,
        slice="random" if chosen.random else "merit",
        probability=chosen.probability,
        reasons=chosen.reasons,
        priority=chosen.priority,
        stars=document.stars,
    )


def _leads(table: NDArray[np.float32]) -> NDArray[np.float32]:
    best = np.partition(table, -2, axis=1)[:, -2:]
    return np.asarray(best[:, 1] - best[:, 0])
