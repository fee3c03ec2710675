"""Event time: base windows, minute marks, and the watermark that says how far counting may go.

Windows are half-open, ``[start, end)``, and lie on multiples of their size since the epoch. Time moves only
with the sources: the watermark is the lowest event time that every source partition has reached, less the
grace. Nothing here asks a clock.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from streams.records import ObservedDocument

MINUTE_MS = 60_000
Source = tuple[str, int]


class Item(NamedTuple):
    """One document in one series, waiting for its minute.

    A tuple, because hundreds of thousands of them are sorted: the first five decide, and are unique.
    """

    event_ms: int
    topic: str
    partition: int
    offset: int
    series: str
    p_negative: float
    negative: bool
    release: str
    document: ObservedDocument


def window_start(event_ms: int, size_ms: int) -> int:
    """The start of the window that ``event_ms`` falls into.

    >>> window_start(899_999, 900_000), window_start(900_000, 900_000)
    (0, 900000)
    """
    return event_ms - event_ms % size_ms


def rfc3339(ms: int) -> str:
    """``ms`` since the epoch as RFC 3339, UTC, to the second where it is whole.

    >>> rfc3339(1_700_000_000_000)
    '2023-11-14T22:13:20Z'
    """
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    return moment.isoformat(timespec="milliseconds" if ms % 1000 else "seconds").replace("+00:00", "Z")


@dataclass
class Sources:
    """How far each source partition was read and how late it is there.

    ``expected`` maps a topic to its partition count. ``marks`` holds the highest applied offset per source
    partition, ``highs`` its highest event time (``None``: heard of, but it never had a record).
    """

    expected: Mapping[str, int]
    grace_ms: int
    marks: dict[Source, int] = field(default_factory=dict)
    highs: dict[Source, int | None] = field(default_factory=dict)

    def hear(self, source: Source, last: int, event_ms: int | None) -> None:
        """Record that ``source`` was read up to offset ``last`` and time ``event_ms``; neither moves back."""
        self.marks[source] = max(last, self.marks.get(source, -1))
        known = self.highs.get(source)
        self.highs[source] = known if event_ms is None else max(event_ms, known if known is not None else event_ms)

    def watermark(self) -> int | None:
        """Event time (ms) behind which every source is; ``None`` until each expected one was heard of.

        A source partition that never had a record holds nobody up, nor does one that the settings no longer
        name. Without expectations (a file) every source counts.
        """
        expected = [(topic, partition) for topic, count in self.expected.items() for partition in range(count)]
        if any(source not in self.highs for source in expected):
            return None
        known = [high for source in expected or self.highs if (high := self.highs[source]) is not None]
        return min(known) - self.grace_ms if known else None

    def highest(self) -> int | None:
        """The latest event time that any source has shown."""
        return max((high for high in self.highs.values() if high is not None), default=None)


class Waiting:
    """Items ahead of the watermark, by the minute they fall into."""

    def __init__(self) -> None:
        self._minutes: dict[int, list[Item]] = {}
        self._order: list[int] = []
        self.count = 0

    def add(self, items: Iterable[Item]) -> None:
        """Keep ``items`` until their minutes close."""
        minute, bucket = -1, None
        for item in items:
            # Neighbours mostly share their minute.
            if bucket is None or item[0] // MINUTE_MS != minute:
                minute = item[0] // MINUTE_MS
                bucket = self._minutes.get(minute)
                if bucket is None:
                    bucket = self._minutes[minute] = []
                    heapq.heappush(self._order, minute)
            bucket.append(item)
            self.count += 1

    def first_minute_end(self) -> int | None:
        """When (ms) the earliest minute that holds items closes."""
        return (self._order[0] + 1) * MINUTE_MS if self._order else None

    def earliest(self) -> int | None:
        """The earliest event time waiting."""
        return min(item.event_ms for item in self._minutes[self._order[0]]) if self._order else None

    def latest_minute(self) -> int | None:
        """The start (ms) of the latest minute that holds items."""
        return max(self._minutes) * MINUTE_MS if self._minutes else None

    def release_before(self, mark_ms: int) -> list[Item]:
        """Take out every item of the minutes that close at or before ``mark_ms``, in order."""
        out: list[Item] = []
        while self._order and (self._order[0] + 1) * MINUTE_MS <= mark_ms:
            out += self._minutes.pop(heapq.heappop(self._order))
        out.sort()
        self.count -= len(out)
        return out

    def all(self) -> list[Item]:
        """Everything that waits, in order: what a snapshot writes."""
        return sorted(item for bucket in self._minutes.values() for item in bucket)
