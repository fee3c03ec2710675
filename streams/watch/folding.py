"""Copies of one story count once: an index of stories per series over the last day.

The first copy, in the order (event time, origin), is counted; another of equal signature within
:data:`HORIZON_MS` of it is folded into it. The index is bounded twice: by age, and by :data:`MOST_STORIES`,
beyond which the oldest stories are forgotten early (and counted as such).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

HORIZON_MS = 24 * 3600 * 1000
MOST_STORIES = 500_000
NO_SIGNATURE = 0
"""Signature of a text too short to compare: it never folds."""

Key = tuple[int, int]


@dataclass
class Stories:
    """The stories of every series of one partition, keyed by (slot, signature)."""

    most: int = MOST_STORIES
    forgotten: int = 0
    _first: dict[Key, int] = field(default_factory=dict)
    _copies: dict[Key, int] = field(default_factory=dict)
    _ages: deque[tuple[int, Key]] = field(default_factory=deque)

    def __len__(self) -> int:
        return len(self._first)

    def is_new(self, slot: int, signature: int, event_ms: int) -> bool:
        """Whether this is the first copy of its story in the series of ``slot``; a later one is folded in."""
        if signature == NO_SIGNATURE:
            return True
        key = (slot, signature)
        first = self._first.get(key)
        if first is not None and abs(event_ms - first) < HORIZON_MS:
            self._copies[key] = self._copies.get(key, 0) + 1
            return False
        self._first[key] = event_ms
        self._copies.pop(key, None)
        self._ages.append((event_ms, key))
        return True

    def copies(self, slot: int, signature: int) -> int:
        """How many copies were folded into the story since it was first counted."""
        return self._copies.get((slot, signature), 0)

    def forget_before(self, mark_ms: int) -> None:
        """Drop the stories that began a horizon or more before ``mark_ms``, and the oldest beyond the bound."""
        while self._ages and (self._ages[0][0] <= mark_ms - HORIZON_MS or len(self._first) > self.most):
            event_ms, key = self._ages.popleft()
            if self._first.get(key) == event_ms:
                self.forgotten += event_ms > mark_ms - HORIZON_MS
                del self._first[key]
                self._copies.pop(key, None)

    def entries(self) -> list[tuple[int, int, int, int]]:
        """(slot, signature, first event time, copies) in order of age: what a snapshot writes."""
        return [
            (key[0], key[1], event_ms, self._copies.get(key, 0))
            for event_ms, key in self._ages
            if self._first.get(key) == event_ms
        ]

    def put_back(self, slot: int, signature: int, first_ms: int, copies: int) -> None:
        """Restore one entry of :meth:`entries`, in the same order."""
        key = (slot, signature)
        self._first[key] = first_ms
        self._ages.append((first_ms, key))
        if copies:
            self._copies[key] = copies
