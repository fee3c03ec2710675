"""What somebody typed, as a full-text expression. Pure.

Only words come through, each in quotation marks, so that nothing typed is an operator, a column or an error.
"""

from __future__ import annotations

import re

MOST_WORDS = 24
LONGEST_WORD = 64

EVERYWHERE = frozenset(
    """
    a an the and or not but if so as at by on in up out off over of to for with from into about that this these those
    is are was were be been being am do does did has have had will would can could should may might it its he she they
    you we i me my our your his her their them us what who when where why how which than then there here
    """.split()  # noqa: SIM905
)

_PIECE = re.compile(r'"([^"]*)"|([^\s"]+)')
_WORD = re.compile(r"\w+")


def expressions(typed: str) -> list[str]:
    """Expressions to try one after the other: all of the words, then any of them. Empty where there is no word.

    What stands in quotation marks is looked for as it stands, always. A star after a word stands for its endings. Words
    that nearly every text has count only where nothing else was typed.

    >>> expressions('Acme "brake failure" recall*')
    ['"brake failure" AND "Acme" AND "recall"*', '"brake failure" AND ("Acme" OR "recall"*)']
    >>> expressions('the NEAR( title:" OR *')
    ['"NEAR" AND "title"', '"NEAR" OR "title"']
    >>> expressions('!?')
    []
    """
    phrases: list[str] = []
    words: list[str] = []
    for quoted, piece in _PIECE.findall(typed):
        if quoted:
            phrase = " ".join(word[:LONGEST_WORD] for word in _WORD.findall(quoted)[:MOST_WORDS])
            phrases += [f'"{phrase}"'] if phrase else []
        else:
            found = [word[:LONGEST_WORD] for word in _WORD.findall(piece)]
            words += [f'"{word}"' for word in found[:-1]]
            words += [f'"{word}"{"*" if piece.endswith("*") else ""}' for word in found[-1:]]
    telling = [word for word in words if word.strip('"*').lower() not in EVERYWHERE]
    words = (telling or ([] if phrases else words))[:MOST_WORDS]
    phrases = phrases[:MOST_WORDS]
    if len(words) < 2:
        return [" AND ".join([*phrases, *words])] if phrases or words else []
    some = " OR ".join(words)
    return [" AND ".join([*phrases, *words]), " AND ".join([*phrases, f"({some})"]) if phrases else some]
