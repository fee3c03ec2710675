"""Thresholds for a run length: how high a statistic climbs by chance once in so many documents.

What counts is the highest statistic of each block of about a thousand documents. Its distribution is that of a largest
value (Gumbel 1958). It is first found by resampling the release's own documents, and then learned from the stream,
whose documents come in bursts: the stream's block maxima are shrunk to the resampled ones. A maximum above the
threshold counts as one at the threshold and a little more, so that a real drift teaches little, and a stream
that alarms all the time raises its threshold until it does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

EULER = 0.5772156649
SHRINKAGE = 16.0
"""Blocks that the resampled distribution counts for."""
LEAST_VARIANCE = 0.05
MEMORY = 128.0
"""Blocks of the stream that are remembered; older ones fade."""


@dataclass
class Tail:
    """Mean and variance of block maxima; ``blocks`` of the stream are in them. ``run_length`` is in blocks."""

    mean: float
    variance: float
    run_length: float
    blocks: float = 0.0

    @property
    def threshold(self) -> float:
        """Exceeded by the maximum of one block in ``run_length`` by chance."""
        scale = np.sqrt(6.0 * self.variance) / np.pi
        surpassed = -np.log1p(-1.0 / self.run_length)
        return float(self.mean - scale * (EULER + np.log(surpassed)))

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
