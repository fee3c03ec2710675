"""From the scored documents of a slab to one message per observations partition.

A message is sent for every partition, also when it holds nothing: it moves the clock there, and lets the
watcher skip a repeated slab by one high-water mark per source partition.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import lru_cache

from streams.records import Observation, Observations, ObservedDocument, ScoredDocument
from streams.topics import partition_of, series_root
from streams.watch.series import observe, plain

LONGEST_TITLE = 160
"""Characters of a title (or, without one, of the text) that travel to the watcher."""
LONGEST_ID = 256


def gather(
    scored: Iterable[ScoredDocument],
    *,
    topic: str,
    partition: int,
    first: int,
    last: int,
    event_ms: int | None,
    release: str,
    partitions: int,
    languages: Collection[str],
    count_unknown_language: bool = False,
) -> list[Observations]:
    """The messages for one slab, by observations partition (the list has ``partitions`` entries).

    ``topic``, ``partition``, ``first``, ``last`` are the source offsets that the slab covers, dead-lettered
    ones included. ``event_ms`` is the highest event time known of the source partition before the slab, or
    ``None``; the messages carry the highest including it. An idle tick has no documents, ``last == first - 1``
    and the time it moves the clock to.
    """
    documents: list[list[ObservedDocument]] = [[] for _ in range(partitions)]
    items: list[list[Observation]] = [[] for _ in range(partitions)]
    high = event_ms
    for document in scored:
        if high is None or document.event_ms > high:
            high = document.event_ms
        observed: ObservedDocument | None = None
        places: dict[int, int] = {}
        for series, p_negative, negative in observe(document, languages, count_unknown_language):
            home = _home(series_root(series), partitions)
            place = places.get(home)
            if place is None:
                observed = observed or _observed(document)
                place = places[home] = len(documents[home])
                documents[home].append(observed)
            items[home].append(Observation(series, place, p_negative, negative))
    return [
        Observations(
            topic=topic,
            partition=partition,
            first=first,
            last=last,
            event_ms=high,
            release=release,
            documents=tuple(documents[home]),
            items=tuple(items[home]),
        )
        for home in range(partitions)
    ]


def tick(*, topic: str, partition: int, next_offset: int, event_ms: int | None, partitions: int) -> list[Observations]:
    """The messages of an idle source partition: nothing was read, its clock stands at ``event_ms``."""
    return gather(
        (),
        topic=topic,
        partition=partition,
        first=next_offset,
        last=next_offset - 1,
        event_ms=event_ms,
        release="",
        partitions=partitions,
        languages=(),
    )


@lru_cache(maxsize=65_536)
def _home(root: str, partitions: int) -> int:
    return partition_of(root, partitions)


def _observed(document: ScoredDocument) -> ObservedDocument:
    shown = " ".join((document.title or document.text[: 4 * LONGEST_TITLE]).split())
    return ObservedDocument(
        offset=document.origin.offset,
        event_ms=document.event_ms,
        id=document.id[:LONGEST_ID],
        title=shown[:LONGEST_TITLE],
        source=document.source[:LONGEST_TITLE],
        signature=int(document.signature, 16),
        topic=plain(document.topic),
    )
