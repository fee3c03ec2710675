"""How the documents that were scored here speak of each series, as it happens: no window, no watermark, no folding.

A slab is counted where it is scored, in its thread; only the sums are handed to the page.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Sequence

from msgspec import Struct

from streams.records import ScoredDocument, Sentiment
from streams.watch.series import feelings, is_counted, mood

HOUR_MS = 3_600_000
HOURS = 24
MOST_SERIES = 20_000
SHOWN_TITLE, SHOWN_NAME, SHOWN_ENTITIES = 240, 80, 4
LATEST = 12
"""Documents of one slab that are shown."""

MOODS: tuple[Sentiment, Sentiment, Sentiment] = ("negative", "neutral", "positive")
Mix = list[int]
"""How many documents are negative, neutral, positive."""


class Toward(Struct, frozen=True, array_like=True):
    """An entity named in a document, and the sentiment toward it."""

    name: str
    sentiment: Sentiment


class Told(Struct, frozen=True):
    """A document as the page shows it; ``url`` only where it is a web address."""

    id: str
    title: str
    source: str
    url: str
    stream: str
    topic: str
    event_ms: int
    sentiment: Sentiment
    probability: float
    entities: tuple[Toward, ...]


class Heard(Struct, frozen=True):
    """What a slab adds: counts by (series, hour), and its last documents."""

    mixes: dict[tuple[str, int], Mix]
    documents: tuple[Told, ...]


def heard(
    documents: Sequence[ScoredDocument], languages: Collection[str], count_unknown_language: bool = False
) -> Heard:
    """Count ``documents`` into the series in which the watcher counts them; the others only pass by."""
    mixes: dict[tuple[str, int], Mix] = {}
    for document in documents:
        if not is_counted(document, languages, count_unknown_language):
            continue
        hour = document.event_ms // HOUR_MS
        for series, probs in feelings(document):
            mixes.setdefault((series, hour), [0, 0, 0])[mood(probs)] += 1
    return Heard(mixes, tuple(_told(document) for document in documents[-LATEST:]))


def _told(document: ScoredDocument) -> Told:
    probabilities = document.sentiment_probs
    toward = {entity.name: entity.sentiment for entity in document.entities}
    return Told(
        id=document.id[:SHOWN_TITLE],
        title=" ".join((document.title or document.text[: 4 * SHOWN_TITLE]).split())[:SHOWN_TITLE],
        source=document.source[:SHOWN_NAME],
        url=document.url if document.url.startswith(("https://", "http://")) and len(document.url) <= 2_000 else "",
        stream=document.stream,
        topic=document.topic,
        event_ms=document.event_ms,
        sentiment=document.sentiment,
        probability=getattr(probabilities, document.sentiment),
        entities=tuple(Toward(name[:SHOWN_NAME], mood) for name, mood in list(toward.items())[:SHOWN_ENTITIES]),
    )


class Sentiments:
    """The mix of each series over the last :data:`HOURS` hours in which it was heard of."""

    def __init__(self, most_series: int = MOST_SERIES) -> None:
        self._most = most_series
        self._hours: dict[str, deque[tuple[int, Mix]]] = {}
        self.latest_hour = 0

    def add(self, mixes: Iterable[tuple[tuple[str, int], Mix]]) -> set[str]:
        """Take sums in; returns the series that changed."""
        changed = set()
        for (series, hour), mix in mixes:
            hours = self._hours.get(series)
            if hours is None:
                if len(self._hours) >= self._most:
                    continue
                hours = self._hours[series] = deque(maxlen=HOURS)
            self.latest_hour = max(self.latest_hour, hour)
            self._add(hours, hour, mix)
            changed.add(series)
        return changed

    def _add(self, hours: deque[tuple[int, Mix]], hour: int, mix: Mix) -> None:
        for known, sums in reversed(hours):
            if known == hour:
                for at, count in enumerate(mix):
                    sums[at] += count
                return
            if known < hour:
                break
        if not hours or hour > hours[-1][0]:
            hours.append((hour, list(mix)))
        else:  # an hour that came late, before others that are known
            kept = sorted([*hours, (hour, list(mix))], key=lambda entry: entry[0])[-HOURS:]
            hours.clear()
            hours.extend(kept)

    def of(self, series: str) -> Mix:
        """Negative, neutral and positive documents of ``series`` in the last day of event time."""
        total = [0, 0, 0]
        for hour, mix in self._hours.get(series, ()):
            if hour > self.latest_hour - HOURS:
                for at, count in enumerate(mix):
                    total[at] += count
        return total
