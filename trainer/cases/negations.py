"""Opinions whose words say the opposite: negated praise and blame, hopes let down, doubts overcome."""

from __future__ import annotations

import random

from trainer.cases.grammar import fill, read_phrases, sentence
from trainer.data import Example

_TEMPLATES, _PHRASES = read_phrases("negations", {"n": lambda draw: str(draw.randrange(2, 12))})


def write(draw: random.Random) -> Example:
    """One sentence of a review."""
    sentiment = draw.choice((0, 2))
    text = fill(draw.choice(_TEMPLATES["negative" if sentiment == 0 else "positive"]), draw, _PHRASES)
    if draw.random() < 0.6:
        text = sentence(text) + draw.choice((".", ".", "!", ""))
    return Example(text, "cases_negations", sentiment=sentiment)
