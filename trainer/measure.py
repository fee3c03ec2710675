"""Figures of merit: accuracy, macro-F1, calibration error, per set and per question.

Pure: arrays in, numbers out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

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


def calibration_error(probs: Floats, labels: Ints, bins: int = 15) -> float:
    """Expected calibration error of the winning class over equal-width bins (Guo et al. 2017, equation 3)."""
    if len(labels) == 0:
        return float("nan")
    confidence, called = probs.max(1), probs.argmax(1)
    right = (called == labels).astype(np.float64)
    at = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    gap = 0.0
    for index in range(bins):
        chosen = at == index
        if chosen.any():
            gap += abs(right[chosen].mean() - confidence[chosen].mean()) * chosen.mean()
    return float(gap)


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
        "ece": round(calibration_error(shown, labels), 4),
        "f1": {name: round(float(f1), 4) for name, f1 in zip(names, each, strict=True) if not np.isnan(f1)},
        "confusion": table.tolist(),
    }


def fit_temperature(logits: Floats, labels: Ints) -> float:
    """The temperature of least log loss, by golden-section search over its logarithm in [1/5, 5]."""
    if len(labels) == 0:
        return 1.0

    def loss(log_temperature: float) -> float:
        probs = softmax(logits, float(np.exp(log_temperature)))
        return float(-np.log(np.maximum(probs[np.arange(len(labels)), labels], 1e-12)).mean())

    low, high = float(np.log(0.2)), float(np.log(5.0))
    ratio = (np.sqrt(5.0) - 1) / 2
    while high - low > 1e-4:
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if loss(left) < loss(right):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


def collect(said: Sequence[tuple[Any, Any]], encoded: Sequence[Any]) -> dict[str, dict[str, Any]]:
    """Logits and labels per source and question, from :func:`trainer.finetune.predict`.

    Keys are ``<source>/topic:<taxonomy>``, ``<source>/sentiment``, ``<source>/entities`` and
    ``<source>/entities:mixed`` (sentences whose entities disagree).
    """
    found: dict[str, dict[str, Any]] = {}

    def add(key: str, logits: Any, label: int, polar: bool = False, **more: Any) -> None:
        entry = found.setdefault(key, {"logits": [], "labels": [], "polar": polar, "price": [], "tone": [], "gate": []})
        entry["logits"].append(logits)
        entry["labels"].append(label)
        for name, value in more.items():
            entry[name].append(value)

    for batch, outputs in said:
        mixture = outputs.sentiment.double().numpy()
        topics = {name: logits.double().numpy() for name, logits in outputs.topics.items()}
        heads = {name: getattr(outputs, name).double().numpy() for name in ("price", "tone", "gate")}
        toward = outputs.entities.double().numpy()
        for at, row in enumerate(batch.rows):
            one = encoded[row]
            example = one.example
            for name, label in example.topics:
                add(f"{example.source}/topic:{name}", topics[name][at], label)
            if example.sentiment is not None:
                more = {name: values[at] for name, values in heads.items()}
                add(f"{example.source}/sentiment", mixture[at], example.sentiment, example.polar, **more)
            for index, (_, _, label) in enumerate(one.spans):
                add(f"{example.source}/entities", toward[at, index], label)
                if example.mixed:
                    add(f"{example.source}/entities:mixed", toward[at, index], label)
    for entry in found.values():
        entry["logits"] = np.array(entry["logits"])
        entry["labels"] = np.array(entry["labels"])
        for name in ("price", "tone", "gate"):
            entry[name] = np.array(entry[name])
    return found


def summary(said: Sequence[tuple[Any, Any]], encoded: Sequence[Any]) -> dict[str, Any]:
    """Accuracy and macro-F1 per key of :func:`collect`, and ``score``, the mean macro-F1 that training selects by."""
    report: dict[str, Any] = {}
    for key, entry in sorted(collect(said, encoded).items()):
        names = [str(index) for index in range(entry["logits"].shape[1])]
        whole = figures(softmax(entry["logits"]), entry["labels"], names, polar=entry["polar"])
        report[key] = {name: whole[name] for name in ("n", "accuracy", "macro_f1", "ece")}
    report["score"] = round(float(np.mean([value["macro_f1"] for value in report.values()])), 4)
    return report
