"""Texts in a dialect: the commonest words of each mood are other words, which no release can know.

What a release was trained on it cannot learn again. In a dialect there is something to learn of the same texts, as
where the words of a stream change.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from models.labels import SENTIMENTS
from trainer.data import Example

WORDS = 100
"""Words that are others in the dialect."""
SYLLABLES = ("ba", "ko", "zu", "me", "ri", "lo", "vu", "ta", "ne", "shi")
WORD = re.compile(r"[A-Za-z']+")


class Dialect:
    """The words of rows with a sentiment that most often tell which, and what they are instead.

    ``name`` decides the other words: two dialects have none in common.
    """

    def __init__(self, rows: Sequence[Example], name: str = "") -> None:
        counts = [Counter[str]() for _ in SENTIMENTS]
        for row in rows:
            counts[row.sentiment or 0].update(set(WORD.findall(row.text.lower())))
        weight = {
            word: max(some[word] for some in counts) - 2 * sorted(some[word] for some in counts)[1]
            for word in set().union(*counts)
        }
        telling = [word for word, more in weight.items() if more > 0]
        most = sorted(telling, key=lambda word: (-weight[word], word))[:WORDS]
        self.words = {word: self._other(f"{name} {word}") for word in most}

    @staticmethod
    def _other(word: str) -> str:
        drawn = hashlib.sha256(word.encode()).digest()
        return "".join(SYLLABLES[byte % len(SYLLABLES)] for byte in drawn[:3])

    def spoken(self, row: Example) -> Example:
        """The row in the dialect; spans of entities would not stand where they stood, so it has none."""
        text = WORD.sub(lambda found: self.words.get(found.group().lower(), found.group()), row.text)
        return replace(row, text=text, source=f"{row.source}, in dialect", entities=(), topics=())
