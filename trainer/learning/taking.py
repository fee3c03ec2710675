"""How much of an update is taken: the part of the way from the champion that helps and does no harm.

Pure: what was measured goes in, the part comes out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from models.release import Temperatures
from trainer.measure import Answer, Question, questions, softmax

ALPHAS = tuple(eighths / 8 for eighths in range(9))
"""Parts of the way from the champion to what was learnt; 0 is no update."""
ENOUGH = 20
"""Held-back rows from which on a source counts as much as any other."""


@dataclass(frozen=True)
class Taken:
    """The part that is taken, the log loss of each, and what the parts with a lower one would have spoilt."""

    alpha: float
    losses: Mapping[float, float] = field(default_factory=dict)
    spoilt: Mapping[float, Sequence[str]] = field(default_factory=dict)

    def as_row(self) -> dict[str, Any]:
        return {
            "alpha": self.alpha,
            "alphas": {f"{alpha:g}": round(loss, 4) for alpha, loss in self.losses.items()},
            "spoilt": {f"{alpha:g}": list(kinds) for alpha, kinds in self.spoilt.items()},
        }


def taken(losses: Mapping[float, float], least_gain: float, harm: Callable[[float], Sequence[str]]) -> Taken:
    """The part of least loss that does no ``harm``; of equal ones the smallest, and 0 where none gains enough.

    ``losses`` of every part hold that of 0, which is the champion's. ``harm`` names what a part spoils; it costs
    something, so it is asked of no more parts than need be.
    """
    spoilt: dict[float, Sequence[str]] = {}
    for alpha in sorted(losses, key=lambda part: (losses[part], part)):
        if alpha == 0 or losses[alpha] > losses[0.0] - least_gain:
            break
        found = harm(alpha)
        if not found:
            return Taken(alpha, losses, spoilt)
        spoilt[alpha] = found
    return Taken(0.0, losses, spoilt)


def loss_of(new: Sequence[Answer], known: Sequence[Answer], temperatures: Temperatures) -> float:
    """The log loss, in nats, of answers about what is new and what was known, one half each; 0 of nothing.

    The loss and not the accuracy, which a few hundred rows tell to two or three points: it follows every row's
    probability, so that it tells the same difference with far fewer of them. However many domains are remembered, what
    an update is for counts as much as all that it may spoil. Within a half a small source counts as much as a large
    one, unless it is too small to tell (:func:`voice`). Logits are divided by ``temperatures``.
    """
    found = [_log_loss(asked, temperatures) for asked in (questions(new), questions(known)) if asked]
    return float(np.mean(found)) if found else 0.0


def voice(rows: int) -> float:
    """What a source of so many held-back rows counts beside others: alike from :data:`ENOUGH` on, less with fewer."""
    return min(1.0, rows / ENOUGH)


def _log_loss(asked: Mapping[str, Question], temperatures: Temperatures) -> float:
    """The mean over questions and sources."""
    losses = [_lost(question, _temperature(key, temperatures)) for key, question in asked.items()]
    return float(np.average(losses, weights=[voice(len(question.labels)) for question in asked.values()]))


def _lost(question: Question, temperature: float) -> float:
    shown = question.scores + np.array([0.0, -1e9, 0.0]) if question.polar else question.scores
    probs = softmax(shown, temperature)[np.arange(len(question.labels)), question.labels]
    return float(-np.log(np.maximum(probs, 1e-12)).mean())


def _temperature(key: str, temperatures: Temperatures) -> float:
    """That of the head which answers a question, by the key of :func:`trainer.measure.questions`."""
    head, _, taxonomy = key.rpartition("/")[2].partition(":")
    return temperatures.topics[taxonomy] if head == "topic" else getattr(temperatures, head)
