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

LONGEST_NAME = 200
"""Characters of an id or label that go into a series' name."""

Sighting = tuple[str, float, bool]
"""A series, P(negative) in it, and whether negative is the likeliest of the three."""


def observe(scored: ScoredDocument, languages: Collection[str], count_unknown_language: bool = False) -> list[Sighting]:
    """Every series in which ``scored`` counts, each once.

    Documents in a language that the release does not know (``languages``) count nowhere, unless
    ``count_unknown_language``. Of an entity mentioned several times the mean of its sentiments counts.
    """
    if scored.lang not in languages and not count_unknown_language:
        return []
    topic = f"topic:{plain(scored.topic)}" if scored.topic else ""
    found: list[Sighting] = []
    for name, probs in _by_entity(scored).items():
        p, negative = _negative(probs)
        found.append((f"entity:{name}", p, negative))
        if topic:
            found.append((f"entity:{name}|{topic}", p, negative))
    p, negative = _negative((scored.sentiment_probs,))
    if topic:
        found.append((topic, p, negative))
    found.append((f"stream:{plain(scored.stream)}", p, negative))
    return found


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


def _negative(probs: Sequence[SentimentProbs]) -> tuple[float, bool]:
    """Mean P(negative), and whether it is the largest of the three means; at a tie the first wins, as everywhere."""
    if len(probs) == 1:
        [only] = probs
        return only.negative, only.negative >= only.neutral and only.negative >= only.positive
    n = len(probs)
    negative = sum(p.negative for p in probs) / n
    others = max(sum(p.neutral for p in probs), sum(p.positive for p in probs)) / n
    return round(negative, PROBABILITY_DIGITS), negative >= others
