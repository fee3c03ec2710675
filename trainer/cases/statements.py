"""Statements of companies: figures that rise or fall by their order, orders won, plain facts without news."""

from __future__ import annotations

import random

from models.labels import SENTIMENTS
from trainer.cases.grammar import company, fill, read_phrases, sentence, word
from trainer.data import EntityLabel, Example

NEGATIVE, NEUTRAL, POSITIVE = 0, 1, 2

_GOOD_HIGH = (
    "net profit",
    "operating profit",
    "net sales",
    "revenue",
    "turnover",
    "pre-tax profit",
    "EBITDA",
    "EBIT",
    "earnings per share",
    "order intake",
    "the order book",
    "cash flow from operations",
    "sales volume",
    "EPS",
    "gross margin",
    "operating margin",
    "like-for-like sales",
    "passenger numbers",
    "market share",
    "net interest income",
    "the dividend per share",
    "production",
    "deliveries",
    "subscriber numbers",
    "comparable sales",
    "the occupancy rate",
)
_GOOD_LOW = (
    "net loss",
    "operating loss",
    "the pre-tax loss",
    "net debt",
    "loan losses",
    "impairments",
    "raw material costs",
    "customer churn",
    "the vacancy rate",
    "accident frequency",
    "the loss per share",
    "funding costs",
    "bad loans",
)
_ROSE = ("rose", "increased", "grew", "climbed", "went up", "advanced", "jumped")
_FELL = ("fell", "decreased", "declined", "dropped", "went down", "slipped", "shrank")
_UNITS = (
    ("EUR ", " mn"),
    ("EUR ", " million"),
    ("$", " million"),
    ("$", "m"),
    ("", " million euros"),
    ("GBP ", "m"),
    ("SEK ", " mln"),
    ("€", "m"),
    ("USD ", " mn"),
    ("NOK ", " million"),
    ("Rs ", " crore"),
    ("£", "m"),
)


def _sum(draw: random.Random) -> str:
    left, right = draw.choice(_UNITS)
    amount = draw.choice((draw.randrange(2, 90), round(draw.uniform(1, 20), 1), draw.randrange(100, 900, 10)))
    return f"{left}{amount}{right}"


TEMPLATES, PHRASES = read_phrases(
    "statements",
    {
        "co": company,
        "n": lambda draw: str(draw.randrange(3, 60)),
        "many": lambda draw: f"{draw.randrange(1, 48)},{draw.randrange(0, 10)}00",
        "year": lambda draw: str(draw.randrange(2006, 2026)),
        "sum": _sum,
        "who": word,
        "pct": lambda draw: f"{draw.randrange(2, 60)}{draw.choice((' %', '%', ' percent', ' pct'))}",
    },
)


def write(draw: random.Random) -> Example:
    """One statement; half of them are figures."""
    kind = draw.random()
    if kind < 0.5:
        return _figures(draw)
    sentiment = draw.choice((NEGATIVE, NEUTRAL, NEUTRAL, POSITIVE))
    template = draw.choice(TEMPLATES[SENTIMENTS[sentiment]])
    text = sentence(fill(template, draw, PHRASES)) + draw.choice((".", ".", " .", ""))
    return Example(text, "cases_statements", sentiment=sentiment, head="both")


def _figures(draw: random.Random) -> Example:
    """A measure now and a year ago, the direction told by a verb or by the two numbers alone."""
    name = company(draw)
    high_is_good = draw.random() < 0.8
    measure = draw.choice(_GOOD_HIGH if high_is_good else _GOOD_LOW)
    before = draw.choice((draw.uniform(0.3, 9), draw.uniform(5, 99), draw.uniform(50, 950)))
    up = draw.random() < 0.5
    change = draw.uniform(0.04, 0.6)
    now = before * (1 + change) if up else before * (1 - change)
    digits = draw.choice((0, 1, 1, 2)) if before > 20 else draw.choice((1, 2))
    left, right = draw.choice(_UNITS)
    new, old = (f"{left}{value:.{digits}f}{right}" for value in (now, before))
    verb = draw.choice(_ROSE if up else _FELL)
    share = f"{100 * change:.{draw.choice((0, 0, 1))}f}{draw.choice((' %', '%', ' percent', ' pct'))}"
    when = fill("{period}", draw, PHRASES)
    bare = measure.removeprefix("the ")
    text = draw.choice((
        f"{name}'s {bare} {verb} to {new} from {old}",
        f"{name}'s {bare} {verb} from {old} to {new}",
        f"{bare} {verb} to {new} from {old} {when}",
        f"{name} said its {bare} {verb} to {new} {when}, from {old}",
        f"{bare} {verb} by {share} to {new}",
        f"{bare} of {name} {verb} {share} {when}",
        f"{name}'s {bare} totalled {new}, compared to {old} a year earlier",
        f"{bare} was {new}, against {old} in the same period of last year",
        f"{bare} amounted to {new} {when} ({old})",
        f"{bare} came to {new} while it was {old} the year before",
        f"{name} posts {bare} of {new} vs {old} a year ago",
        f"{name} reported {bare} of {new}, {'up' if up else 'down'} from {old}",
        f"{name}: {bare} {'up' if up else 'down'} {share}",
        f"from {old} the year before, {bare} {verb} to {new}",
        f"{bare}, {old} a year ago, is now {new}",
    ))  # fmt: skip
    sentiment = POSITIVE if up == high_is_good else NEGATIVE
    text = sentence(text) + draw.choice((".", ".", " .", ""))
    at = text.find(name)
    entities = (EntityLabel(at, at + len(name), sentiment),) if at >= 0 else ()
    return Example(text, "cases_statements", sentiment=sentiment, head="both", entities=entities)
