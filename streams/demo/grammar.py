"""Sentences from templates: ``{slot}`` is filled, ``[a|b]`` is a choice, and choices may hold slots.

Pure: all chance comes from the generator passed in, so a seed gives the same words on every machine.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

PHRASES = Path(__file__).parent / "phrases"
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
MONTHS = ("January", "March", "April", "May", "June", "August", "September", "November")

_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_SLOT = re.compile(r"\{(\w+)\}")


@cache
def bank(name: str) -> dict[str, Any]:
    """The phrases of ``phrases/<name>.toml``."""
    with (PHRASES / f"{name}.toml").open("rb") as file:
        return tomllib.load(file)


def say(template: str, slots: dict[str, str], rng: Random) -> str:
    """``template`` with its choices made and its slots filled.

    Slots that ``slots`` does not give come from the names and figures below. Raises ``KeyError`` for a slot
    that nobody knows: a misspelt template is a bug of the sample.

    >>> say("[Hello|Hello] {who}", {"who": "bell"}, Random(1))
    'Hello bell'
    """
    while _CHOICE.search(template):
        template = _CHOICE.sub(lambda match: rng.choice(match[1].split("|")), template)
    return _SLOT.sub(lambda match: slots[match[1]] if match[1] in slots else _invent(match[1], rng), template)


def pick(lines: list[str], count: int, slots: dict[str, str], rng: Random) -> list[str]:
    """``count`` different templates of ``lines``, said; empty ones are dropped."""
    return [said for line in rng.sample(lines, min(count, len(lines))) if (said := say(line, slots, rng))]


def _invent(slot: str, rng: Random) -> str:
    names = bank("names")
    match slot:
        case "city":
            return str(rng.choice(names["cities"]))
        case "house":
            return str(rng.choice(names["houses"]))
        case "person":
            return str(rng.choice(names["people"]))
        case "weekday":
            return rng.choice(WEEKDAYS)
        case "month":
            return rng.choice(MONTHS)
        case "pct":
            return str(rng.choice([round(rng.uniform(0.4, 9.5), 1), rng.randint(2, 18)]))
        case "count":
            return str(rng.choice([2, 3, 4, 5, 7, 9, 12, 20, 35, 60, 90, 150]))
        case "staff":
            return f"{rng.randint(8, 400) * 100:,}"
        case "price":
            return f"{rng.randint(8, 240)}.{rng.choice(['00', '50'])}"
        case "decade":
            return str(rng.choice([1920, 1950, 1960, 1970, 1980, 1990, 2000]))
        case "money":
            return f"{rng.randint(3, 900)} million {rng.choice(['crowns', 'euros', 'dollars'])}"
    raise KeyError(f"no template slot {{{slot}}}")
