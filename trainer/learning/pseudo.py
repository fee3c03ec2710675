"""Guarded pseudo-labels: texts without a label that teach what is sure already. Pure.

A text gets one only if the champion is sure by a threshold that its class has earned, says the same of the text with
some words left out, and another release agrees. The classes come in the mix that the stream has, and there are at most
as many as true labels. They are soft, weigh half, and nobody is ever judged by them.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SUREST, LEAST_SURE = 0.97, 0.85
AGREED = 0.5
"""The other release's probability of the same class, at least."""
LEFT_OUT = 0.15
"""Part of the words that the second reading does without."""
WEIGHT = 0.5
RARE = 0.05
"""A smaller part of the stream than this does not hold back the other classes when none of it passes."""


class Pseudo(NamedTuple):
    """Text ``at`` of those given, and the distribution over the sentiments that it teaches."""

    at: int
    soft: tuple[float, float, float]


def thresholds(probs: Floats) -> Floats:
    """How sure the champion must be of each class [3]: as it is on the mean, less of classes it seldom names.

    After FreeMatch (Wang et al. 2023), with a floor: naive thresholds are what makes pseudo-labels hurt.

    >>> [round(float(t), 2) for t in thresholds(np.array([[0.98, 0.01, 0.01]] * 3 + [[0.05, 0.05, 0.9]]))]
    [0.96, 0.85, 0.85]
    """
    usual = float(np.clip(probs.max(1).mean(), LEAST_SURE, SUREST)) if len(probs) else SUREST
    named = probs.mean(0) if len(probs) else np.ones(3)
    return np.asarray(np.clip(usual * named / named.max(), LEAST_SURE, SUREST))


def second_view(text: str) -> str:
    """The text without some of its words, the same ones each time.

    >>> second_view("one two three four five six seven eight nine ten") == second_view(
    ...     "one two three four five six seven eight nine ten")
    True
    """
    words = text.split()
    kept = [
        word
        for at, word in enumerate(words)
        if hashlib.sha256(f"{at} {word}".encode("utf-8", "replace")).digest()[0] >= 256 * LEFT_OUT
    ]
    return " ".join(kept or words)


def guarded(first: Floats, second: Floats, teacher: Floats | None, mix: Floats, most: int) -> list[Pseudo]:
    """The texts that pass, surest first within each class.

    ``first``, ``second`` and ``teacher`` [n, 3] are calibrated: the champion on the text and on its second view,
    and another release on the text. Without a ``teacher`` nothing passes. ``mix`` [3] is the part of each sentiment
    in the stream, ``most`` the number of true labels.
    """
    if teacher is None or not len(first) or most < 1:
        return []
    asked = thresholds(first)
    called = first.argmax(1)
    rows = np.arange(len(called))
    sure = np.minimum(first[rows, called], second[rows, called])
    passed = (
        (second.argmax(1) == called)
        & (teacher.argmax(1) == called)
        & (sure >= asked[called])
        & (teacher[rows, called] >= AGREED)
    )
    share = mix / mix.sum()
    # As many as keep the stream's mix: the class that is shortest of passing texts decides.
    counts = np.array([int((passed & (called == at)).sum()) for at in range(3)])
    wanted = share >= RARE
    total = min(float(most), float(np.min(counts[wanted] / share[wanted])) if wanted.any() else 0.0)
    found: list[Pseudo] = []
    for at in range(3):
        of_class = np.flatnonzero(passed & (called == at))
        chosen = of_class[np.argsort(-sure[of_class], kind="stable")][: int(total * share[at])]
        for row in chosen.tolist():
            soft = (first[row] + second[row]) / 2
            found.append(Pseudo(row, (round(float(soft[0]), 4), round(float(soft[1]), 4), round(float(soft[2]), 4))))
    return sorted(found)
