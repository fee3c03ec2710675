"""How much of an update is taken: the part of the way from the champion that helps and does no harm.

Pure: what was measured goes in, the part comes out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trainer.measure import Answer, Question, questions

ALPHAS = tuple(eighths / 8 for eighths in range(9))
"""Parts of the way from the champion to what was learnt; 0 is no update."""
ENOUGH = 20
"""Held-back rows from which on a source counts as much as any other."""


@dataclass(frozen=True)
class Taken:
    """The part that is taken, the score of each, and what the parts that scored better would have spoilt."""

    alpha: float
    scores: Mapping[float, float] = field(default_factory=dict)
    spoilt: Mapping[float, Sequence[str]] = field(default_factory=dict)

    def as_row(self) -> dict[str, Any]:
        return {
            "alpha": self.alpha,
            "alphas": {f"{alpha:g}": round(score, 4) for alpha, score in self.scores.items()},
            "spoilt": {f"{alpha:g}": list(kinds) for alpha, kinds in self.spoilt.items()},
        }


def taken(scores: Mapping[float, float], least_gain: float, harm: Callable[[float], Sequence[str]]) -> Taken:
    """The part with the best score that does no ``harm``; of equal ones the smallest, and 0 where none gains enough.

    ``scores`` of every part hold that of 0, which is the champion's. ``harm`` names what a part spoils; it costs
    something, so it is asked of no more parts than need be.
    """
    spoilt: dict[float, Sequence[str]] = {}
    for alpha in sorted(scores, key=lambda part: (-scores[part], part)):
        if alpha == 0 or scores[alpha] < scores[0.0] + least_gain:
            break
        found = harm(alpha)
        if not found:
            return Taken(alpha, scores, spoilt)
        spoilt[alpha] = found
    return Taken(0.0, scores, spoilt)


def score_of(new: Sequence[Answer], known: Sequence[Answer]) -> float:
    """Accuracy on what is new and on what was known, one half each; 0 where nothing was asked.

    However many domains are remembered, what an update is for counts as much as all that it may spoil. Within a
    half a small source counts as much as a large one, unless it is too small to tell (:func:`voice`).
    """
    found = [_accuracy(asked) for asked in (questions(new), questions(known)) if asked]
    return float(np.mean(found)) if found else 0.0


def voice(rows: int) -> float:
    """What a source of so many held-back rows counts beside others: alike from :data:`ENOUGH` on, less with fewer."""
    return min(1.0, rows / ENOUGH)


def _accuracy(asked: Mapping[str, Question]) -> float:
    """The mean over questions and sources."""
    right = [float((_shown(question).argmax(1) == question.labels).mean()) for question in asked.values()]
    return float(np.average(right, weights=[voice(len(question.labels)) for question in asked.values()]))


def _shown(question: Question) -> Any:
    return question.scores + np.array([0.0, -1e9, 0.0]) if question.polar else question.scores
