"""Figures of merit: accuracy, macro-F1, calibration error, per set and per question.

Pure: arrays in, numbers out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.labels import SENTIMENTS, TAXONOMIES
from trainer.data import Example

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def softmax(logits: Floats, temperature: float = 1.0) -> Floats:
    """Probabilities along the last axis."""
    scaled = logits / temperature
    exp = np.exp(scaled - scaled.max(-1, keepdims=True))
    return np.asarray(exp / exp.sum(-1, keepdims=True))


def confusion(labels: Ints, called: Ints, classes: int) -> Ints:
    """Counts [true, called]."""
    table = np.zeros((classes, classes), np.int64)
    np.add.at(table, (labels, called), 1)
    return table


def f1_by_class(table: Ints) -> Floats:
    """F1 per class; NaN for a class that is neither true nor called."""
    hit = np.diag(table).astype(np.float64)
    both = table.sum(0) + table.sum(1)
    return np.where(both > 0, 2 * hit / np.maximum(both, 1), np.nan)


def reliability(probs: Floats, labels: Ints, bins: int = 15) -> list[dict[str, float]]:
    """Per equal-width bin of the winner's probability: rows, mean probability and accuracy; empty bins have n 0."""
    confidence, called = probs.max(1), probs.argmax(1)
    at = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    found: list[dict[str, float]] = []
    for index in range(bins):
        chosen = at == index
        count = int(chosen.sum())
        found.append(
            {
                "n": count,
                "confidence": round(float(confidence[chosen].mean()), 4) if count else 0.0,
                "accuracy": round(float((called == labels)[chosen].mean()), 4) if count else 0.0,
            }
        )
    return found


def calibration_error(confidence: Floats, right: NDArray[np.bool_], bins: int = 15) -> float:
    """Expected calibration error of the winning class over equal-width bins (Guo et al. 2017, equation 3).

    ``confidence`` [n] is its probability, ``right`` [n] whether it is the label; NaN of nothing.
    """
    if len(right) == 0:
        return float("nan")
    at = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    sums = np.bincount(at, right.astype(np.float64) - confidence, bins)
    return float(np.abs(sums).sum() / len(right))


def figures(probs: Floats, labels: Ints, names: Sequence[str], *, polar: bool = False) -> dict[str, Any]:
    """Accuracy, macro-F1, calibration error, per-class F1 and the confusion table of one question.

    ``polar``: the set has no neutral (class 1 of 3), which is left out of the call and of the mean.
    """
    shown = probs.copy()
    if polar:
        shown[:, 1] = 0.0
        shown /= shown.sum(1, keepdims=True)
    called = shown.argmax(1)
    table = confusion(labels, called, len(names))
    each = f1_by_class(table)
    return {
        "n": len(labels),
        "accuracy": round(float((called == labels).mean()), 4),
        "macro_f1": round(float(np.nanmean(each)), 4),
        "ece": round(calibration_error(shown.max(1), called == labels), 4),
        "f1": {name: round(float(f1), 4) for name, f1 in zip(names, each, strict=True) if not np.isnan(f1)},
        "labels": list(names),
        "confusion": table.tolist(),
        "reliability": reliability(shown, labels) if len(labels) else [],
    }


def fit_temperature(
    logits: Floats, labels: Ints, weights: Floats | None = None, *, around: float | None = None, spread: float = 0.15
) -> float:
    """The temperature of least (weighted) log loss, by golden-section search over its logarithm in [1/5, 5].

    With ``around`` it is the likeliest where its logarithm was believed to be normal with ``spread`` about that one's:
    few rows then move it little. ``weights`` sum up to the rows that are thought to speak.
    """
    if len(labels) == 0:
        return around or 1.0

    def loss(log_temperature: float) -> float:
        probs = softmax(logits, float(np.exp(log_temperature)))
        lost = -np.log(np.maximum(probs[np.arange(len(labels)), labels], 1e-12))
        doubt = 0.0 if around is None else ((log_temperature - np.log(around)) / spread) ** 2 / 2
        return float(np.sum(lost if weights is None else weights * lost) + doubt)

    low, high = float(np.log(0.2)), float(np.log(5.0))
    ratio = (np.sqrt(5.0) - 1) / 2
    while high - low > 1e-4:
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if loss(left) < loss(right):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


def interval(probs: Floats, labels: Ints, *, seed: int = 0, rounds: int = 500) -> dict[str, list[float]]:
    """95 % bootstrap intervals of accuracy and macro-F1 (percentiles over ``rounds`` resamples)."""
    draw = np.random.default_rng(seed)
    called, classes = probs.argmax(1), probs.shape[1]
    found: list[tuple[float, float]] = []
    for _ in range(rounds):
        at = draw.integers(0, len(labels), len(labels))
        table = confusion(labels[at], called[at], classes)
        found.append((float(np.trace(table) / table.sum()), float(np.nanmean(f1_by_class(table)))))
    low, high = np.percentile(np.array(found), [2.5, 97.5], axis=0)
    return {
        "accuracy": [round(float(low[0]), 4), round(float(high[0]), 4)],
        "macro_f1": [round(float(low[1]), 4), round(float(high[1]), 4)],
    }


@dataclass(frozen=True)
class Answer:
    """What was said about one example: scores [k] per taxonomy, [3] for the document, [3] per labelled entity.

    Scores are logits or log-probabilities; an entity that no token stands for is ``None``. ``heads`` holds
    the logits of either sentiment head alone, where the network was asked and not a release.
    """

    example: Example
    topics: dict[str, Floats]
    sentiment: Floats
    entities: tuple[Floats | None, ...]
    heads: dict[str, Floats] = field(default_factory=dict)


@dataclass(frozen=True)
class Question:
    """All answers to one question with their labels: scores [n, k], labels [n]."""

    scores: Floats
    labels: Ints
    names: tuple[str, ...]
    polar: bool


def questions(answers: Iterable[Answer], taxonomies: Mapping[str, tuple[str, ...]] = TAXONOMIES) -> dict[str, Question]:
    """Answers by source and question, ready to be judged.

    Keys are ``<source>/topic:<taxonomy>``, ``<source>/sentiment``, ``<source>/entities`` and
    ``<source>/entities:mixed`` (sentences whose entities disagree).
    """
    found: dict[str, tuple[list[Floats], list[int], tuple[str, ...], bool]] = {}

    def add(key: str, scores: Floats, label: int, names: tuple[str, ...], polar: bool = False) -> None:
        held = found.setdefault(key, ([], [], names, polar))
        held[0].append(scores)
        held[1].append(label)

    for answer in answers:
        example = answer.example
        for taxonomy, label in example.topics:
            if taxonomy in answer.topics:  # else the release does not speak of it
                add(f"{example.source}/topic:{taxonomy}", answer.topics[taxonomy], label, taxonomies[taxonomy])
        if example.sentiment is not None:
            add(f"{example.source}/sentiment", answer.sentiment, example.sentiment, SENTIMENTS, example.polar)
        disagree = len({entity.sentiment for entity in example.entities}) > 1
        for entity, scores in zip(example.entities, answer.entities, strict=True):
            if scores is not None:
                add(f"{example.source}/entities", scores, entity.sentiment, SENTIMENTS)
                if disagree:
                    add(f"{example.source}/entities:mixed", scores, entity.sentiment, SENTIMENTS)
    return {
        key: Question(np.array(scores, np.float64), np.array(labels, np.int64), names, polar)
        for key, (scores, labels, names, polar) in sorted(found.items())
    }


def summary(asked: Mapping[str, Question]) -> dict[str, Any]:
    """Accuracy, macro-F1 and ECE per question; training selects by ``score``, the mean macro-F1."""
    report: dict[str, Any] = {}
    for key, question in asked.items():
        whole = figures(softmax(question.scores), question.labels, question.names, polar=question.polar)
        report[key] = {name: whole[name] for name in ("n", "accuracy", "macro_f1", "ece")}
    report["score"] = round(float(np.mean([value["macro_f1"] for value in report.values()])), 4)
    return report
