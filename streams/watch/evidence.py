"""Why it rang: exemplar documents, sources, and a summary in plain words made only of counted facts.

Witnesses are the negative stories of the last windows, per series: the most negative few and a bounded
count of sources, so memory follows the number of series that are being complained about, not the traffic.
"""

from __future__ import annotations

import bisect
from collections import deque
from collections.abc import Iterable

from msgspec import Struct

from streams.records import Exemplar, Origin
from streams.watch.folding import Stories
from streams.watch.windows import Item

MOST_STORIES = 12
MOST_SOURCES = 24
OTHER_SOURCES = "(others)"
SHOWN_SOURCES = 5


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


class Testimony(Struct, array_like=True):
    """The negative stories of one series in one window, and how many copies of any story were folded there."""

    stories: list[Story]
    sources: dict[str, int]
    copies: int = 0

    def add(self, story: Story) -> None:
        """Count ``story``'s source and keep the story if it is among the most negative."""
        source = story.source
        if source not in self.sources and len(self.sources) >= MOST_SOURCES:
            source = OTHER_SOURCES
        self.sources[source] = self.sources.get(source, 0) + 1
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
            testimony = window[slot] = Testimony([], {})
        return testimony

    def turn(self) -> None:
        """The open window closes: the next one begins empty and the oldest is forgotten."""
        self.windows.append({})

    def about(self, slot: int, windows: int, age: int = 0) -> list[Testimony]:
        """The testimony of ``windows`` windows, the newest of them ``age`` windows before the open one."""
        newest = len(self.windows) - age
        chosen = list(self.windows)[max(0, newest - windows) : max(0, newest)]
        return [window[slot] for window in reversed(chosen) if slot in window]


def exemplars(testimonies: Iterable[Testimony], slot: int, stories: Stories, most: int) -> tuple[Exemplar, ...]:
    """The most negative distinct stories, at most ``most``, each with the copies folded into it."""
    shown: list[Exemplar] = []
    signatures: set[int] = set()
    for story in sorted(story for testimony in testimonies for story in testimony.stories):
        if len(shown) == most:
            break
        if story.signature and story.signature in signatures:
            continue
        signatures.add(story.signature)
        shown.append(
            Exemplar(
                id=story.id,
                title=story.title,
                source=story.source,
                event_ms=story.event_ms,
                p_negative=round(1 - story.calm, 4),
                copies=stories.copies(slot, story.signature),
                origin=Origin(story.topic, story.partition, story.offset),
            )
        )
    return tuple(shown)


def top_sources(testimonies: Iterable[Testimony]) -> list[tuple[str, int]]:
    """The sources of the negative stories, most first, at most :data:`SHOWN_SOURCES`; unnamed ones left out."""
    counts: dict[str, int] = {}
    for testimony in testimonies:
        for source, count in testimony.sources.items():
            if source:
                counts[source] = counts.get(source, 0) + count
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:SHOWN_SOURCES]


def summary(
    series: str,
    *,
    minutes: int,
    observed: float,
    total: float,
    expected: float,
    share: float,
    baseline_share: float,
    copies: int,
    sources: list[tuple[str, int]],
) -> str:
    """What happened, in words; every number is one of the alert's own facts."""
    span = f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes} min"
    words = f"{spoken(series)}: {observed:.0f} of {total:.0f} stories in {span} are negative, {expected:.1f} expected"
    if total > 0:
        words += f"; share {share:.0%}, usually {baseline_share:.0%}"
    if copies:
        words += f"; {copies} cop{'y' if copies == 1 else 'ies'} folded"
    if sources:
        words += "; mostly " + ", ".join(f"{name} ({count})" for name, count in sources[:3])
    return words + "."


def spoken(series: str) -> str:
    """A series' name for people.

    >>> spoken("entity:acme|topic:Recall")
    'acme, on Recall'
    """
    root, _, rest = series.partition("|")
    kind, _, name = root.partition(":")
    said = {"topic": f"topic {name}", "stream": f"stream {name}"}.get(kind, name)
    return f"{said}, on {rest.partition(':')[2]}" if rest else said
