"""Short public posts about everyday things: plans and facts without a feeling, joy, anger."""

from __future__ import annotations

import random

from models.labels import SENTIMENTS
from trainer.cases.grammar import fill, read_phrases, sentence, word
from trainer.data import Example

_TEMPLATES, _PHRASES = read_phrases(
    "posts",
    {
        "n": lambda draw: str(draw.randrange(2, 31)),
        "who": word,
        "hour": lambda draw: (
            f"{draw.randrange(1, 12)}{draw.choice((':30', ':15', ''))}{draw.choice(('am', 'pm', ' pm'))}"
        ),
        "tag": lambda draw: f"#{word(draw)}",
    },
)


def write(draw: random.Random) -> Example:
    """One post."""
    (sentiment,) = draw.choices((0, 1, 2), (28, 42, 30))
    text = fill(draw.choice(_TEMPLATES[SENTIMENTS[sentiment]]), draw, _PHRASES)
    if draw.random() < 0.6:
        text = sentence(text)
    if draw.random() < 0.35:
        text += " " + fill(draw.choice(("{tag}", "{tag} {tag}", "@{who}")), draw, _PHRASES)
    if draw.random() < 0.15:
        text = fill("@{who} ", draw, _PHRASES) + text
    return Example(text, "cases_posts", sentiment=sentiment)
