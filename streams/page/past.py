"""The closed windows of one watcher, kept for the page: the detector itself remembers only the last hours."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.watch.watcher import ClosedWindow

WINDOWS = 96
"""A day of quarter hours."""
MOST_SLOTS = 20_000
"""Slots remembered, the first ones: 24 MB at most. What comes after has no past on the page."""

Counts = NDArray[np.float32]


@dataclass(frozen=True)
class Row:
    """One closed window, by slot: negative stories, all stories, and how many negatives were expected."""

    start_ms: int
    negative: Counts
    total: Counts
    expected: Counts


class Past:
    """The last :data:`WINDOWS` windows by slot. A slot that got another series begins anew."""

    def __init__(self, windows: int = WINDOWS, most_slots: int = MOST_SLOTS) -> None:
        self._most = most_slots
        self._rows: deque[Row] = deque(maxlen=windows)
        self._names: list[str | None] = []
        self._begun: list[int] = []
        self._heard = 0

    def hear(self, closed: ClosedWindow) -> None:
        """Keep a window that closes; a watcher's listener."""
        names = list(closed.names[: self._most])
        known = len(self._names)
        for slot, name in enumerate(names):
            if slot >= known:
                self._begun.append(self._heard)
            elif name is not self._names[slot] and name != self._names[slot]:
                self._begun[slot] = self._heard
        self._names = names
        top = len(names)
        counts = (closed.negative, closed.total, closed.expected)
        self._rows.append(Row(closed.start_ms, *(np.asarray(each[:top], np.float32).copy() for each in counts)))
        self._heard += 1

    def of(self, slot: int) -> list[tuple[int, float, float, float]]:
        """Start (ms), negatives, total and expected of each window kept of ``slot``, oldest first."""
        if slot >= len(self._begun):
            return []
        fresh = self._heard - self._begun[slot]
        rows = list(self._rows)[-fresh:] if fresh else []
        return [
            (row.start_ms, float(row.negative[slot]), float(row.total[slot]), float(row.expected[slot]))
            for row in rows
            if slot < len(row.negative)
        ]
