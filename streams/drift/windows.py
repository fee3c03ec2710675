"""Means over the last documents, at several window sizes, against a baseline: the statistic that a detector alarms on.

Documents come in groups of :data:`STEP`, in order, however the stream was cut. A baseline begins as the release's
reference and goes on learning from documents that have left the longest window; after an alarm it is made anew from
the documents that follow, so that what has changed once is the new normal, and is told once.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from streams.drift.tails import Tail

Floats = NDArray[np.float64]
Squares = TypeVar("Squares", float, Floats)

STEP = 16
"""Documents between two looks at a statistic."""
BLOCK = 64
"""Looks in a block whose highest statistic is remembered for the threshold: 1,024 documents."""
SEED = 5
POOL, STREAMS, BLOCKS = 4_000, 48, 8
"""Of the simulation that finds a first threshold: groups drawn from, streams, and blocks in each."""
TINY = 1e-12
RAREST = 0.005
"""A class rarer than this counts as if it were this common: one document more of it is no drift."""
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
    """What a stream sounds like: mean feature [R] of ``documents``.

    ``scale`` [R] multiplies features before they are compared. Under the null the squared distance of two means is a
    weighted sum of chi-squares; ``broad`` and ``spread`` are its mean and standard deviation for single documents: the
    trace of their covariance, and the root of twice the trace of its square.
    """

    mean: Floats
    scale: Floats
    documents: float
    broad: float
    spread: float

    @classmethod
    def of(cls, features: NDArray[np.float32], *, shares: bool = False) -> Baseline:
        """The baseline of n documents' features [n, R]."""
        mean = features.mean(0, dtype=np.float64)
        scale = _scale(mean, shares)
        covariance = np.cov((features * scale).T).reshape(len(mean), -1)
        return cls(mean, scale, float(len(features)), *_sizes(covariance))

    @classmethod
    def settled(cls, groups: Floats, before: Baseline | None, *, shares: bool = False) -> Baseline:
        """The baseline of sums [g, R] over :data:`STEP` documents each, in order.

        Where there are more features than groups, the shape of their covariance cannot be told, only its size: the
        shape is that of ``before``.
        """
        mean = groups.mean(0) / STEP
        scale = _scale(mean, shares)
        broad, spread = _sizes(np.cov((groups * scale).T).reshape(len(mean), -1) / STEP)
        if before is not None and len(mean) > len(groups):
            spread = before.spread * broad / before.broad
        return cls(mean, scale, float(len(groups) * STEP), broad, spread)

    def learn(self, total: Floats, documents: int) -> None:
        """Take in the summed features ``total`` [R] of ``documents`` more."""
        self.documents += documents
        self.mean = self.mean + (total - documents * self.mean) / self.documents
        self.documents = min(self.documents, MEMORY)

    def standard(self, distance: Squares, window: int) -> Squares:
        """A squared distance of the mean of ``window`` documents, in standard deviations under the null."""
        width = 1.0 / window + 1.0 / self.documents
        return (distance - self.broad * width) / (self.spread * width)


def _scale(mean: Floats, shares: bool) -> Floats:
    return 1.0 / np.sqrt(np.maximum(mean, RAREST)) if shares else np.ones_like(mean)


def _sizes(covariance: Floats) -> tuple[float, float]:
    return max(float(np.trace(covariance)), TINY), max(float(np.sqrt(2.0 * np.square(covariance).sum())), TINY)


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
    shares: bool = False
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
        self._clear()

    def hear(self, group: Floats) -> Look:
        """Take in the summed features [R] of the next :data:`STEP` documents, and look."""
        self.documents += STEP
        if self.baseline is None or self._settling:
            self._settle(group)
            return Look(self.documents, 0.0, self.tail.threshold, False)
        statistic, size = self._slide(self.baseline, group)
        threshold = self.tail.threshold
        alarm = statistic > threshold
        self._remember(statistic, alarm)
        if alarm:
            self.alarms += 1
            now = self._sums[self.sizes.index(size)] / size
            self.moved = Moved(size, now, self.baseline.mean.copy())
            self._settling = True
            self._clear()
        return Look(self.documents, statistic if np.isfinite(statistic) else 0.0, threshold, alarm)

    def _slide(self, baseline: Baseline, group: Floats) -> tuple[float, int]:
        """Move every window on by one group; the highest of their distances and its window, -inf while none is full."""
        longest = len(self._ring)
        place = self._held % longest
        if self._held >= longest:
            baseline.learn(self._ring[place], STEP)
        highest, widest = -np.inf, 0
        for at, size in enumerate(self.sizes):
            span = size // STEP
            self._sums[at] += group
            if self._held >= span:
                self._sums[at] -= self._ring[(self._held - span) % longest]
            if self._held + 1 >= span:
                apart = (self._sums[at] / size - baseline.mean) * baseline.scale
                beyond = max(0.0, float(np.sqrt(apart @ apart)) - self.slack)
                statistic = baseline.standard(beyond * beyond, size)
                if statistic > highest:
                    highest, widest = statistic, size
        self._ring[place] = group
        self._held += 1
        return highest, widest

    def _settle(self, group: Floats) -> None:
        self._kept.append(group)
        if len(self._kept) * STEP >= self.settling:
            self.baseline = Baseline.settled(np.array(self._kept), self.baseline, shares=self.shares)
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
        known = groups[draw.integers(0, POOL, -(-len(home) // STEP))]
        baseline = replace(true, mean=known.mean(0) / STEP)
        sums = np.concatenate([np.zeros((1, stream.shape[1])), np.cumsum(stream, axis=0)])
        highest = np.full(BLOCKS * BLOCK, -np.inf)
        for size in sizes:
            span = size // STEP
            means = (sums[span:] - sums[:-span])[-len(highest) :] / size
            distance = np.square((means - baseline.mean) * baseline.scale).sum(1)
            highest = np.maximum(highest, baseline.standard(distance, size))
        peaks += highest.reshape(BLOCKS, BLOCK).max(1).tolist()
    return Tail(float(np.mean(peaks)), float(np.var(peaks)), run_length / (BLOCK * STEP))
