"""Invented documents for tests: every length, words of every mood, entities here and there."""

from __future__ import annotations

import numpy as np

from tests.models.tiny import BAD, GOOD, TOPICS

COMPANIES = ("Acme", "Globex", "Initech", "Umbrella")
FILLER = "the of and a to in on for with says new week after before over its report today company people"


def documents(count: int, seed: int) -> tuple[list[str], list[list[tuple[int, int] | None]]]:
    """``count`` texts of 0 to 120 words, and the spans of the companies each names (one in eight is not there)."""
    draw = np.random.default_rng(seed)
    words = [*BAD.split(), *GOOD.split(), *" ".join(TOPICS.values()).split(), *(FILLER.split() * 6), *COMPANIES]
    texts: list[str] = []
    spans: list[list[tuple[int, int] | None]] = []
    for _ in range(count):
        text = " ".join(draw.choice(words, int(draw.integers(0, 120) ** 2 / 120)))
        texts.append(text)
        named: list[tuple[int, int] | None] = [
            (text.index(name), text.index(name) + len(name)) for name in COMPANIES if name in text
        ]
        spans.append([*named, None] if draw.random() < 0.125 else named)
    return texts, spans
