"""Sentences about several names: what is good for one is bad, or nothing, for another.

In the templates ``<A:+>`` is a company to whom the sentence is good, ``:-`` bad, ``:0`` neither; ``<P:...>``
is a person.
"""

from __future__ import annotations

import random
import re

from trainer.cases.grammar import companies, fill, person, read_phrases, sentence
from trainer.cases.statements import PHRASES
from trainer.data import EntityLabel, Example

_NAME = re.compile(r"<(\w):([-+0])>")
_SIGN = {"-": 0, "0": 1, "+": 2}
_TEMPLATES, _ = read_phrases("rivals", {})


def write(draw: random.Random) -> Example:
    """One sentence with a label for each name; a sentence whose names disagree has no sentiment of its own."""
    template = draw.choice(_TEMPLATES["all"])
    firms = dict(zip("ABC", companies(draw, 3), strict=True))
    people: dict[str, str] = {}
    while len(people) < 3:
        name = person(draw)
        if all(name.split()[-1] != other.split()[-1] for other in people.values()):
            people["PQR"[len(people)]] = name
    names = firms | people
    # Names stand in angle brackets until the rest is written, so that their places are known.
    pieces = re.split(r"(<\w:[-+0]>)", fill(template, draw, PHRASES))
    text, entities = "", []
    for piece in pieces:
        match = _NAME.fullmatch(piece)
        if match is None:
            text += piece if text else sentence(piece)
            continue
        start = len(text)
        text += names[match[1]]
        entities.append(EntityLabel(start, len(text), _SIGN[match[2]]))
    if draw.random() < 0.5:
        text += "."
    moods = {entity.sentiment for entity in entities}
    polar = moods - {1}
    sentiment = None if len(polar) > 1 else (polar or {1}).pop()
    return Example(
        text, "cases_rivals", sentiment=sentiment, head="both", mixed=len(moods) > 1, entities=tuple(entities)
    )
