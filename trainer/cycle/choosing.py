"""From samples and words to rows: what to learn, what to judge by, what only to read. Pure.

The side on which a document falls follows from its text alone, so that one that candidates are judged by is never
learnt, in any cycle, whoever labels it and whenever.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Literal

from models.labels import SENTIMENTS
from streams.lessons import DocumentFeedback, DriftSample
from trainer.data import Example, normalised
from trainer.learning.givers import within
from trainer.learning.stars import Noise

ANCHOR_PERCENT, RECENT_PERCENT = 10, 15
"""Documents held back to judge by: for good, and as the latest of the stream."""
MOST_ANCHORS, MOST_RECENT = 6_000, 2_000
MOST_UNLABELLED = 4_000
SURE = 0.7
"""Stars that say less than this for sure teach by degrees, and nobody is judged by them."""

Side = Literal["learn", "anchor", "recent"]


@dataclass(frozen=True)
class Given:
    """A labelled document: who or what gave the label, by whom, and the row that follows.

    Its row is of its stream's domain, not of its source's: whoever writes could invent a thousand of those, and each
    would count as much as the others in the memory and in what is fitted.
    """

    id: str
    kind: Literal["person", "stars"]
    giver: str
    at_ms: int
    random: bool
    example: Example
    stream: str = ""


@dataclass(frozen=True)
class Lessons:
    """Rows of a cycle. ``set_aside`` counts labels that are not used, by why."""

    learn: list[Given] = field(default_factory=list)
    anchors: list[Given] = field(default_factory=list)
    recent: list[Given] = field(default_factory=list)
    unlabelled: list[Example] = field(default_factory=list)
    set_aside: Counter[str] = field(default_factory=Counter)


def side_of(text: str) -> Side:
    """Whether rows with this text are learnt or judged by, now and for ever."""
    drawn = hashlib.sha256(b"gate " + normalised(text).encode("utf-8", "replace")).digest()[:4]
    percent = int.from_bytes(drawn, "big") % 100
    return "anchor" if percent < ANCHOR_PERCENT else "recent" if percent < ANCHOR_PERCENT + RECENT_PERCENT else "learn"


def choose(
    samples: Sequence[DriftSample],
    words: Sequence[DocumentFeedback],
    taxonomies: Mapping[str, Sequence[str]],
    *,
    learnt: Set[str] = frozenset(),
    own_anchors: Iterable[str] = (),
    most_of_one: float = 1.0,
) -> Lessons:
    """Join ``samples`` with ``words`` of people, of which a person has one for a document.

    A person's word comes before stars; where people contradict each other the majority counts, and without one the
    document is set aside. ``own_anchors`` are texts of the user's own file to judge by.
    """
    set_aside: Counter[str] = Counter()
    known = {sample.id: sample for sample in samples}
    people = _people(words, known, taxonomies, set_aside)
    noise = Noise.of(
        (sample.source, sample.stars, given.example.sentiment)
        for sample in samples
        if sample.stars is not None
        and (given := people.get(sample.id)) is not None
        and given.example.sentiment is not None
    )
    stars = [_of_stars(sample, noise) for sample in samples if sample.stars is not None and sample.id not in people]
    every = [*_kept(list(people.values()), most_of_one, set_aside), *_kept(stars, most_of_one, set_aside)]
    protected = {normalised(text) for text in own_anchors}
    found = Lessons(set_aside=set_aside)
    for given in sorted(every, key=lambda given: (given.at_ms, given.id)):
        side = side_of(given.example.text)
        if side == "learn":
            if given.id not in learnt and normalised(given.example.text) not in protected:
                found.learn.append(given)
        elif given.example.soft is None or max(given.example.soft) >= SURE:
            (found.anchors if side == "anchor" else found.recent).append(given)
    labelled = {given.id for given in every}
    unlabelled = [Example(sample.text, sample.stream) for sample in samples if sample.id not in labelled]
    return Lessons(
        found.learn,
        _fair(found.anchors, MOST_ANCHORS),
        _latest(found.recent),
        [row for row in unlabelled if normalised(row.text) not in protected][-MOST_UNLABELLED:],
        set_aside,
    )


def _people(
    words: Sequence[DocumentFeedback],
    known: Mapping[str, DriftSample],
    taxonomies: Mapping[str, Sequence[str]],
    set_aside: Counter[str],
) -> dict[str, Given]:
    """What people say of each document, where they say one thing."""
    said: dict[str, list[DocumentFeedback]] = {}
    for word in words:
        if word.sentiment is not None or word.topics:
            said.setdefault(word.id, []).append(word)
    found: dict[str, Given] = {}
    for name, some in said.items():
        sample = known.get(name)
        text = sample.text if sample is not None else next((word.text for word in some if word.text), "")
        if not text.strip():
            set_aside["unknown"] += len(some)
            continue
        sentiment = _majority([SENTIMENTS.index(word.sentiment) for word in some if word.sentiment is not None])
        topics = _topics(some, taxonomies, set_aside)
        if sentiment is None and not topics:
            set_aside["contested"] += len(some)
            continue
        stream = sample.stream if sample is not None else "feedback"
        example = Example(text, stream, topics=topics, sentiment=sentiment)
        at_ms = sample.event_ms if sample is not None else max(word.at_ms for word in some)
        random = sample is not None and sample.slice == "random"
        found[name] = Given(name, "person", _giver(some, sentiment), at_ms, random, example, stream)
    return found


def _giver(words: Sequence[DocumentFeedback], sentiment: int | None) -> str:
    """The first by name of those who said so: one document is one label, however many agree."""
    agreed = [word.by for word in words if word.sentiment is None or sentiment == SENTIMENTS.index(word.sentiment)]
    return min(agreed or [word.by for word in words])


def _topics(
    words: Sequence[DocumentFeedback], taxonomies: Mapping[str, Sequence[str]], set_aside: Counter[str]
) -> tuple[tuple[str, int], ...]:
    said: dict[str, list[int]] = {}
    for word in words:
        for taxonomy, label in word.topics.items():
            if label in taxonomies.get(taxonomy, ()):
                said.setdefault(taxonomy, []).append(list(taxonomies[taxonomy]).index(label))
            else:
                set_aside["unknown-topic"] += 1
    chosen = {taxonomy: _majority(labels) for taxonomy, labels in said.items()}
    return tuple((taxonomy, label) for taxonomy, label in sorted(chosen.items()) if label is not None)


def _majority(labels: Sequence[int]) -> int | None:
    """The label that most give; ``None`` where there is none, or no such one.

    >>> _majority([2, 0, 2]), _majority([0, 2]), _majority([])
    (2, None, None)
    """
    most = Counter(labels).most_common(2)
    if not most or (len(most) == 2 and most[0][1] == most[1][1]):
        return None
    return most[0][0]


def _of_stars(sample: DriftSample, noise: Noise) -> Given:
    assert sample.stars is not None
    soft = noise.soft(sample.source, sample.stars)
    degrees = (round(float(soft[0]), 4), round(float(soft[1]), 4), round(float(soft[2]), 4))
    example = Example(sample.text, sample.stream, sentiment=int(soft.argmax()), soft=degrees)
    return Given(sample.id, "stars", sample.source, sample.event_ms, sample.slice == "random", example, sample.stream)


def _kept(given: list[Given], most_of_one: float, set_aside: Counter[str]) -> list[Given]:
    """What nobody gives too much of."""
    kept = within([one.giver for one in given], [one.id for one in given], most_of_one)
    set_aside["too-many-of-one"] += kept.count(False)
    return [one for one, keep in zip(given, kept, strict=True) if keep]


def _fair(given: list[Given], most: int) -> list[Given]:
    """A fair sample that stays nearly the same as more come: those whose ids hash lowest."""
    drawn = sorted(given, key=lambda one: hashlib.sha256(one.id.encode("utf-8", "replace")).digest())[:most]
    return sorted(drawn, key=lambda one: (one.at_ms, one.id))


def _latest(given: list[Given]) -> list[Given]:
    """The last ones; what was drawn blindly before what was chosen, for it says what holds for the stream."""
    ranked = sorted(given, key=lambda one: (one.random, one.at_ms, one.id))[-MOST_RECENT:]
    return sorted(ranked, key=lambda one: (one.at_ms, one.id))
