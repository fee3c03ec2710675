"""Why it rang: who speaks of it, about what, in which words, and how that differs from the days before.

Witnesses are the negative stories of the last windows, per series: the most negative few and bounded
counts of sources and topics, so memory follows the number of series that are being complained about, not the
traffic.
"""

from __future__ import annotations

import bisect
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import Struct

from streams.records import Background, Driver, Evidence, Exemplar, Origin
from streams.watch.drivers import OTHERS, drivers
from streams.watch.folding import Stories
from streams.watch.heights import Heights
from streams.watch.memory import Memory, Remembered
from streams.watch.terms import driver_terms, words_of
from streams.watch.windows import Item

MOST_STORIES = 12
MOST_VALUES = 24
"""Sources, and topics, counted one by one; what comes after them counts as others."""
ALIKE = 0.5
"""Stories whose titles share this part of their words are shown as one cluster."""
FEWEST_EXEMPLARS = 3


@dataclass(frozen=True)
class Scene:
    """Where evidence is taken from; ``shown`` bounds the exemplars, ``release`` read the latest documents."""

    witnesses: Witnesses
    stories: Stories
    memory: Memory
    heights: Heights
    shown: int
    release: str


class Story(Struct, order=True, array_like=True):
    """A negative story; the order is most negative first, then (event time, origin)."""

    calm: float
    event_ms: int
    topic: str
    partition: int
    offset: int
    id: str
    title: str
    source: str
    signature: int
    label: str


class Testimony(Struct, array_like=True):
    """The negative stories of one series in one window, and how many copies of any story were folded there."""

    stories: list[Story]
    sources: dict[str, int]
    topics: dict[str, int]
    copies: int = 0

    def add(self, story: Story) -> None:
        """Count ``story``'s source and topic and keep the story if it is among the most negative."""
        for counts, value in ((self.sources, story.source), (self.topics, story.label)):
            name = value if value in counts or len(counts) < MOST_VALUES else OTHERS
            counts[name] = counts.get(name, 0) + 1
        if len(self.stories) < MOST_STORIES or story < self.stories[-1]:
            bisect.insort(self.stories, story)
            del self.stories[MOST_STORIES:]


class Witnesses:
    """Testimony by slot for the open window and the closed ones before it, newest last."""

    def __init__(self, windows: int) -> None:
        self.windows: deque[dict[int, Testimony]] = deque(({} for _ in range(windows)), maxlen=windows)

    def hear(self, slot: int, item: Item, age: int = 0) -> None:
        """Take down the negative story ``item`` in the window ``age`` windows before the open one."""
        testimony = self._testimony(slot, age)
        if testimony is None:
            return
        document = item.document
        testimony.add(
            Story(
                calm=1 - item.p_negative,
                event_ms=item.event_ms,
                topic=item.topic,
                partition=item.partition,
                offset=item.offset,
                id=document.id,
                title=document.title,
                source=document.source,
                signature=document.signature,
                label=document.topic,
            )
        )

    def hear_copy(self, slot: int, age: int = 0) -> None:
        """Note that a copy was folded into a story that counts already."""
        testimony = self._testimony(slot, age)
        if testimony is not None:
            testimony.copies += 1

    def _testimony(self, slot: int, age: int) -> Testimony | None:
        if age >= len(self.windows):
            return None
        window = self.windows[-1 - age]
        testimony = window.get(slot)
        if testimony is None:
            testimony = window[slot] = Testimony([], {}, {})
        return testimony

    def turn(self) -> None:
        """The open window closes: the next one begins empty and the oldest is forgotten."""
        self.windows.append({})

    def about(self, slot: int, windows: int, age: int = 0) -> list[Testimony]:
        """The testimony of ``windows`` windows, the newest of them ``age`` windows before the open one."""
        newest = len(self.windows) - age
        chosen = list(self.windows)[max(0, newest - windows) : max(0, newest)]
        return [window[slot] for window in reversed(chosen) if slot in window]


@dataclass(frozen=True)
class Question:
    """What is asked: about ``slot``, over ``scale`` windows from ``start_ms``, the newest ``age`` windows back.

    ``expected`` negatives and their usual range, ``recalled`` the part of the time whose stories are still known,
    the score and how often chance gives it.
    """

    slot: int
    series: str
    scale: int
    age: int
    start_ms: int
    expected: float
    recalled: float
    usual_range: tuple[int, int]
    score: float
    row_seconds: int
    volume: float
    share: float
    window_open: bool
    today: float


def gathered(question: Question, scene: Scene) -> tuple[Evidence, tuple[Exemplar, ...], int]:
    """The evidence, the exemplars, and how many copies were folded."""
    testimonies = scene.witnesses.about(question.slot, question.scale, question.age)
    negative, other = scene.memory.before(question.slot, question.start_ms)
    stories = sorted(story for testimony in testimonies for story in testimony.stories)
    found = clusters(stories)
    days, reached = scene.heights.days_since(question.slot, question.score, question.start_ms, question.today)
    low, high = question.usual_range
    evidence = Evidence(
        volume=round(question.volume, 4),
        share=round(question.share, 4),
        window_open=question.window_open,
        expected_low=low,
        expected_high=high,
        chance_days=round(min(10.0 ** min(question.score, 12.0) * question.row_seconds / 86_400, LONGEST_CHANCE), 1),
        highest_in_days=days,
        reached_before=reached,
        clusters=len(found),
        sources=drivers(
            _summed([testimony.sources for testimony in testimonies]),
            [story.source for story in negative],
            [story.source for story in other],
            question.expected * question.recalled,
        ),
        topics=_topics(question, testimonies, negative, other),
        terms=driver_terms(
            [story.title for story in stories], [story.title for story in [*negative, *other]], scene.memory.vocabulary
        ),
        background=background(negative, other),
    )
    shown = exemplars(found, question.slot, scene.stories, scene.shown)
    return evidence, shown, sum(testimony.copies for testimony in testimonies)


LONGEST_CHANCE = 36_525.0
"""A century: what is said to be rarer than this, nobody has measured."""


def clusters(stories: Sequence[Story]) -> list[list[Story]]:
    """``stories`` by likeness of their titles, the largest group first, in each the most negative first."""
    grouped: list[tuple[set[str], list[Story]]] = []
    for story in stories:
        words = words_of(story.title)
        for known, members in grouped:
            if words and len(words & known) >= ALIKE * len(words | known):
                members.append(story)
                break
        else:
            grouped.append((words, [story]))
    return sorted((members for _, members in grouped), key=lambda members: (-len(members), members[0]))


def exemplars(grouped: Sequence[Sequence[Story]], slot: int, stories: Stories, most: int) -> tuple[Exemplar, ...]:
    """The most negative story of each cluster, at most ``most``; where clusters are few, more of the same.

    Each comes with the copies folded into it and the number of others like it.
    """
    chosen = [(members[0], len(members) - 1) for members in grouped[:most]]
    spare = sorted(story for members in grouped for story in members[1:])
    seen = {story.signature for story, _ in chosen}
    for story in spare:
        if len(chosen) >= min(FEWEST_EXEMPLARS, most):
            break
        if not story.signature or story.signature not in seen:
            seen.add(story.signature)
            chosen.append((story, 0))
    return tuple(
        Exemplar(
            id=story.id,
            title=story.title,
            source=story.source,
            event_ms=story.event_ms,
            p_negative=round(1 - story.calm, 4),
            copies=stories.copies(slot, story.signature),
            origin=Origin(story.topic, story.partition, story.offset),
            similar=similar,
        )
        for story, similar in chosen
    )


def background(negative: Sequence[Remembered], other: Sequence[Remembered]) -> Background:
    """Where the stories of calm days stand, and by which releases they were read."""
    return Background(
        negative=tuple(Origin(story.topic, story.partition, story.offset) for story in negative),
        other=tuple(Origin(story.topic, story.partition, story.offset) for story in other),
        releases=tuple(sorted({story.release for story in [*negative, *other]})),
    )


def _topics(
    question: Question,
    testimonies: Sequence[Testimony],
    negative: Sequence[Remembered],
    other: Sequence[Remembered],
) -> tuple[Driver, ...]:
    """Topics that drive the rise; a series of one topic has no others to compare it with."""
    if "topic:" in question.series:
        return ()
    observed = _summed([testimony.topics for testimony in testimonies])
    expected = question.expected * question.recalled
    return drivers(observed, [story.label for story in negative], [story.label for story in other], expected)


def _summed(counts: Sequence[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for each in counts:
        for name, count in each.items():
            total[name] = total.get(name, 0) + count
    return total
