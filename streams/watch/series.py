"""The series in which a scored document counts, and how negative it is in each.

A document counts in ``entity:<id>`` and ``entity:<id>|topic:<label>`` by the sentiment toward that entity,
in ``topic:<label>`` and ``stream:<name>`` by its own sentiment. A vertical bar inside an id or a label
becomes a slash, so that the first bar always ends the root (``streams.topics.series_root``).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache

from streams.alerting import KINDS
from streams.records import PROBABILITY_DIGITS, ScoredDocument, SentimentProbs

NEGATIVE = 0
LONGEST_NAME = 200
"""Characters of an id or label that go into a series' name."""

Sighting = tuple[str, float, bool]
"""A series, P(negative) in it, and whether negative is the likeliest of the three."""


def observe(scored: ScoredDocument, languages: Collection[str], count_unknown_language: bool = False) -> list[Sighting]:
    """Every series in which ``scored`` counts, each once."""
    if not is_counted(scored, languages, count_unknown_language):
        return []
    return [
        (series, round(probs.negative, PROBABILITY_DIGITS), mood(probs) == NEGATIVE)
        for series, probs in feelings(scored)
    ]


def is_counted(scored: ScoredDocument, languages: Collection[str], count_unknown_language: bool = False) -> bool:
    """Whether ``scored`` counts at all: not in a language that the release does not know (``languages``), unless
    ``count_unknown_language``."""
    return scored.lang in languages or count_unknown_language


def feelings(scored: ScoredDocument) -> list[tuple[str, SentimentProbs]]:
    """The series that ``scored`` speaks of, each once, and its sentiment there.

    Of an entity mentioned several times the mean of its sentiments counts.
    """
    topic = f"topic:{plain(scored.topic)}" if scored.topic else ""
    found: list[tuple[str, SentimentProbs]] = []
    for name, probs in _by_entity(scored).items():
        mean = _mean(probs)
        found.append((f"entity:{name}", mean))
        if topic:
            found.append((f"entity:{name}|{topic}", mean))
    if topic:
        found.append((topic, scored.sentiment_probs))
    found.append((f"stream:{plain(scored.stream)}", scored.sentiment_probs))
    return found


def mood(probs: SentimentProbs) -> int:
    """Which of negative, neutral, positive is the likeliest: 0, 1, 2; at a tie the first wins, as everywhere."""
    if probs.negative >= probs.neutral and probs.negative >= probs.positive:
        return NEGATIVE
    return 1 if probs.neutral >= probs.positive else 2


@lru_cache(maxsize=65_536)
def plain(name: str) -> str:
    """``name`` as it stands in a series: one line, bounded, without a vertical bar.

    >>> plain("M&A | Investments")
    'M&A / Investments'
    """
    return " ".join(name.replace("|", "/").split())[:LONGEST_NAME]


def kind_of(series: str) -> str:
    """``entity``, ``entity|topic``, ``topic`` or ``stream``.

    >>> kind_of("entity:acme|topic:Recall")
    'entity|topic'
    """
    return "|".join(part.split(":", 1)[0] for part in series.split("|"))


def matches(series: str, patterns: Iterable[str]) -> bool:
    """Whether one of ``patterns`` (a kind, or a name with ``*`` and ``?``) covers ``series``.

    >>> matches("entity:acme", ["topic", "entity:ac*"])
    True
    >>> matches("entity:acme|topic:Recall", ["entity"])
    False
    """
    kind = kind_of(series)
    return any(kind == p if p in KINDS else _compiled(p).fullmatch(series) is not None for p in patterns)


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    wild = {"*": ".*", "?": "."}
    return re.compile("".join(wild.get(char) or re.escape(char) for char in pattern))


def _by_entity(scored: ScoredDocument) -> dict[str, list[SentimentProbs]]:
    grouped: dict[str, list[SentimentProbs]] = {}
    for entity in scored.entities:
        grouped.setdefault(plain(entity.id), []).append(entity.sentiment_probs)
    return grouped


def _mean(probs: Sequence[SentimentProbs]) -> SentimentProbs:
    if len(probs) == 1:
        return probs[0]
    n = len(probs)
    return SentimentProbs(
        sum(p.negative for p in probs) / n, sum(p.neutral for p in probs) / n, sum(p.positive for p in probs) / n
    )
