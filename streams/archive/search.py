"""Words and meaning together: which documents answer best, and why they were found.

Words are ranked by bm25. Meaning is the cosine between the question's embedding and the document's, which only says
something where both come from one release: the question is embedded by each release that has embedded much of the
archive and can still be loaded, each document compared with its own, and what is merged is by how many standard
deviations a document is nearer than that release's usual one. The two ranks are fused by reciprocal rank (Cormack,
Clarke and Büttcher, "Reciprocal rank fusion outperforms Condorcet and individual rank learning methods", 2009).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Literal

from msgspec import Struct

from streams.archive.entries import Floats
from streams.archive.store import Filters, Kept, Shelves
from streams.archive.words import expressions
from streams.errors import InputError

RANK_OFFSET = 60
"""Of the fusion: 1 / (60 + rank). Larger gives the first ranks less weight; 60 is the paper's."""
DEPTH = 100
"""Documents of each ranking that are fused, at the least."""
MOST = 200
LONGEST_QUESTION = 500
MOST_RELEASES = 3
LEAST_DEVIATION = 0.02

How = Literal["both", "words", "meaning"]
Embed = Callable[[str, str], Floats | None]
"""The embedding of a text (second) by a release (first); ``None`` where it cannot be had."""

_AGO = re.compile(r"(\d{1,6})\s*([mhdw])")
_SECONDS = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


class Found(Struct, frozen=True):
    """A document, and at which place of either ranking it stood (from 1; ``None``: not found that way)."""

    kept: Kept
    by_words: int | None
    by_meaning: int | None


class Answer(Struct, frozen=True):
    """What was found, best first; without a question the newest first. ``notes`` say what was not looked at."""

    found: list[Found]
    notes: list[str]


def search(
    shelves: Shelves, question: str, filters: Filters, embed: Embed, *, how: How = "both", most: int = 20
) -> Answer:
    """The ``most`` documents within ``filters`` that answer ``question``.

    Raises:
        InputError: there is nothing in the question to look for, or it took too long.
    """
    question, most = question.strip()[:LONGEST_QUESTION], min(most, MOST)
    if not question:
        return Answer([Found(kept, None, None) for kept in shelves.fetch(shelves.latest(filters, most))], [])
    asked = expressions(question)
    by_words = _by_words(shelves, asked, filters, max(DEPTH, most)) if how != "meaning" else []
    by_meaning, notes = _by_meaning(shelves, question, filters, embed, max(DEPTH, most)) if how != "words" else ([], [])
    if how == "words" and not asked:
        raise InputError("there is no word in that to look for")
    best = fused(by_words, by_meaning)[:most]
    places = [{number: place for place, number in enumerate(ranked, 1)} for ranked in (by_words, by_meaning)]
    found = [
        Found(kept, places[0].get(kept.number), places[1].get(kept.number))
        for kept in shelves.fetch(best, asked[-1] if asked else "")
    ]
    return Answer(found, notes)


def fused(*rankings: Sequence[int]) -> list[int]:
    """Numbers by the sum of 1 / (:data:`RANK_OFFSET` + rank) over the rankings they are in.

    >>> fused([1, 2, 3], [3, 4])
    [3, 1, 2, 4]
    """
    weights: dict[int, float] = {}
    for ranked in rankings:
        for place, number in enumerate(ranked, 1):
            weights[number] = weights.get(number, 0.0) + 1.0 / (RANK_OFFSET + place)
    return sorted(weights, key=lambda number: -weights[number])


def moment(text: str, now_ms: int) -> int:
    """Milliseconds of a time as people write it: ISO 8601 (UTC where it names no zone), or so long ago.

    >>> moment("2026-01-05", 0), moment("36h", 200_000_000)
    (1767571200000, 70400000)

    Raises:
        InputError: it is neither.
    """
    ago = _AGO.fullmatch(text.strip().lower())
    if ago is not None:
        return now_ms - int(ago[1]) * _SECONDS[ago[2]] * 1000
    try:
        at = datetime.fromisoformat(text.strip())
        return int((at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError) as exc:
        raise InputError(f"{text[:40]!r} is no time; write 2026-01-05, 2026-01-05T12:30 or 36h (m, h, d, w)") from exc


def _by_words(shelves: Shelves, asked: Sequence[str], filters: Filters, most: int) -> list[int]:
    """Documents with all the words, then those with any of them."""
    ranked: list[int] = []
    for expression in asked:
        if len(ranked) < most:
            known = set(ranked)
            ranked += [number for number in shelves.matching(expression, filters, most) if number not in known]
    return ranked[:most]


def _by_meaning(
    shelves: Shelves, question: str, filters: Filters, embed: Embed, most: int
) -> tuple[list[int], list[str]]:
    counts = shelves.releases()
    bare = counts.pop("", 0)
    found: list[tuple[float, int]] = []
    unread, notes = 0, list[str]()
    for place, (release, documents) in enumerate(counts.items()):
        vector = embed(release, question) if place < MOST_RELEASES else None
        if vector is None:
            unread += documents
            continue
        near = shelves.nearest(release, vector, filters, most)
        if not near.whole:
            notes.append(f"there was time to compare {near.seen:,} documents by meaning, the newest")
        deviation = max(near.deviation, LEAST_DEVIATION)
        found += [
            (-(cosine - near.mean) / deviation, number)
            for number, cosine in zip(near.numbers.tolist(), near.cosines.tolist(), strict=True)
        ]
    if unread:
        notes.append(f"{unread:,} documents were embedded by releases that cannot be asked here: found by words only")
    if bare and not counts:
        notes.append("no document carries an embedding (scoring.embeddings is off): found by words only")
    elif bare:
        notes.append(f"{bare:,} documents carry no embedding: found by words only")
    return [number for _, number in sorted(found)[:most]], notes
