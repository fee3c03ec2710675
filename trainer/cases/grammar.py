"""Sentences from templates: ``{slot}`` is filled by a phrase of that name, which may have slots itself."""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

Drawn = Mapping[str, Callable[[random.Random], str]]
Phrases = Mapping[str, Sequence[str] | Callable[[random.Random], str]]

_SLOT = re.compile(r"\{(\w+)\}")

_HEADS = (
    "Al", "Ar", "Bel", "Bor", "Bryn", "Cal", "Cor", "Dal", "Del", "Dor", "El", "Fen", "Fir", "Gal", "Gar", "Hal",
    "Hol", "Ist", "Jor", "Kal", "Kel", "Lan", "Lor", "Mar", "Mel", "Nor", "Ol", "Or", "Pel", "Quen", "Ral", "Ros",
    "Sal", "Sil", "Tal", "Tor", "Ul", "Val", "Ver", "Wal", "Wes", "Yor", "Zan", "Zel",
)  # fmt: skip
_TAILS = (
    "ado", "aria", "bank", "bury", "cor", "dale", "dex", "dyne", "ella", "ena", "era", "field", "fin", "gate", "gen",
    "ia", "ica", "ine", "ion", "ix", "lo", "mar", "mark", "mere", "mont", "net", "nova", "on", "ora", "rex", "ridge",
    "sen", "soft", "stone", "tec", "tek", "tia", "ton", "tron", "va", "vex", "via", "vik", "wick", "world", "zo",
)  # fmt: skip
_FORMS = (
    "", "", "", "", " Inc", " Corp", " Group", " Holdings", " plc", " Oyj", " AB", " Ltd", " Industries", " Energy",
    " Foods", " Motors", " Bank", " Pharma", " Steel", " Telecom", " Airlines", " Software", " Systems", " Logistics",
)  # fmt: skip


def read_phrases(kind: str, drawn: Drawn) -> tuple[dict[str, list[str]], Phrases]:
    """Templates and phrases from the file of a kind, and with them what its module draws."""
    told = tomllib.loads((Path(__file__).parent / f"{kind}.toml").read_text(encoding="utf-8"))
    return told["templates"], {**told.get("phrases", {}), **drawn}


def fill(template: str, draw: random.Random, phrases: Phrases) -> str:
    """``template`` with every slot filled by a drawn phrase."""

    def put(match: re.Match[str]) -> str:
        held = phrases[match[1]]
        return held(draw) if callable(held) else fill(draw.choice(held), draw, phrases)

    return _SLOT.sub(put, template)


def word(draw: random.Random) -> str:
    """An invented name of one word."""
    return draw.choice(_HEADS) + draw.choice(_TAILS)


def company(draw: random.Random) -> str:
    """An invented company."""
    return word(draw) + draw.choice(_FORMS)


def companies(draw: random.Random, count: int) -> list[str]:
    """Different invented companies, none of whose names is part of another's."""
    found: list[str] = []
    while len(found) < count:
        name = company(draw)
        if all(name.split()[0] != other.split()[0] for other in found):
            found.append(name)
    return found


def person(draw: random.Random) -> str:
    """An invented surname, sometimes with a title."""
    return draw.choice(("", "", "Mr ", "Ms ", "CEO ", "Senator ")) + word(draw)


def sentence(text: str) -> str:
    """``text`` with a capital at its start."""
    return text[:1].upper() + text[1:]
