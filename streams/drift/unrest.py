"""How restless a stream is: how much more the means of its windows stray than were its documents drawn one by one.

Where topics come in bursts or with the hours of the day, means of a thousand documents may stray ten times as far as
sampling explains. If every feature and window had the same allowance for that, a detector would be deaf to what is new.
So each has its own: features that come and go all the time count little, and one that never moved counts in full. What
is learned of few windows is shrunk to what all features show, and that to what the next shorter window shows.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FIRST = 1.5
"""The unrest of the shortest window before anything was heard."""
LEAST = 0.9
YOUNG = 16_384.0
"""Documents of a stream before which unrest counts more than twice: it is learned late how restless a stream can be."""
ALL_KNOWN, EACH_KNOWN = 4.0, 16.0
"""Windows that the shorter ones, and the mean of all features, count for."""
MEMORY = 30_000.0
"""Documents by which unrest is remembered, or :data:`LEAST_WINDOWS` windows where these are more."""
LEAST_WINDOWS = 24.0
LARGEST = 25.0
"""A square this many times the expected one counts as no more: drift is not taken for unrest."""


@dataclass
class Unrest:
    """For windows of ``sizes`` documents over ``width`` features; with ``pooled`` all features share theirs.

    ``free`` is how many features that do not go together would vary as much.
    """

    sizes: tuple[int, ...]
    width: int
    free: float
    pooled: bool = False
    factors: Floats = field(init=False)
    """[W, R] the variance of a window's mean, as a multiple of that of documents drawn one by one."""
    _own: Floats = field(init=False)
    _all: Floats = field(init=False)
    _common: Floats = field(init=False)
    _seen: Floats = field(init=False)
    _mean: Floats = field(init=False)
    _documents: float = field(default=0.0, init=False)
    _heard: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        shape = (len(self.sizes), self.width)
        self._lengths = np.array(self.sizes, np.float64)
        self._most = np.maximum(MEMORY / self._lengths, LEAST_WINDOWS)
        self.factors, self._own = np.full(shape, FIRST), np.full(shape, FIRST)
        self._all, self._seen = np.full(shape[0], FIRST), np.zeros(shape[0])
        self._common = np.full(shape[0], FIRST)
        self.begin()

    def allowed(self, variance: Floats, documents: float) -> Floats:
        """How far a window's mean may be from a baseline of so many ``documents``, as variances [W, R].

        ``variance`` [R] is that of single documents. While little is known of a stream, what unrest was heard beyond
        doubt counts several times.
        """
        young = YOUNG / max(self._heard, 1.0)
        doubt = 1.5 * np.sqrt(2.0 / (self.free * max(self._seen[0], 0.5)))
        surplus = np.maximum(1.0 - (1.0 + doubt) / self._common, 0.0)
        factors = self.factors * (1.0 + young * surplus[:, None])
        return np.asarray(variance * (factors / self._lengths[:, None] + factors[-1] / documents), np.float64)

    def hear(self, group: Floats, step: int) -> None:
        """Take in the summed features [R] of ``step`` more documents."""
        self._heard += step
        self._documents += step
        self._mean += (group - step * self._mean) / self._documents
        self._documents = min(self._documents, MEMORY)

    def learn(self, means: Floats, full: NDArray[np.bool_], variance: Floats, step: int) -> None:
        """Take in the windows' means [W, R] where they are ``full``, ``step`` documents after the last time.

        They are held against the stream's own mean, not against the baseline: a stream that stays away from its
        baseline is not restless.
        """
        inside = self._lengths / self._documents
        known = full & (inside <= 0.5)
        expected = variance * (np.where(known, 1.0 - inside, 1.0) / self._lengths)[:, None]
        ratio = np.minimum(np.square(means - self._mean) / expected, LARGEST * self.factors)
        weight = np.where(known, step / self._lengths, 0.0)
        self._seen = np.minimum(self._seen + weight, self._most)
        share = (weight / np.maximum(self._seen, 1.0))[:, None]
        self._own += share * (ratio - self._own)
        self._all += share[:, 0] * (ratio.mean(1) - self._all)
        before = FIRST
        for at, seen in enumerate(self._seen.tolist()):
            before = max((ALL_KNOWN * before + seen * self._all[at]) / (ALL_KNOWN + seen), LEAST)
            self._common[at] = before
            if self.pooled:
                self.factors[at] = before
            else:
                self.factors[at] = np.maximum((EACH_KNOWN * before + seen * self._own[at]) / (EACH_KNOWN + seen), LEAST)

    def begin(self) -> None:
        """What follows is another stream: its mean is not known yet, only how restless the one before was."""
        self._mean, self._documents = np.zeros(self.width), 0.0
