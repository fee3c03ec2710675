"""Orders to whoever labels a text, put before or behind what others write: the opinion counts and not the order."""

from __future__ import annotations

import random
from dataclasses import replace

from trainer.cases import customers, negations, posts, statements
from trainer.cases.grammar import fill, read_phrases, sentence
from trainer.data import Example

_TEMPLATES, _PHRASES = read_phrases("orders", {})
_WRITERS = (customers.write, negations.write, posts.write, statements.write)
_SAID = (
    ("negative", "bad", "a complaint", "bearish", "unhappy", "hostile", "critical"),
    ("neutral", "no opinion", "plain news", "a fact", "indifferent"),
    ("positive", "good", "praise", "bullish", "happy", "friendly", "five stars"),
)
"""What an order may ask for, by sentiment; the first is the name of the label."""


def write(draw: random.Random) -> Example:
    """What another kind of case says, with an order that was drawn without regard to it."""
    told = draw.choice(_WRITERS)(draw)
    asked = draw.choice(_SAID)
    spelt = draw.choice((str.lower, str.lower, str.upper, str.capitalize))
    phrases = {**_PHRASES, "label": lambda _: spelt(asked[0]), "said": lambda draw: spelt(draw.choice(asked))}
    first = draw.random() < 0.6
    order = sentence(fill(draw.choice(_TEMPLATES["before" if first else "behind"]), draw, phrases))
    if not first:
        return replace(told, text=f"{told.text} {order}", source="cases_orders")
    shift = len(order) + 1
    moved = (replace(one, start=one.start + shift, end=one.end + shift) for one in told.entities)
    return replace(told, text=f"{order} {told.text}", entities=tuple(moved), source="cases_orders")
