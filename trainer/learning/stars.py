"""Stars as labels: what a customer's stars say of what the words say, source by source.

Stars are given for a product or an order, and the text may speak of something else. So each number of stars is a
distribution over the sentiments, estimated where documents have both stars and a person's word: of one source, shrunk
to what holds for all sources, and that shrunk to a prior. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PRIOR: Floats = np.array(
    [[0.88, 0.09, 0.03], [0.74, 0.18, 0.08], [0.30, 0.45, 0.25], [0.06, 0.17, 0.77], [0.03, 0.08, 0.89]]
)
"""Of one to five stars, the part of texts that are negative, neutral and positive, before any was looked at."""
STRENGTH = 20.0
"""Documents of a number of stars against which what it is shrunk to weighs as much."""


@dataclass(frozen=True)
class Noise:
    """How stars and words go together: ``pooled`` [5, 3] over all sources, and by source where there was any."""

    pooled: Floats
    sources: dict[str, Floats]

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, float, int]]) -> Noise:
        """Estimated from documents with both: source, stars, and the sentiment that people gave.

        >>> noise = Noise.of([("shop", 5.0, 0)] * 60)
        >>> [round(float(p), 2) for p in noise.soft("shop", 5.0)]
        [0.94, 0.01, 0.06]
        >>> bool(noise.soft("elsewhere", 5.0)[0] > noise.soft("elsewhere", 4.0)[0])
        True
        """
        counts: dict[str, Floats] = {}
        for source, stars, label in pairs:
            counts.setdefault(source, np.zeros((5, 3)))[nearest(stars) - 1, label] += 1.0
        total = np.sum(list(counts.values()), axis=0) if counts else np.zeros((5, 3))
        pooled = _shrunk(total, PRIOR)
        return cls(pooled, {source: _shrunk(table, pooled) for source, table in counts.items()})

    def soft(self, source: str, stars: float) -> Floats:
        """The distribution over the sentiments [3] of a document of ``source``; half stars lie between."""
        table = self.sources.get(source, self.pooled)
        place = min(max(stars, 1.0), 5.0) - 1.0
        low, part = math.floor(place), place - math.floor(place)
        return np.asarray((1 - part) * table[low] + part * table[min(low + 1, 4)])


def nearest(stars: float) -> int:
    """One to five.

    >>> [nearest(given) for given in (0.0, 2.4, 4.6, 9.0)]
    [1, 2, 5, 5]
    """
    return int(min(max(math.floor(stars + 0.5), 1), 5))


def _shrunk(counts: Floats, towards: Floats) -> Floats:
    return np.asarray((counts + STRENGTH * towards) / (counts.sum(1, keepdims=True) + STRENGTH))
