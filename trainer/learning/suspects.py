"""Which labels are probably wrong: confident learning (Northcutt, Jiang and Chuang 2021) on predictions out of fold.

Who predicts is not the champion, which errs just where labels are worth most, but a regression on its embeddings that
learns from the labels themselves, each fold from the others. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

Floats = NDArray[np.float64]

FOLDS = 5
LEAST, LEAST_OF_A_CLASS = 60, 10
"""With fewer labels nothing is suspected."""
RIDGE = 1.0
DOUBTED = 0.15
"""A label is suspected only where its own probability is below this: half of what confident learning flags is right."""
CLASSES = 3


def predicted(embedding: Floats, labels: Sequence[int], *, seed: int = 0) -> Floats:
    """Probabilities [n, 3] of each row by a softmax regression that saw the other folds only."""
    features = np.asarray(embedding, np.float64)
    features = (features - features.mean(0)) / (features.std() + 1e-9)
    given = np.asarray(labels)
    folds = np.random.default_rng(seed).permutation(len(given)) % FOLDS
    probs = np.zeros((len(given), CLASSES))
    for fold in range(FOLDS):
        taught, asked = folds != fold, folds == fold
        weights = _fitted(features[taught], given[taught])
        probs[asked] = _softmax(features[asked] @ weights[:-1] + weights[-1])
    return probs


def contradicted(probs: Floats, labels: Sequence[int]) -> list[bool]:
    """Of each label, whether another is likelier: too little to doubt it, enough to compare those who give them."""
    return [bool(found) for found in probs.argmax(1) != np.asarray(labels)]


def suspects(probs: Floats, labels: Sequence[int]) -> list[bool]:
    """Of each label, whether it is doubted and another is more likely than labels of that kind usually are.

    A class counts as said where its probability reaches the mean that it has on rows labelled so.
    """
    given = np.asarray(labels)
    counts = np.bincount(given, minlength=CLASSES) if len(given) else np.zeros(CLASSES)
    present = counts >= LEAST_OF_A_CLASS
    if len(given) < LEAST or present.sum() < 2:
        return [False] * len(given)
    usual = np.array([probs[given == at, at].mean() if present[at] else 2.0 for at in range(CLASSES)])
    said = np.where(probs >= usual, probs, 0.0)
    called = np.where(said.any(1), said.argmax(1), given)
    doubted = probs[np.arange(len(given)), given] < DOUBTED
    return [bool(found) for found in (called != given) & doubted]


def _fitted(features: Floats, labels: NDArray[np.int64]) -> Floats:
    """Weights [h + 1, 3] of least penalised log loss; the last row is the bias."""
    rows, width = features.shape
    target = np.eye(CLASSES)[labels]

    def loss(flat: Floats) -> tuple[float, Floats]:
        weights = flat.reshape(width + 1, CLASSES)
        probs = _softmax(features @ weights[:-1] + weights[-1])
        missed = -np.log(np.maximum(probs[np.arange(rows), labels], 1e-12)).sum()
        value = missed + 0.5 * RIDGE * np.sum(weights[:-1] ** 2)
        gap = probs - target
        slope = np.vstack([features.T @ gap + RIDGE * weights[:-1], gap.sum(0)])
        return float(value), slope.ravel()

    start = np.zeros((width + 1) * CLASSES)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 60})
    return np.asarray(found.x).reshape(width + 1, CLASSES)


def _softmax(logits: Floats) -> Floats:
    exp = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(exp / exp.sum(1, keepdims=True))
