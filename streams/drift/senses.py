"""What each detector hears of a document: numbers whose means over a window are compared with a baseline.

``domain``      how likely the document is of each of the sets that the release learned from
``novelty``     random features of what the predicted classes do not explain of the embedding
``mix``         the soft predictions of every head
``confidence``  the calibrated probability of each head's winner, and its lead over the second

The distance of two means of random cosine features is the maximum mean discrepancy with a Gaussian kernel (Rahimi and
Recht 2007; Gretton et al. 2012); of shares, each divided by the root of its usual size, a chi-square distance; of
confidences turned by their covariance, a Mahalanobis distance. So every detector measures one thing: a squared length.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.labels import SENTIMENTS
from models.reference import Reference

Floats = NDArray[np.float32]

FEATURES = 256
SEED = 17
RIDGE = 1.0
SHARES = ("domain", "mix")
"""Detectors whose features are shares of classes: their distance is a chi-square."""
DETECTORS = ("domain", "novelty", "mix", "confidence")
STEPS, RATE, HOLD = 200, 2.0, 1e-3
"""Of the fit that tells domains apart."""


@dataclass(frozen=True)
class Senses:
    """Made from one half of a release's reference; ``home`` [n, R] by detector is what the other half sounds like.

    (What was fitted on a document hears it otherwise than one that comes.) ``classes`` [1 + P, D] predicts whitened
    coordinates from the heads' probabilities, ``domains`` [1 + D, K] the logits of domains from coordinates;
    ``waves`` [D, R] and ``phases`` [R] make the cosine features, ``turn`` [C, C] and ``usual`` [C] bring confidences to
    unit covariance.
    """

    reference: Reference
    names: tuple[str, ...]
    classes: Floats
    domains: Floats
    waves: Floats
    phases: Floats
    usual: Floats
    turn: Floats
    home: dict[str, Floats]

    @classmethod
    def of(cls, reference: Reference) -> Senses:
        """The senses of a release with ``reference``; the same numbers every time."""
        names = tuple(sorted(reference.heads))
        fitted, kept = slice(0, None, 2), slice(1, None, 2)
        rows, heads = reference.rows[fitted], [reference.heads[name][fitted] for name in names]
        predictions = np.concatenate(heads, axis=1)
        known = _with_one(predictions)
        classes = np.linalg.solve(known.T @ known + RIDGE * np.eye(known.shape[1]), known.T @ rows)
        rest = rows - known @ classes
        draw = np.random.default_rng(SEED)
        pairs = draw.integers(0, len(rest), (2, 4_000))
        apart = float(np.median(np.square(rest[pairs[0]] - rest[pairs[1]]).sum(1)))
        sure = _confidences(heads)
        covariance = np.cov(sure.T) + 1e-4 * np.eye(sure.shape[1])
        domains = _tell_apart(rows, reference.domains[fitted], len(reference.domain_names))
        made = cls(
            reference,
            names,
            classes.astype(np.float32),
            domains,
            draw.normal(0.0, np.sqrt(1.0 / max(apart, 1e-9)), (rest.shape[1], FEATURES)).astype(np.float32),
            draw.uniform(0.0, 2 * np.pi, FEATURES).astype(np.float32),
            sure.mean(0).astype(np.float32),
            np.linalg.inv(np.linalg.cholesky(covariance)).T.astype(np.float32),
            {},
        )
        told = {name: reference.heads[name][kept] for name in names}
        return replace(made, home=made._heard(reference.rows[kept], told))

    def classes_of(self, detector: str, taxonomies: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
        """Names of the features of a detector of shares; ``taxonomies`` are the release's."""
        if detector == "domain":
            return self.reference.domain_names
        labels = {"sentiment": SENTIMENTS, **{f"topic.{name}": some for name, some in taxonomies.items()}}
        return tuple(f"{name.removeprefix('topic.')}:{label}" for name in self.names for label in labels[name])

    def hear(self, embedding: Floats, heads: Mapping[str, Floats]) -> dict[str, Floats]:
        """Features [n, R] by detector of n documents: their embeddings [n, H] and probabilities [n, k] by head."""
        return self._heard(self.reference.whitened(embedding), heads)

    def domains_of(self, embedding: Floats) -> Floats:
        """How likely each document [n, H] is of each domain [n, K]."""
        return _softmax(_with_one(self.reference.whitened(embedding)) @ self.domains)

    def _heard(self, rows: Floats, heads: Mapping[str, Floats]) -> dict[str, Floats]:
        told = [np.asarray(heads[name], np.float32) for name in self.names]
        predictions = np.concatenate(told, axis=1)
        rest = rows - _with_one(predictions) @ self.classes
        waves = np.cos(rest @ self.waves + self.phases) * np.float32(np.sqrt(2.0 / FEATURES))
        return {
            "domain": _softmax(_with_one(rows) @ self.domains),
            "novelty": waves,
            "mix": predictions,
            "confidence": (_confidences(told) - self.usual) @ self.turn,
        }


def _with_one(table: Floats) -> Floats:
    return np.concatenate([np.ones((len(table), 1), np.float32), table], axis=1)


def _softmax(logits: Floats) -> Floats:
    exp = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(exp / exp.sum(1, keepdims=True), np.float32)


def _tell_apart(rows: Floats, domains: NDArray[np.int8], count: int) -> Floats:
    """Weights [1 + D, K] of a logistic regression by gradient descent, in which each domain counts the same."""
    inputs = _with_one(rows)
    target = np.eye(count, dtype=np.float32)[domains]
    share = (1.0 / np.maximum(target.sum(0), 1.0))[domains, None] / count
    weights = np.zeros((inputs.shape[1], count), np.float32)
    for _ in range(STEPS):
        error = share * (_softmax(inputs @ weights) - target)
        weights = weights - RATE * (inputs.T @ error + HOLD * weights).astype(np.float32)
    return weights


def _confidences(heads: list[Floats]) -> Floats:
    """The winner's probability and its lead, by head: [n, 2 * heads]."""
    columns = []
    for table in heads:
        best = np.partition(table, -2, axis=1)[:, -2:]
        columns += [best[:, 1], best[:, 1] - best[:, 0]]
    return np.stack(columns, axis=1)
