"""Giving baselines a history before the stream begins, so that the first crisis is heard on the first day."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice

from streams.records import Observations, ScoredDocument
from streams.watch.observations import gather
from streams.watch.watcher import Watcher

SLAB = 512


def prime(
    watchers: Sequence[Watcher],
    history: Iterable[ScoredDocument],
    *,
    languages: Collection[str],
    count_unknown_language: bool = False,
) -> None:
    """Teach ``watchers``, one per observations partition in order, from ``history``.

    ``history`` is in order of event time. No alert is raised, and the stream's own offsets are untouched.
    """
    for watcher in watchers:
        watcher.begin_history()
    for messages in once_through(history, len(watchers), languages, count_unknown_language):
        for watcher, message in zip(watchers, messages, strict=True):
            watcher.apply(message)
    for watcher in watchers:
        watcher.end_history()


def once_through(
    scored: Iterable[ScoredDocument],
    partitions: int,
    languages: Collection[str],
    count_unknown_language: bool = False,
) -> Iterator[list[Observations]]:
    """Documents that are read once, in order of event time, as messages for watchers that expect no source.

    The messages cover no offsets (``last`` is -1): line numbers need not rise with time, and nothing repeats.
    """
    rest = iter(scored)
    while slab := list(islice(rest, SLAB)):
        yield gather(
            slab,
            topic=slab[0].origin.topic,
            partition=0,
            first=0,
            last=-1,
            event_ms=None,
            release=slab[-1].release,
            partitions=partitions,
            languages=languages,
            count_unknown_language=count_unknown_language,
        )
