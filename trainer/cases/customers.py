"""What customers write to companies in public: complaints told as facts, scornful thanks, questions, praise."""

from __future__ import annotations

import random

from trainer.cases.grammar import fill, read_phrases, word
from trainer.data import Example

NEGATIVE, NEUTRAL, POSITIVE = 0, 1, 2

_SHARES = {"negative": 46, "scorn": 9, "neutral": 25, "positive": 20}
_SENTIMENTS = {"negative": NEGATIVE, "scorn": NEGATIVE, "neutral": NEUTRAL, "positive": POSITIVE}
_SUMS = (15, 20, 25, 35, 50, 75, 99, 120, 150, 200, 400, 650)
_TEMPLATES, _PHRASES = read_phrases(
    "customers",
    {
        "n": lambda draw: str(draw.randrange(2, 12)),
        "big": lambda draw: str(draw.choice((25, 30, 40, 45, 50, 55, 60, 75, 80, 90, 100, 120, 150, 200, 300))),
        "flight": lambda draw: (
            f"{draw.choice(('flight ', 'flight #', 'flt ', 'flight no. '))}{draw.randrange(11, 6999)}"
        ),
        "clock": lambda draw: (
            f"{draw.randrange(1, 12)}{draw.choice((':15', ':30', ':45', ''))}{draw.choice(('am', 'pm'))}"
        ),
        "money": lambda draw: f"{draw.choice('$$$£€')}{draw.choice(_SUMS)}",
        "ref": lambda draw: f"{draw.choice('ABCDEFGHJK')}{draw.choice('LMNPQRST')}{draw.randrange(1000, 99999)}",
        "company": word,
    },
)


def write(draw: random.Random) -> Example:
    """One message to a company."""
    (kind,) = draw.choices(list(_SHARES), list(_SHARES.values()))
    text = fill(draw.choice(_TEMPLATES[kind]), draw, _PHRASES)
    return Example(_addressed(text, draw), "cases_customers", sentiment=_SENTIMENTS[kind])


def _addressed(text: str, draw: random.Random) -> str:
    """As people write: a handle before or behind, capitals or none, a hashtag."""
    style = draw.random()
    if style < 0.55:
        text = text[:1].upper() + text[1:]
    elif style < 0.62:
        text = text.upper()
    name = word(draw)
    handle = (
        f"@{draw.choice((name, name.lower(), name + 'Air', name + 'Help', name + 'Support', name.lower() + '_care'))}"
    )
    where = draw.random()
    if where < 0.62:
        return f"{handle} {text}"
    if where < 0.72:
        return f"{text} {handle}"
    if where < 0.8:
        return f"{handle} {text} #{name}"
    return f"{name} {text}" if where < 0.84 else text
