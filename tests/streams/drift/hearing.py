"""Invented documents for the detectors: embeddings of two domains, heads that read them, and a reference."""

from __future__ import annotations

import numpy as np

from models.reference import Reference, measure
from streams.drift.feed import Delivered
from streams.drift.listener import Heard

HIDDEN = 24
DOMAINS = ("news", "tweets", "forum")
SHARES = np.array([0.55, 0.43, 0.02])


class World:
    """Documents of three domains, of which the third is rare at home, and of a fourth that is not known there."""

    def __init__(self, seed: int = 0) -> None:
        fixed = np.random.default_rng(99)
        self._centres = fixed.normal(0.0, 0.7, (4, HIDDEN))
        self._head = fixed.normal(0.0, 1.0, (HIDDEN, 3))
        self._draw = np.random.default_rng(seed)

    def domains(self, count: int, strange: float = 0.0, domain: int = 3) -> np.ndarray:
        """The domains of ``count`` documents, of which a share is of ``domain``."""
        usual = self._draw.choice(3, count, p=SHARES)
        return np.where(self._draw.random(count) < strange, domain, usual)

    def hear(self, domains: np.ndarray, errors: float | None = None, length: int = 80) -> Heard:
        """Documents of these domains; with ``errors``, the share of them on which the release errs."""
        count = len(domains)
        embedding = (self._centres[domains] + self._draw.normal(0.0, 1.0, (count, HIDDEN))).astype(np.float32)
        logits = embedding @ self._head
        exp = np.exp(logits - logits.max(1, keepdims=True))
        delivered = [
            Delivered(int(size), int(story), False, False)
            for size, story in zip(
                self._draw.integers(length // 2, length * 2, count), self._draw.integers(0, 2**62, count), strict=True
            )
        ]
        wrong = [{} if errors is None else {"error": float(self._draw.random() < errors)} for _ in range(count)]
        return Heard(embedding, {"sentiment": (exp / exp.sum(1, keepdims=True)).astype(np.float32)}, delivered, wrong)

    def reference(self, count: int = 4_000, error: float = 0.12) -> Reference:
        domains = self.domains(count)
        heard = self.hear(domains)
        return measure(
            heard.embedding,
            heard.heads,
            np.full(count, 80),
            [DOMAINS[at] for at in domains],
            {"sentiment": (self._draw.random(count) >= error).astype(np.int8)},
            dimensions=16,
        )


def part(heard: Heard, start: int, end: int) -> Heard:
    return Heard(
        heard.embedding[start:end],
        {name: table[start:end] for name, table in heard.heads.items()},
        heard.delivered[start:end],
        heard.errors[start:end],
    )
