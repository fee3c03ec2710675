"""How much of an update is taken: the part of the way from the champion that helps and does no harm.

Pure: what was measured goes in, the part comes out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from models.labels import TAXONOMIES
from models.release import Temperatures
from trainer.measure import Answer, Question, fit_temperature, questions, softmax

Taxonomies = Mapping[str, tuple[str, ...]]

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


def loss_of(
    new: Sequence[Answer], known: Sequence[Answer], before: Temperatures, taxonomies: Taxonomies = TAXONOMIES
) -> float:
    """The log loss, in nats, of answers about what is new and what was known, one half each; 0 of nothing.

    The loss and not the accuracy, which a few hundred rows tell to two or three points: it follows every row's
    probability, so that it tells the same difference with far fewer of them. Logits are read at temperatures fitted
    to them, as they will be (:func:`refitted`), or being too sure would count where it can be mended. However many
    domains are remembered, what an update is for counts as much as all that it may spoil. Within a half a small source
    counts as much as a large one, unless it is too small to tell (:func:`voice`).
    """
    fitted = refitted([*new, *known], before, taxonomies)
    asked = [questions(some, taxonomies) for some in (new, known)]
    found = [_log_loss(some, fitted) for some in asked if some]
    return float(np.mean(found)) if found else 0.0


def refitted(answers: Iterable[Answer], before: Temperatures, taxonomies: Taxonomies = TAXONOMIES) -> Temperatures:
    """Each head's temperature, fitted to held-back answers: few of them leave it near the one ``before``."""
    asked = questions(answers, taxonomies)
    return Temperatures(
        _fitted(asked, "/sentiment", before.sentiment),
        _fitted(asked, "/entities", before.entities),
        {name: _fitted(asked, f"/topic:{name}", temperature) for name, temperature in before.topics.items()},
    )


def voice(rows: int) -> float:
    """What a source of so many held-back rows counts beside others: alike from :data:`ENOUGH` on, less with fewer."""
    return min(1.0, rows / ENOUGH)


def _fitted(asked: Mapping[str, Question], ending: str, before: float) -> float:
    chosen = [one for key, one in asked.items() if key.endswith(ending) and not one.polar]
    if not chosen:
        return before
    counts = [len(one.labels) for one in chosen]
    weights = np.concatenate([np.full(count, voice(count) / count) for count in counts])
    scores, labels = (np.concatenate([getattr(one, name) for one in chosen]) for name in ("scores", "labels"))
    return round(fit_temperature(scores, labels, weights * (sum(counts) / weights.sum()), around=before), 4)


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
    return temperatures.topics.get(taxonomy, 1.0) if head == "topic" else getattr(temperatures, head)
