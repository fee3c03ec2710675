"""Means over the last documents, at several window sizes, against a baseline: the statistic that a detector alarms on.

Documents come in groups of :data:`STEP`, in order, however the stream was cut. A baseline begins as the release's
reference and goes on learning from documents that have left the longest window; after an alarm it is made anew from
the documents that follow, so that what has changed once is the new normal, and is told once. How far a mean may stray
from the baseline is learned for each window and feature (:mod:`streams.drift.unrest`).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.drift.tails import Tail
from streams.drift.unrest import Unrest

Floats = NDArray[np.float64]

STEP = 16
"""Documents between two looks at a statistic."""
LAG, LAG_AFTER = 16, 256
"""Looks after which one is learned from, and the documents of a stream that are needed for each: what is new has so
long to be heard before it counts as unrest, but of a stream of which little is known all is learned at once."""
BLOCK = 64
"""Looks in a block whose highest statistic is remembered for the threshold: 1,024 documents."""
SEED = 5
POOL, STREAMS, BLOCKS = 4_000, 48, 8
"""Of the simulation that finds a first threshold: groups drawn from, streams, and blocks in each."""
TINY = 1e-12
RAREST = 0.005
"""A class rarer than this counts as if it were this common: one document more of it is no drift."""
LEAST_VARIANCE = 0.05
"""Of a feature, as a part of the mean of all: what hardly ever moves is not taken to be fixed."""
MEMORY = 20_000
"""Documents that a baseline remembers; older ones fade."""


class Look(NamedTuple):
    """One look: after how many documents, the statistic, its threshold, and whether it alarms."""

    documents: int
    statistic: float
    threshold: float
    alarm: bool


class Moved(NamedTuple):
    """The window of ``documents`` that alarmed: its mean features [R], and those of the baseline."""

    documents: int
    now: Floats
    usual: Floats


@dataclass
class Baseline:
    """What a stream sounds like: mean feature [R] of ``documents``, and the ``variance`` [R] of a single document's.

    ``spread`` is the standard deviation of a squared distance in which each feature counts one on average: the root of
    twice the sum of the squared correlations of the features.
    """

    mean: Floats
    variance: Floats
    spread: float
    documents: float

    @classmethod
    def of(cls, features: NDArray[np.float32]) -> Baseline:
        """The baseline of n documents' features [n, R]."""
        variance = _floored(features.var(0, dtype=np.float64))
        correlation = np.cov((features / np.sqrt(variance)).T).reshape(len(variance), -1)
        spread = float(np.sqrt(2.0 * np.square(correlation).sum()))
        return cls(features.mean(0, dtype=np.float64), variance, spread, float(len(features)))

    @classmethod
    def settled(cls, groups: Floats, before: Baseline | None) -> Baseline:
        """The baseline of sums [g, R] over :data:`STEP` documents each, in order.

        The variance is that of the steps from one group to the next, so that what comes and goes slowly is not in it;
        how features go together is what it was ``before``.
        """
        variance = _floored(np.square(np.diff(groups, axis=0)).mean(0) / (2 * STEP))
        spread = before.spread if before is not None else float(np.sqrt(2.0 * len(variance)))
        return cls(groups.mean(0) / STEP, variance, spread, float(len(groups) * STEP))

    def learn(self, total: Floats, documents: int) -> None:
        """Take in the summed features ``total`` [R] of ``documents`` more."""
        self.documents += documents
        self.mean = self.mean + (total - documents * self.mean) / self.documents
        self.documents = min(self.documents, MEMORY)


def _floored(variance: Floats) -> Floats:
    return np.maximum(variance, max(LEAST_VARIANCE * float(variance.mean()), TINY))


@dataclass
class Windows:
    """One detector on one stream. ``sizes`` are in documents, each a multiple of :data:`STEP`, the longest last.

    ``settling`` is how many documents make a new baseline: after an alarm, or at once where none is given. Distances
    are counted from ``slack`` on.
    """

    sizes: tuple[int, ...]
    width: int
    baseline: Baseline | None
    tail: Tail
    settling: int
    pooled: bool = False
    slack: float = 0.0
    documents: int = 0
    alarms: int = 0
    moved: Moved | None = None
    """What the last alarm was about."""
    own: bool = False
    """Whether the baseline is the stream's own, and not the release's."""
    _ring: Floats = field(init=False)
    _sums: Floats = field(init=False)
    _held: int = field(default=0, init=False)
    _settling: bool = field(default=False, init=False)
    _kept: list[Floats] = field(default_factory=list, init=False)
    _peak: float = field(default=-np.inf, init=False)
    _looks: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        spread = self.baseline.spread if self.baseline is not None else np.sqrt(2.0 * self.width)
        self.unrest = Unrest(self.sizes, self.width, 2.0 * self.width**2 / spread**2, self.pooled)
        self._lengths = np.array(self.sizes, np.float64)[:, None]
        self._spans = [size // STEP for size in self.sizes]
        self._clear()

    def hear(self, group: Floats) -> Look:
        """Take in the summed features [R] of the next :data:`STEP` documents, and look."""
        self.documents += STEP
        self.unrest.hear(group, STEP)
        if self.baseline is None or self._settling:
            self._settle(group)
            self.tail.count(1.0 / BLOCK, alarm=False)
            return Look(self.documents, 0.0, self.tail.threshold, False)
        statistic, size = self._slide(self.baseline, group)
        threshold = self.tail.threshold
        alarm = statistic > threshold
        self._remember(statistic, alarm)
        self.tail.count(1.0 / BLOCK, alarm=alarm)
        if alarm:
            self.alarms += 1
            now = self._sums[self.sizes.index(size)] / size
            self.moved = Moved(size, now, self.baseline.mean.copy())
            self._settling = True
            while self._unlearned:
                self.unrest.learn(*self._unlearned.popleft(), self.baseline.variance, STEP)
            self.unrest.begin()
            self._clear()
        return Look(self.documents, statistic if np.isfinite(statistic) else 0.0, threshold, alarm)

    def _slide(self, baseline: Baseline, group: Floats) -> tuple[float, int]:
        """Move every window on by one group; the highest of their distances and its window, -inf while none is full."""
        longest = len(self._ring)
        place = self._held % longest
        if self._held >= longest:
            baseline.learn(self._ring[place], STEP)
        self._sums += group
        for at, span in enumerate(self._spans):
            if self._held >= span:
                self._sums[at] -= self._ring[(self._held - span) % longest]
        self._ring[place] = group
        self._held += 1
        full = np.array([self._held >= span for span in self._spans])
        if not full[0]:
            return -np.inf, 0
        means = self._sums / self._lengths
        apart = means - baseline.mean
        if self.slack:
            length = np.sqrt(np.square(apart).sum(1, keepdims=True))
            apart = apart * np.maximum(0.0, 1.0 - self.slack / np.maximum(length, TINY))
        allowed = self.unrest.allowed(baseline.variance, baseline.documents)
        distances = (np.square(apart) / allowed).sum(1)
        statistics = np.where(full, (distances - self.width) / baseline.spread, -np.inf)
        self._unlearned.append((means, full))
        while len(self._unlearned) > min(LAG, self.documents // LAG_AFTER):
            self.unrest.learn(*self._unlearned.popleft(), baseline.variance, STEP)
        highest = int(statistics.argmax())
        return float(statistics[highest]), self.sizes[highest]

    def _settle(self, group: Floats) -> None:
        self._kept.append(group)
        if len(self._kept) * STEP >= self.settling:
            self.baseline = Baseline.settled(np.array(self._kept), self.baseline)
            self.own, self._settling = True, False
            self._kept.clear()

    def _remember(self, statistic: float, alarm: bool) -> None:
        self._peak = max(self._peak, statistic)
        self._looks += 1
        if self._looks == BLOCK or alarm:
            self.tail.learn(self._peak)
            self._peak, self._looks = -np.inf, 0

    def _clear(self) -> None:
        self._ring = np.zeros((self.sizes[-1] // STEP, self.width))
        self._sums = np.zeros((len(self.sizes), self.width))
        self._held = 0
        self._unlearned: deque[tuple[Floats, NDArray[np.bool_]]] = deque()


def calibrate(home: NDArray[np.float32], true: Baseline, sizes: tuple[int, ...], run_length: float) -> Tail:
    """The tail of a detector with the baseline ``true`` on documents like those at ``home`` [n, R], drawn one by one.

    ``run_length`` is in documents.
    The baseline of each simulated stream is another draw: a threshold that takes the reference for the truth is too
    low.
    """
    draw = np.random.default_rng(SEED)
    groups = home[draw.integers(0, len(home), (POOL, STEP))].sum(1, dtype=np.float64)
    peaks: list[float] = []
    for _ in range(STREAMS):
        stream = groups[draw.integers(0, POOL, sizes[-1] // STEP + BLOCKS * BLOCK)]
        known = groups[draw.integers(0, POOL, -(-len(home) // STEP))].mean(0) / STEP
        sums = np.concatenate([np.zeros((1, stream.shape[1])), np.cumsum(stream, axis=0)])
        highest = np.full(BLOCKS * BLOCK, -np.inf)
        for size in sizes:
            span = size // STEP
            means = (sums[span:] - sums[:-span])[-len(highest) :] / size
            allowed = true.variance * (1.0 / size + 1.0 / len(home))
            distance = (np.square(means - known) / allowed).sum(1)
            highest = np.maximum(highest, (distance - len(true.mean)) / true.spread)
        peaks += highest.reshape(BLOCKS, BLOCK).max(1).tolist()
    return Tail(float(np.mean(peaks)), float(np.var(peaks)), run_length / (BLOCK * STEP))
