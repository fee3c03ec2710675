"""How unusual is this much volume? For tables of counts that say nothing about polarity.

Real volume has tails that no textbook distribution follows, so a row is measured in multiples of the series' running
median, at several time scales, and the multiples against the series' own largest ones: above their 99.3 % quantile
the logarithm of a multiple is taken to be exponential (a Pareto tail, its index by Hill's estimator, shrunk). The
score is the mean over the scales of -log10 of that tail. It counts only where a negative binomial around the level
finds the row improbable as well: ten times nothing is soon reached.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.watch.knowledge import Slots, Tuning
from streams.watch.tails import Floats, bounded, volume_tail

SCALES_SECONDS = (300, 900, 3600, 7200)
GATE_SECONDS = (300, 900)
GATE = 5.0
BEYOND = 0.007
"""The part of all rows that the tail describes."""
TAIL_INDEX, TAIL_PRIOR, LEAST_INDEX = 0.35, 30.0, 0.1
"""The mean log-excess of a series of which nothing is known, what that is worth in excesses, and the least believed."""
MEDIAN_HALF_LIFE_DAYS, LEVEL_HALF_LIFE_DAYS, SPREAD_DAYS = 3.5, 4.0, 15.625
STEP, FIRST_STEP = 0.05, 0.1
"""How far (in logarithms) the quantile moves for a row beyond it, later and on the first day."""
UNIT, OFFSET = 1.6, 0.4
"""What turns the mean over scales into the -log10 of a rate of false alarms, real surges left out."""
LN10 = math.log(10)


@dataclass(frozen=True)
class Surges:
    """By slot: the score (0 where nothing is unusual), and the last row's count with what is usual."""

    score: Floats
    observed: Floats
    expected: Floats


class SurgeWatch:
    """State of several series that are stepped through time together from their first rows on.

    Arrays are (slots,), (scales, slots) or, for the ring of counts, (rows, slots).
    """

    def __init__(self, capacity: int, tuning: Tuning) -> None:
        self.rows_per_day = tuning.rows_per_day
        self.scales = _rows(SCALES_SECONDS, tuning.row_seconds)
        self.gates = _rows(GATE_SECONDS, tuning.row_seconds)
        shape = (len(self.scales), capacity)
        self.median = np.ones(capacity)
        self.deviation = np.ones(capacity)
        self.level = np.full(capacity, 0.1)
        self.dn = np.zeros(capacity)
        self.dd = np.zeros(capacity)
        self.quantile = np.full(shape, np.inf)
        self.excess = np.zeros(shape)
        self.excesses = np.zeros(shape)
        self.ring = np.zeros((max(self.scales), capacity))
        self.rows = 0
        self._first_day: list[Floats] | None = []

    def score(self, slots: Slots, n: Floats) -> Surges:
        """How unusual ``n`` documents are in the current row of each slot. Nothing is learned."""
        multiples = self._multiples(slots, n)
        index = (self.excess[:, slots] + TAIL_INDEX * TAIL_PRIOR) / (self.excesses[:, slots] + TAIL_PRIOR)
        beyond = multiples - self.quantile[:, slots]
        tail = -math.log10(BEYOND) + beyond / (LN10 * np.maximum(index, LEAST_INDEX))
        score = np.maximum(UNIT * np.where(beyond > 0, tail, 0.0).mean(axis=0) - OFFSET, 0.0)
        hit = np.flatnonzero(score > 0)
        if hit.size:
            at = np.arange(self.ring.shape[1], dtype=np.intp)[slots][hit]
            score[hit] = np.where(self._improbability(at, n[hit]) >= GATE, score[hit], 0.0)
        return Surges(score, n, self.median[slots])

    def learn(self, slots: Slots, n: Floats) -> None:
        """Close the row of each slot with its count."""
        multiples = self._multiples(slots, n)
        if self._first_day is not None:
            self._first_day.append(multiples)
            if len(self._first_day) >= self.rows_per_day:
                least = min(row.shape[1] for row in self._first_day)
                day = np.stack([row[:, :least] for row in self._first_day])
                self.quantile[:, :least] = np.quantile(day, 1 - BEYOND, axis=0)
                self._first_day = None
        else:
            beyond = multiples - self.quantile[:, slots]
            above = beyond > 0
            self.excess[:, slots] += np.where(above, beyond, 0.0)
            self.excesses[:, slots] += above
            step = max(STEP, FIRST_STEP / math.sqrt(1 + self.rows / self.rows_per_day))
            self.quantile[:, slots] += step * (above - BEYOND)
        self._learn_level(slots, n)
        self._learn_median(slots, n)
        self.ring[self.rows % len(self.ring), slots] = n
        self.rows += 1

    def _sums(self, slots: Slots, n: Floats, scales: tuple[int, ...]) -> Floats:
        """Counts over the rows of each scale, the current one included."""
        sums, running, back = np.empty((len(scales), len(n))), n.astype(np.float64), 1
        for at, scale in enumerate(scales):
            while back < scale:
                running = running + self.ring[(self.rows - back) % len(self.ring), slots]
                back += 1
            sums[at] = running
        return sums

    def _multiples(self, slots: Slots, n: Floats) -> Floats:
        """The logarithm of each scale's mean count over one more than the median."""
        mean = self._sums(slots, n, self.scales) / np.array(self.scales)[:, None]
        multiples: Floats = np.log(np.maximum(mean / (1 + self.median[slots]), 1e-3))
        return multiples

    def _improbability(self, slots: NDArray[np.intp], n: Floats) -> Floats:
        scales = np.array(self.gates)[:, None]
        spread = self._spread(slots) / (1 + 0.5 * np.log2(scales))
        tails: Floats = volume_tail(self._sums(slots, n, self.gates), self.level[slots] * scales, spread).max(axis=0)
        return tails

    def _spread(self, slots: Slots) -> Floats:
        return bounded((self.dn[slots] + 0.4) / (self.dd[slots] + 2.0), 0.02, 5.0)

    def _learn_level(self, slots: Slots, n: Floats) -> None:
        level = np.maximum(n, 0.1) if self.rows == 0 else self.level[slots]
        sd = np.sqrt(level + level * level * self._spread(slots))
        clipped = bounded(n, level - 3 * sd, level + 3 * sd + 0.5)
        keep = 1 - 1 / (SPREAD_DAYS * self.rows_per_day)
        self.dn[slots] = np.maximum(keep * self.dn[slots] + (clipped - level) ** 2 - level, 0.0)
        self.dd[slots] = keep * self.dd[slots] + level * level
        rate = self._rate(LEVEL_HALF_LIFE_DAYS)
        self.level[slots] = np.maximum(level + rate * (clipped - level), 0.01)

    def _learn_median(self, slots: Slots, n: Floats) -> None:
        """Step toward the count by its sign, in square roots, by a measure of the usual distance."""
        known = np.maximum(n, 1.0) if self.rows == 0 else self.median[slots]
        root = np.sqrt(known + 0.25)
        away = np.sqrt(n + 0.25) - root
        deviation = self.deviation[slots]
        deviation = deviation + max(0.58 / self.rows_per_day, 1 / (self.rows + 1)) * (np.abs(away) - deviation)
        self.deviation[slots] = deviation
        root = np.maximum(root + 2.5 * self._rate(MEDIAN_HALF_LIFE_DAYS) * deviation * np.sign(away), 0.5)
        self.median[slots] = np.maximum(root * root - 0.25, 0.0)

    def _rate(self, half_life_days: float) -> float:
        slow: float = 1 - 2.0 ** (-1 / (half_life_days * self.rows_per_day))
        return max(slow, 1 / (self.rows + 1))


def _rows(seconds: tuple[int, ...], row_seconds: int) -> tuple[int, ...]:
    return tuple(sorted({max(1, one // row_seconds) for one in seconds}))
