"""What a benchmark of the alarm consists of: counts, the spikes hidden in them, and what must not ring.

Windows are quarter hours. A trial is drawn from one seed; the seeds that settings are chosen on and those that
figures are reported from are kept apart here, and nothing else in the project draws from either.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

WINDOW_SECONDS = 900
DAY = 96
BURN = 14 * DAY
FIRST_START = 4 * 86_400 + 54 * 365 * 86_400 + 7 * 86_400
"""A Monday, 00:00 UTC (1970-01-05 and a whole number of weeks), so that days 5 and 6 of 7 are weekends."""
FIRST_START -= FIRST_START % (7 * 86_400) - 4 * 86_400

TUNING_SEEDS = (101, 102, 103)
REPORTING_SEEDS = (9001, 9002, 9003)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Injections:
    """One entry per injection of one kind: its key, first window, length in windows and strength."""

    key: Ints
    start: Ints
    length: Ints
    strength: Floats

    def __len__(self) -> int:
        return len(self.key)

    def first(self, keys: int) -> Injections:
        """Those of the first ``keys`` keys."""
        kept = self.key < keys
        return Injections(self.key[kept], self.start[kept], self.length[kept], self.strength[kept])

    @classmethod
    def of(cls, rows: list[tuple[int, int, int, float]]) -> Injections:
        """Injections from (key, start, length, strength)."""
        key, start, length, strength = zip(*rows, strict=True) if rows else ((), (), (), ())
        return cls(
            np.array(key, np.int64), np.array(start, np.int64), np.array(length, np.int64), np.array(strength, float)
        )


@dataclass(frozen=True)
class Trial:
    """Counts by (window, key), what was put into them, and where judging begins.

    ``negative`` and ``total`` are the story-collapsed counts that had arrived at the close; ``raw_*`` hold the
    copies too. ``shift`` is the window in which a key's level moved for good, or -1. ``starts`` is the epoch
    second of each key's first window.
    """

    name: str
    negative: Floats
    total: Floats
    raw_negative: Floats
    raw_total: Floats
    spikes: Injections
    bursts: Injections
    cascades: Injections
    shift: Ints
    burn: int
    starts: Ints
    late: tuple[Floats, Floats] | None = field(default=None, repr=False)

    @property
    def windows(self) -> int:
        return len(self.total)

    @property
    def keys(self) -> int:
        return self.total.shape[1]

    def first(self, keys: int) -> Trial:
        """The trial of the first ``keys`` keys alone."""
        return replace(
            self,
            negative=self.negative[:, :keys],
            total=self.total[:, :keys],
            raw_negative=self.raw_negative[:, :keys],
            raw_total=self.raw_total[:, :keys],
            spikes=self.spikes.first(keys),
            bursts=self.bursts.first(keys),
            cascades=self.cascades.first(keys),
            shift=self.shift[:keys],
            starts=self.starts[:keys],
            late=None if self.late is None else (self.late[0][:, :keys], self.late[1][:, :keys]),
        )


class Room:
    """Which windows of each key are still free for an injection: none lies within 16 windows of another."""

    APART = 16
    TRIES = 50

    def __init__(self, windows: int, keys: int, burn: int) -> None:
        self.taken = np.zeros((windows, keys), dtype=bool)
        self.burn = burn

    def find(self, rng: np.random.Generator, key: int, length: int) -> int | None:
        """A start for an injection of ``length`` windows, uniform over the free ones; ``None`` where none was found."""
        windows = len(self.taken)
        for _ in range(self.TRIES):
            start = int(rng.integers(self.burn, windows - length - 8))
            near = slice(max(start - self.APART, 0), start + length + self.APART)
            if not self.taken[near, key].any():
                self.taken[start : start + length, key] = True
                return start
        return None


def drawn_length(rng: np.random.Generator) -> int:
    """2 to 23 windows, log-uniform."""
    return int(np.exp(rng.uniform(np.log(2), np.log(24))))


def shape(length: int) -> Floats:
    """How an injection swells over two windows and fades: one value per window."""
    j = np.arange(length)
    return np.minimum(1.0, (j + 1) / 2) * np.exp(-j / max(length / 2, 1))


def autoregressive(rng: np.random.Generator, windows: int, keys: int, rho: float) -> Floats:
    """A unit-variance AR(1) path per key."""
    path = rng.standard_normal((windows, keys))
    path[1:] *= np.sqrt(1 - rho * rho)
    for t in range(1, windows):
        path[t] += rho * path[t - 1]
    return path


def logistic(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-x)))


def negatives_of(rng: np.random.Generator, total: Floats, p0: Floats) -> tuple[Floats, Floats]:
    """Beta-binomial negatives among ``total`` around a share that wanders; returns the counts and the share."""
    windows, keys = total.shape
    wander = autoregressive(rng, windows, keys, 0.98)
    share = logistic(np.log(p0 / (1 - p0)) + 0.2 * wander)
    k = rng.uniform(20, 200, keys)
    y = rng.binomial(total.astype(np.int64), rng.beta(share * k, (1 - share) * k)).astype(float)
    return y, share


def drawn_p0(rng: np.random.Generator, keys: int) -> Floats:
    """The usual negative share of each key."""
    return np.clip(rng.beta(3, 9, keys), 0.04, 0.6)
