"""Paired tests: two releases answer the same questions, so only the documents on which they differ say anything.

Pure. Differences are candidate minus champion; shares and bounds are fractions, not points.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]

ROUNDS = 2_000
"""Bootstrap samples."""
ALPHA = 0.05
POWER_FACTOR = 8.56
"""(z of .95 plus z of .90) squared: one-sided 5 % test, passed by an equal model nine times in ten."""


@dataclass(frozen=True)
class Paired:
    """The mean difference of ``n`` documents, one-sided bounds of it, and how often they differ (``discordance``)."""

    n: int
    difference: float
    lower: float
    upper: float
    discordance: float

    def figures(self) -> dict[str, float]:
        """In points, for a verdict."""
        return {
            "n": self.n,
            "difference_points": round(100 * self.difference, 3),
            "lower_points": round(100 * self.lower, 3),
            "upper_points": round(100 * self.upper, 3),
            "discordance_percent": round(100 * self.discordance, 2),
        }


def paired(differences: Floats, *, alpha: float = ALPHA, seed: int = 0, rounds: int = ROUNDS) -> Paired:
    """The mean of ``differences`` [n], one per document, with percentile bounds over ``rounds`` bootstrap samples.

    Each bound is wrong with probability ``alpha``.

    >>> paired(np.array([0.0, 0.0, 1.0, 0.0] * 100)).difference
    0.25
    """
    n = len(differences)
    if n == 0:
        return Paired(0, 0.0, -1.0, 1.0, 0.0)
    # A sample with replacement only decides how often each distinct value is drawn.
    values, counts = np.unique(differences, return_counts=True)
    drawn = np.random.default_rng(seed).multinomial(n, counts / n, size=rounds)
    means = drawn @ values / n
    low, high = np.quantile(means, [alpha, 1 - alpha])
    return Paired(n, float(differences.mean()), float(low), float(high), float((differences != 0).mean()))


def needed(discordance: float, margin: float) -> int:
    """Documents that an equal model needs to pass a test of non-inferiority by ``margin`` nine times in ten.

    >>> needed(0.06, 0.01)
    5136
    """
    return int(np.ceil(POWER_FACTOR * discordance / margin**2))


def mcnemar(better: int, worse: int) -> float:
    """Two-sided exact p of ``better`` documents won and ``worse`` lost, were both releases equal (McNemar 1947).

    >>> round(mcnemar(10, 2), 4)
    0.0386
    """
    return float(stats.binomtest(better, better + worse).pvalue) if better + worse else 1.0


def worse_than_chance(better: int, worse: int) -> float:
    """One-sided exact p of losing so many documents and winning so few, were both releases equal."""
    return float(stats.binomtest(worse, better + worse, alternative="greater").pvalue) if better + worse else 1.0


def more_than(share: float, found: int, asked: int) -> bool:
    """Whether ``found`` of ``asked`` are more than a ``share`` brings forth by chance nineteen times in twenty.

    >>> more_than(0.01, 9, 519), more_than(0.01, 10, 519)
    (False, True)
    """
    return bool(stats.binom.sf(found - 1, asked, share) < ALPHA)


def changed_where_sure(before: NDArray[Any], after: NDArray[Any], lead: float) -> tuple[int, int]:
    """Of n rows of probabilities [n, k], on how many the winner of ``before`` leads by ``lead`` and is another in
    ``after``, and on how many it leads so.

    >>> import numpy as np
    >>> changed_where_sure(np.array([[0.9, 0.1], [0.51, 0.49]]), np.array([[0.4, 0.6], [0.4, 0.6]]), 0.3)
    (1, 1)
    """
    second, first = np.sort(before, 1)[:, -2:].T
    sure = first - second >= lead
    return int((before.argmax(1) != after.argmax(1))[sure].sum()), int(sure.sum())


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """The p values, corrected so that all of them together are wrong once in twenty times (Holm 1979).

    >>> holm({"a": 0.01, "b": 0.04, "c": 0.03})
    {'a': 0.03, 'c': 0.06, 'b': 0.06}
    """
    corrected: dict[str, float] = {}
    most = 0.0
    for place, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        most = max(most, min(1.0, p * (len(p_values) - place)))
        corrected[name] = most
    return corrected
