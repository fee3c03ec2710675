"""The highest score of each series on each of the last days: how long ago was it last as bad as this?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streams.watch.tails import Floats

DAY_MS = 24 * 3600 * 1000
DAYS = 96
SHARPER = 0.02
"""Scores this near count as equal: they are kept in half precision."""


class Heights:
    """Daily maxima by slot: ``table`` (:data:`DAYS`, capacity) as float16, 192 bytes a series."""

    def __init__(self, capacity: int) -> None:
        self.table: NDArray[np.float16] = np.zeros((DAYS, capacity), np.float16)
        self.day = 0
        self.first_day: int | None = None

    def note(self, end_ms: int, scores: Floats) -> None:
        """Take down the scores of the window that ended at ``end_ms``, by slot."""
        self._turn_to((end_ms - 1) // DAY_MS)
        if len(scores) > self.table.shape[1]:
            wide = np.zeros((DAYS, max(len(scores), 2 * self.table.shape[1])), np.float16)
            wide[:, : self.table.shape[1]] = self.table
            self.table = wide
        row = self.table[self.day % DAYS]
        np.maximum(row[: len(scores)], scores, out=row[: len(scores)], casting="same_kind")

    def today(self, slot: int) -> float:
        """The highest score of ``slot`` so far on the day of the last window."""
        return float(self.table[self.day % DAYS, slot]) if slot < self.table.shape[1] else 0.0

    def days_since(self, slot: int, score: float, ms: int, today: float) -> tuple[int, bool]:
        """For how many days before ``ms`` ``slot`` has been below ``score``, and whether it ever was as high.

        ``today`` is what it reached on the day of ``ms`` before the incident began. Not known to have been as high:
        the days since the first window, at most :data:`DAYS` - 1.
        """
        day = ms // DAY_MS
        if self.first_day is None or slot >= self.table.shape[1]:
            return 0, False
        if today >= score - SHARPER:
            return 0, True
        most = min(day - self.first_day, DAYS - 1)
        for back in range(1, most + 1):
            then = day - back
            if then <= self.day and self.day - then < DAYS and self.table[then % DAYS, slot] >= score - SHARPER:
                return back, True
        return most, False

    def forget(self, slots: Sequence[int]) -> None:
        """Forget ``slots``, which are free."""
        inside = [slot for slot in slots if slot < self.table.shape[1]]
        self.table[:, inside] = 0.0

    def _turn_to(self, day: int) -> None:
        if self.first_day is None:
            self.first_day = self.day = day
        for skipped in range(max(self.day + 1, day - DAYS + 1), day + 1):
            self.table[skipped % DAYS] = 0.0
        self.day = max(self.day, day)
