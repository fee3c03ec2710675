"""Copies of one story count once: an index of stories per series over the last day.

The first copy, in the order (event time, origin), is counted; another of equal signature within
:data:`HORIZON_MS` of it is folded into it. The index is bounded twice: by age, and by :data:`MOST_STORIES`,
beyond which the oldest stories are forgotten early (and counted as such).

A busy day has millions of stories, so they stand in arrays, 20 bytes each: sorted by key, but for a short tail of
the newest, which a dict finds until they are sorted in (as a log-structured merge tree does).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import Any

import numpy as np
from numpy.typing import NDArray

HORIZON_MS = 24 * 3600 * 1000
MOST_STORIES = 500_000
TAIL = 16_384
"""Stories that a dict finds, before they are sorted in."""
STALE = 16
"""Stories are thrown out by age when one in so many is too old: each time costs a walk through all."""
NO_SIGNATURE = 0
"""Signature of a text too short to compare: it never folds."""

COLUMNS = {"keys": np.uint64, "first_ms": np.int64, "copies": np.uint32}
Entries = dict[str, NDArray[Any]]


class Stories:
    """The stories of every series of one partition: when each was first told, and how often again."""

    def __init__(self, most: int = MOST_STORIES, tail: int = TAIL) -> None:
        self.most = most
        self.forgotten = 0
        self._longest_tail = tail
        self._keys = array("Q")
        self._first_ms = array("q")
        self._copies = array("I")
        self._sorted = 0
        self._tail: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def is_new(self, slot: int, signature: int, event_ms: int) -> bool:
        """Whether this is the first copy of its story in the series of ``slot``; a later one is folded in."""
        if signature == NO_SIGNATURE:
            return True
        key = _key(slot, signature)
        at = self._find(key)
        if at is None:
            self._append(key, event_ms)
            return True
        if abs(event_ms - self._first_ms[at]) < HORIZON_MS:
            self._copies[at] += 1
            return False
        self._first_ms[at] = event_ms
        self._copies[at] = 0
        return True

    def copies(self, slot: int, signature: int) -> int:
        """How many copies were folded into the story since it was first counted."""
        at = self._find(_key(slot, signature))
        return 0 if at is None else self._copies[at]

    def forget_before(self, mark_ms: int) -> None:
        """Drop the stories that began a horizon or more before ``mark_ms``, and the oldest beyond the bound.

        What is dropped when follows from the stories alone, so a restored index forgets as the first one does.
        """
        young = np.array(self._first_ms, np.int64) > mark_ms - HORIZON_MS
        kept = np.flatnonzero(young)
        if (len(young) - len(kept)) * STALE > len(young) or len(young) > self.most:
            self._keep(self._newest(kept))

    def entries(self) -> Entries:
        """The index as arrays, ordered by key: what a snapshot writes."""
        self._keep(np.arange(len(self)))
        return self._columns()

    def put_back(self, entries: Entries) -> None:
        """Restore what :meth:`entries` gave.

        Raises:
            KeyError: an array is missing.
            ValueError: they are not of one length, or not in order.
        """
        keys = entries["keys"]
        if bool((keys[1:] <= keys[:-1]).any()) or any(entries[name].shape != keys.shape for name in COLUMNS):
            raise ValueError("the index of stories is not in order")
        self._fill(entries)

    def _find(self, key: int) -> int | None:
        at = self._tail.get(key)
        if at is None:
            at = bisect_left(self._keys, key, 0, self._sorted)
            if at == self._sorted or self._keys[at] != key:
                return None
        return at

    def _append(self, key: int, event_ms: int) -> None:
        self._tail[key] = len(self)
        self._keys.append(key)
        self._first_ms.append(event_ms)
        self._copies.append(0)
        if len(self) >= 2 * self.most:  # one window of a flood may hold many times the bound
            self._keep(self._newest(np.arange(len(self))))
        elif len(self._tail) >= self._longest_tail:
            self._keep(np.arange(len(self)))

    def _newest(self, kept: NDArray[np.intp]) -> NDArray[np.intp]:
        """``kept`` without the oldest beyond the bound."""
        beyond = len(kept) - self.most
        if beyond <= 0:
            return kept
        self.forgotten += beyond
        entries = self._columns()
        return kept[np.lexsort((entries["keys"][kept], entries["first_ms"][kept]))[beyond:]]

    def _keep(self, kept: NDArray[np.intp]) -> None:
        """Sort the stories at ``kept`` by key and drop all others."""
        entries = self._columns()
        kept = kept[np.argsort(entries["keys"][kept], kind="stable")]
        self._fill({name: column[kept] for name, column in entries.items()})

    def _columns(self) -> Entries:
        columns = (self._keys, self._first_ms, self._copies)
        return {name: np.array(column, kind) for (name, kind), column in zip(COLUMNS.items(), columns, strict=True)}

    def _fill(self, entries: Entries) -> None:
        self._keys = array("Q", entries["keys"].astype(np.uint64).tobytes())
        self._first_ms = array("q", entries["first_ms"].astype(np.int64).tobytes())
        self._copies = array("I", entries["copies"].astype(np.uint32).tobytes())
        self._sorted, self._tail = len(self), {}


def _key(slot: int, signature: int) -> int:
    """64 bits of both: one to one within a slot and within a signature, as good as that between others."""
    return signature ^ (slot * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF)
