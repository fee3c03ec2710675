"""What is heard in the lesson of ``tocsin demo --learn``, and the truth about it: a new app in two waves.

The words are those of the app and its slang in ``streams.demo.stories``, as many cross as glad. Stars say what each
text means; where they say little, people do (``feedback.jsonl``, bundled; ids are those of the sample's seed).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any

import msgspec

from streams.demo.sample import DAY, SampleRecord, background, history, records
from streams.demo.stories import shift
from streams.intake.language import language

EVENING = ((8.0, 40.0), (21.0, 40.0))
"""Documents in a quarter of an hour: a day long, nothing but the new app."""
TONES = (("positive", 5, 0.36), ("neutral", 3, 0.26), ("negative", 2, 0.38))
"""Whoever learnt from the glad alone would take the slang itself for praise."""
FIRST, SECOND = 460, 240
"""Documents about the app that come before the cycle, and those that come after it."""
QUIET = 900
"""Documents of an ordinary week that come before them."""
WEEKS = 8
ANCHORS, REHEARSED = 1_200, 450
"""Rows of the quiet weeks: the last ones, to judge by, and of the others so many glad and so many cross ones, to begin
the memory with: customers are glad three times in four, and a memory of such proportions teaches to expect it."""
LABELS = {1: "negative", 2: "negative", 4: "positive", 5: "positive"}

Row = dict[str, str]


@dataclass(frozen=True)
class Lesson:
    """An ``ordinary`` week, then the ``first`` wave of the app, later the ``second``; ``truth`` says of documents about
    it, by their ids, what they say."""

    ordinary: list[SampleRecord]
    first: list[SampleRecord]
    second: list[SampleRecord]
    truth: dict[str, str]


@dataclass(frozen=True)
class Quiet:
    """Labelled rows of quiet weeks, no text twice: what candidates are judged by, and what is rehearsed."""

    anchors: list[Row]
    rehearsed: list[Row]


def lesson(seed: int) -> Lesson:
    """Two waves of the same words, of which no text is in both."""
    rng = Random(f"lesson {seed}")  # noqa: S311 - a sample, not a secret
    day = DAY + timedelta(days=1)
    about = _different(records(shift(day, rng, EVENING, TONES), "s", rng))
    others = records(background(day, day + timedelta(days=6), rng), "q", rng)[:QUIET]
    first, second = about[:FIRST], about[FIRST : FIRST + SECOND]
    truth = {record.id: label for record in (*first, *second) if (label := _said(record)) is not None}
    return Lesson(others, first, second, truth)


def quiet(seed: int) -> Quiet:
    """Reviews of quiet weeks in English, with one, two, four or five stars."""
    rows: list[Row] = []
    for record in _different(history(seed, days=7 * WEEKS)):
        fields: dict[str, Any] = msgspec.json.decode(record.value)
        label = LABELS.get(fields.get("stars", 0))
        if label is not None and _english(fields["text"]):  # what is said in other languages, its stars do not tell
            rows.append({"text": fields["text"], "sentiment": label})
    earlier = rows[:-ANCHORS]
    glad, cross = ([row for row in earlier if row["sentiment"] == said] for said in ("positive", "negative"))
    return Quiet(rows[-ANCHORS:], [*glad[:REHEARSED], *cross[:REHEARSED]])


def recent(some: Lesson) -> Iterator[Row]:
    """Labelled rows of the second wave."""
    for record in some.second:
        if record.id in some.truth:
            yield {"text": msgspec.json.decode(record.value)["text"], "sentiment": some.truth[record.id]}


def accuracy(truth: dict[str, str], said: Iterable[tuple[str, str]]) -> tuple[int, float]:
    """Of documents about the app and what they were called: how many there are, and the part called right.

    >>> accuracy({"a": "negative", "b": "positive"}, [("a", "negative"), ("b", "neutral"), ("c", "negative")])
    (2, 0.5)
    """
    right = [truth[name] == called for name, called in said if name in truth]
    return len(right), sum(right) / max(1, len(right))


def _said(record: SampleRecord) -> str | None:
    """What its stars say; three say that it only tells."""
    fields: dict[str, Any] = msgspec.json.decode(record.value)
    return {**LABELS, 3: "neutral"}.get(fields.get("stars", 0))


def _english(text: str) -> bool:
    return language(None, text, text.lower().split()) == "en"


def _different(some: Sequence[SampleRecord]) -> list[SampleRecord]:
    """Each text once."""
    seen: set[str] = set()
    found: list[SampleRecord] = []
    for record in some:
        fields: dict[str, Any] = msgspec.json.decode(record.value)
        text = str(fields.get("text") or fields.get("title")).lower()
        if text not in seen:
            seen.add(text)
            found.append(record)
    return found
