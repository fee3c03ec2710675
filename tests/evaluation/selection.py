"""Which documents are worth a label: ways to choose them, and what a head on frozen embeddings learns from them.

The head is a multinomial logistic regression, refitted on what was known and what was chosen: cheap enough to try each
way at each number of labels with several seeds, and the same for all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from streams.drift.sampler import Candidate, Sampler
from trainer.measure import softmax

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
RIDGE = 30.0
SLAB = 64
CLASSES = 3


@dataclass(frozen=True)
class Labelled:
    """n documents: embeddings [n, H] of unit length, sentiments [n], how unusual their kind is [n] in nats, whether
    they are of the domain that is new, and whether they are garbage, whose label means nothing."""

    embedding: NDArray[np.float32]
    label: Ints
    surprise: Floats
    drifted: NDArray[np.bool_]
    garbage: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.label)

    def of(self, rows: Ints) -> Labelled:
        return Labelled(*(table[rows] for table in vars(self).values()))


def fit(documents: Labelled) -> Floats:
    """Weights [H + 1, 3] of the head."""
    inputs, target = _with_one(documents.embedding), np.eye(CLASSES)[documents.label]
    held = np.ones(inputs.shape[1])
    held[0] = 0.0

    def cost(flat: Floats) -> tuple[float, Floats]:
        weights = flat.reshape(-1, CLASSES)
        probs = softmax(inputs @ weights)
        loss = (
            -np.log(np.maximum((probs * target).sum(1), 1e-12)).sum() + RIDGE / 2 * (held[:, None] * weights**2).sum()
        )
        return float(loss), (inputs.T @ (probs - target) + RIDGE * held[:, None] * weights).ravel()

    found = minimize(cost, np.zeros(inputs.shape[1] * CLASSES), jac=True, method="L-BFGS-B", options={"maxiter": 60})
    return np.asarray(found.x.reshape(-1, CLASSES), np.float64)


def _with_one(embedding: NDArray[np.float32]) -> Floats:
    # Of unit length and many dimensions: a coordinate is some twentieth, which the ridge would hold at nothing.
    return np.concatenate([np.ones((len(embedding), 1)), embedding * np.sqrt(embedding.shape[1])], axis=1)


def said(weights: Floats, documents: Labelled) -> Floats:
    """Probabilities [n, 3]."""
    return softmax(_with_one(documents.embedding) @ weights)


def accuracy(weights: Floats, documents: Labelled) -> float:
    return float((said(weights, documents).argmax(1) == documents.label).mean())


Way = Callable[[Labelled, Floats, int, np.random.Generator], Ints]
"""The pool in the order in which it comes, what the head says of it, and how many to choose -> their rows."""


def by_chance(pool: Labelled, probs: Floats, count: int, draw: np.random.Generator) -> Ints:
    """Any."""
    return draw.choice(len(pool), count, replace=False)


def by_margin(pool: Labelled, probs: Floats, count: int, draw: np.random.Generator) -> Ints:
    """The smallest leads of a winner."""
    best = np.sort(probs, axis=1)
    return np.argsort(best[:, -1] - best[:, -2], kind="stable")[:count]


def by_entropy(pool: Labelled, probs: Floats, count: int, draw: np.random.Generator) -> Ints:
    """The least sure."""
    return np.argsort((probs * np.log(np.maximum(probs, 1e-12))).sum(1), kind="stable")[:count]


def by_novelty(pool: Labelled, probs: Floats, count: int, draw: np.random.Generator) -> Ints:
    """The rarest kinds."""
    return np.argsort(-pool.surprise, kind="stable")[:count]


def by_spread(pool: Labelled, probs: Floats, count: int, draw: np.random.Generator) -> Ints:
    """Each time the one that is farthest from all that were chosen (Sener and Savarese 2018)."""
    chosen = [int(draw.integers(len(pool)))]
    near = pool.embedding @ pool.embedding[chosen[0]]
    while len(chosen) < count:
        chosen.append(int(near.argmin()))
        near = np.maximum(near, pool.embedding @ pool.embedding[chosen[-1]])
    return np.array(chosen, np.int64)


def by_sampler(pool: Labelled, probs: Floats, count: int, draw: np.random.Generator) -> Ints:
    """What a worker sends to be labelled, slab by slab; it may be fewer."""
    sampler, best = Sampler(count / len(pool)), np.sort(probs, axis=1)
    name, chosen = int(draw.integers(2**32)), []
    for start in range(0, len(pool), SLAB):
        rows = range(start, min(start + SLAB, len(pool)))
        candidates = [
            Candidate(
                id=f"{name} {row}", story=row, source="stream", label=str(int(probs[row].argmax())), length=80,
                readable=True, margin=float(best[row, -1] - best[row, -2]), surprise=float(pool.surprise[row]),
                contradicted=False,
            )
            for row in rows
        ]  # fmt: skip
        chosen += [rows[one.at] for one in sampler.choose(candidates, pool.embedding[rows.start : rows.stop])]
    return np.array(chosen[:count], np.int64)


WAYS: dict[str, Way] = {
    "random": by_chance,
    "sampler": by_sampler,
    "margin": by_margin,
    "entropy": by_entropy,
    "novelty": by_novelty,
    "k-center": by_spread,
}


def needed(curve: dict[int, float], wanted: float) -> float:
    """Labels at which a curve of accuracy by labels first reaches ``wanted``, read between its points; ``inf`` beyond.

    >>> needed({0: 0.5, 100: 0.7, 200: 0.8}, 0.75)
    150.0
    """
    points = sorted(curve.items())
    for (before, low), (after, high) in pairwise(points):
        if low >= wanted:
            return float(before)
        if high >= wanted:
            return before + (wanted - low) / (high - low) * (after - before)
    return float(points[0][0]) if len(points) == 1 and points[0][1] >= wanted else float("inf")
