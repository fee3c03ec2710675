"""What a series usually says: a few stories an hour apart, so that evidence has something to be compared with.

Of each series the last negative and the last other stories are remembered, :data:`KEPT` of each and at most one of
a kind per hour, none while an incident rings. So the sample spans at least :data:`KEPT` hours, costs nothing where
much is said, and a crisis does not become its own background. Bounded by :data:`MOST_STORIES` in a partition.
"""

from __future__ import annotations

import zlib
from collections import Counter, deque
from collections.abc import Iterable

from msgspec import Struct

from streams.watch.terms import words_of
from streams.watch.windows import Item

HOUR_MS = 3600 * 1000
KEPT = 16
SAMPLED = 8
"""One in so many stories lends its words to the vocabulary, which needs no more and costs as much as all else."""
MOST_STORIES = 60_000


class Remembered(Struct, array_like=True, frozen=True):
    """A story of calm days: where it stands, who told it, about what, and which release read it."""

    event_ms: int
    topic: str
    partition: int
    offset: int
    title: str
    source: str
    label: str
    release: str


class Memory:
    """Stories by ``2 * slot + negative``. ``due`` says from when on another of a kind is wanted; ask it first."""

    def __init__(self, most: int = MOST_STORIES) -> None:
        self.most = most
        self.count = 0
        self.due: dict[int, int] = {}
        self.vocabulary: Counter[str] = Counter()
        """In how many stories of a sample of the remembered ones each word occurs: the background of all series."""
        self._kept: dict[int, deque[Remembered]] = {}

    def hear(self, key: int, item: Item) -> None:
        """Remember ``item`` under ``key``, and no other of its kind for an hour."""
        self.due[key] = item.event_ms + HOUR_MS
        document = item.document
        story = Remembered(
            item.event_ms,
            item.topic,
            item.partition,
            item.offset,
            document.title,
            document.source,
            document.topic,
            item.release,
        )
        self._keep(key, story)

    def before(self, slot: int, ms: int) -> tuple[list[Remembered], list[Remembered]]:
        """The negative and the other stories of ``slot`` told before ``ms``, oldest first."""
        negative, other = (
            [story for story in self._kept.get(2 * slot + kind, ()) if story.event_ms < ms] for kind in (1, 0)
        )
        return negative, other

    def forget(self, slots: Iterable[int]) -> None:
        """Forget the stories of ``slots``, which are about to belong to other series."""
        for slot in slots:
            for key in (2 * slot, 2 * slot + 1):
                self.due.pop(key, None)
                for story in self._kept.pop(key, ()):
                    self._drop(story)

    def entries(self) -> list[tuple[int, int, list[Remembered]]]:
        """(key, due, stories) by key: what a snapshot writes."""
        return [(key, due, list(self._kept.get(key, ()))) for key, due in sorted(self.due.items())]

    def put_back(self, key: int, due: int, stories: Iterable[Remembered]) -> None:
        """Restore one entry of :meth:`entries`."""
        self.due[key] = due
        for story in stories:
            self._keep(key, story)

    def _keep(self, key: int, story: Remembered) -> None:
        kept = self._kept.get(key)
        if kept is None:
            kept = self._kept[key] = deque()
        if len(kept) == KEPT or self.count >= self.most:
            if not kept:
                return
            self._drop(kept.popleft())
        kept.append(story)
        self.count += 1
        if _sampled(story):
            self.vocabulary.update(words_of(story.title))

    def _drop(self, story: Remembered) -> None:
        self.count -= 1
        if not _sampled(story):
            return
        for word in words_of(story.title):
            left = self.vocabulary[word] - 1
            if left:
                self.vocabulary[word] = left
            else:
                del self.vocabulary[word]


def _sampled(story: Remembered) -> bool:
    return zlib.crc32(story.title.encode("utf-8", "replace")) % SAMPLED == 0
