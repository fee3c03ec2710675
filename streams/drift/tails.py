"""Thresholds for a run length: how high a statistic climbs by chance once in so many documents.

What counts is the highest statistic of each block of about a thousand documents. Its distribution is that of a largest
value (Gumbel 1958). It is first found by resampling the release's own documents, and then learned from the stream,
whose documents come in bursts: the stream's block maxima are shrunk to the resampled ones. A maximum above the
threshold counts as one at the threshold and a little more, so that a real drift teaches little. What the distribution
gets wrong is put right by counting (Robbins and Monro 1951): each alarm raises the threshold by a step, and it sinks by
the same step in a run length without one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

EULER = 0.5772156649
SHRINKAGE = 16.0
"""Blocks that the resampled distribution counts for."""
LEAST_VARIANCE = 0.05
LOWEST, HIGHEST = -2.0, 10.0
"""Standard deviations by which counting may lower and raise the threshold."""
HASTE = 32.0
"""Blocks of the stream in which a step falls from two standard deviations to one and a half; in the end it is one."""
MEMORY = 128.0
"""Blocks of the stream that are remembered; older ones fade."""


@dataclass
class Tail:
    """Mean and variance of block maxima; ``blocks`` of the stream are in them. ``run_length`` is in blocks."""

    mean: float
    variance: float
    run_length: float
    blocks: float = 0.0
    raised: float = 0.0
    """Standard deviations by which counting has moved the threshold."""

    def __post_init__(self) -> None:
        # No stream is taken to be calmer than documents drawn one by one.
        self._home = self.mean, self.variance

    @property
    def threshold(self) -> float:
        """Exceeded by the maximum of one block in ``run_length`` by chance."""
        mean, variance = max(self.mean, self._home[0]), max(self.variance, self._home[1])
        surpassed = -np.log1p(-1.0 / self.run_length)
        reach = -np.sqrt(6.0) / np.pi * (EULER + np.log(surpassed)) + self.raised
        return float(mean + reach * np.sqrt(variance))

    def count(self, blocks: float, *, alarm: bool) -> None:
        """Note that so much of the stream has gone by, with or without an alarm."""
        step = 1.0 + HASTE / (HASTE + self.blocks)
        if alarm:
            self.raised += step
        elif self.blocks >= SHRINKAGE:  # before that quiet says nothing yet
            self.raised -= step * blocks / self.run_length
        self.raised = min(max(self.raised, LOWEST), HIGHEST)

    def learn(self, peak: float) -> None:
        """Take in the highest statistic of one more block."""
        if not np.isfinite(peak):
            return
        threshold = self.threshold
        value = min(peak, threshold + 0.25 * float(np.sqrt(self.variance)))
        known = min(SHRINKAGE + self.blocks, MEMORY)
        weight = 1.0 / (known + 1.0)
        apart = value - self.mean
        self.mean += weight * apart
        self.variance = max((1.0 - weight) * (self.variance + weight * apart * apart), LEAST_VARIANCE)
        self.blocks += 1.0
