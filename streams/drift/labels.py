"""Whether the release errs more than it used to, from labels that arrive with the stream (stars, feedback).

A mixture of Shiryaev-Roberts statistics (Shin, Ramdas and Rinaldo 2022): for each rate q above the usual p,
``M = (M + 1) * likelihood ratio``. While the error is p or less, the weighted mean of these is on average no larger
than the number of labels seen, so an alarm at A comes on average no sooner than after A labels.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streams.drift.windows import Look

RISES = np.array([1.25, 1.5, 2.0, 3.0])
WEIGHTS = np.array([0.25, 0.35, 0.25, 0.15])
"""How many times more errors are listened for, and how much each counts."""
RUN_LENGTH = 10_000.0
"""Labels between two false alarms, at least."""
DELAY = 256
"""Labels that have to follow before one counts for what is usual: a rise is not learned while it is being heard."""
HOME_LABELS = 100.0
"""Labels of the stream against which the release's own error weighs as much."""
MEMORY = 5_000.0
"""Labels by which the usual error is remembered."""


@dataclass
class ErrorRate:
    """One head on one stream. ``usual`` is the error so far: it starts with what the release's reference says."""

    usual: float
    known: float = HOME_LABELS
    labels: int = 0
    alarms: int = 0
    _evidence: NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(RISES)))
    _waiting: deque[float] = field(default_factory=deque)

    def hear(self, error: float) -> Look:
        """Take in one label: ``error`` is 1 where the call was wrong, 0 where it was right."""
        p = min(max(self.usual, 0.005), 0.98)
        q = np.minimum(RISES * p, 0.99)
        ratio = np.power(q / p, error) * np.power((1 - q) / (1 - p), 1 - error)
        self._evidence = (self._evidence + 1.0) * ratio
        statistic = float(WEIGHTS @ self._evidence)
        alarm = statistic >= RUN_LENGTH
        self.labels += 1
        self._waiting.append(error)
        if alarm:
            self.alarms += 1
            self._begin_anew()
        elif len(self._waiting) > DELAY:
            self.known = min(self.known, MEMORY) + 1.0
            self.usual += (self._waiting.popleft() - self.usual) / self.known
        # As a logarithm, so that it can be read beside the others.
        return Look(self.labels, float(np.log10(1.0 + statistic)), float(np.log10(1.0 + RUN_LENGTH)), alarm)

    def _begin_anew(self) -> None:
        """What was heard of late is the new usual, and is told once."""
        self.usual, self.known = float(np.mean(self._waiting)), float(len(self._waiting))
        self._waiting.clear()
        self._evidence = np.zeros(len(RISES))
