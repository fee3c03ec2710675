"""Which sentences does the release in use hear as negative? It is asked, not assumed."""

from __future__ import annotations

import random
from pathlib import Path

from models.registry import Registry
from models.scorer import Scorer

from tests.broker.generator import COMPANIES, DETAILS, Voices

OPENINGS = """fraud scandal collapse lawsuit recall losses terrible awful worst broken failure crash fired angry
dangerous great excellent wonderful record profit growth praised happy reliable best award safe strong love recommended upbeat
announces confirms reviews opens moves lists files meets updates publishes""".split()  # noqa: SIM905 - words read better than a list
KEPT = 12


def listen(registry: Path, seed: int = 5) -> Voices:
    """The sentences that stay negative (or not) whatever details follow them, most certain first.

    Raises:
        AssertionError: the release tells nothing apart.
    """
    dice = random.Random(seed)
    scorer = Scorer.load(Registry(registry).resolve("champion"), provider="cpu", threads=1)
    leads = [" ".join(dice.choices(OPENINGS, k=2)) for _ in range(200)]
    rounds = []
    for _ in range(4):
        texts = [f"{dice.choice(COMPANIES)}: {lead} {' '.join(dice.choices(DETAILS, k=6))}." for lead in leads]
        spans = [[(0, text.index(":"))] for text in texts]
        scores = scorer.score(texts, spans)
        own, toward = scores.sentiment[:, 0], [float(entity[0, 0]) for entity in scores.entities]
        rounds.append([(min(float(p), q), max(float(p), q)) for p, q in zip(own, toward, strict=True)])
    lowest = [min(turn[i][0] for turn in rounds) for i in range(len(leads))]
    highest = [max(turn[i][1] for turn in rounds) for i in range(len(leads))]
    order = range(len(leads))
    negative = [leads[i] for i in sorted(order, key=lambda i: -lowest[i]) if lowest[i] > 0.5][:KEPT]
    other = [leads[i] for i in sorted(order, key=lambda i: highest[i]) if highest[i] < 0.34][:KEPT]
    assert negative, "the release hears nothing as negative"
    assert other, "the release hears everything as negative"
    return Voices(tuple(negative), tuple(other))
