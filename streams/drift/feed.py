"""Whether the feed is broken: texts too short, repeated, in a strange language, flagged, of another length.

A broken feed looks like drift and is none: these checks call for somebody to look, never for a training.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SHORT = 12
"""Characters under which a text says hardly anything."""
REMEMBERED = 4_096
"""Stories that are remembered to notice copies."""
CHECKS = ("short", "copied", "foreign", "flagged", "length")


class Delivered(NamedTuple):
    """What the checks see of a document. ``story`` is its signature, ``foreign`` that its language is not read."""

    length: int
    story: int
    foreign: bool
    flagged: bool


class Feed:
    """Turns documents into the numbers that a window is made of; remembers stories."""

    def __init__(self) -> None:
        self._stories: OrderedDict[int, None] = OrderedDict()

    def hear(self, documents: Sequence[Delivered]) -> NDArray[np.float32]:
        """[n, 5] in the order of :data:`CHECKS`: marks of 0 or 1, and the logarithm of the length in characters."""
        table = np.zeros((len(documents), len(CHECKS)), np.float32)
        for row, document in zip(table, documents, strict=True):
            row[:] = (
                document.length < SHORT,
                self._seen(document.story),
                document.foreign,
                document.flagged,
                np.log1p(document.length),
            )
        return table

    def _seen(self, story: int) -> bool:
        seen = story in self._stories
        self._stories[story] = None
        self._stories.move_to_end(story)
        if len(self._stories) > REMEMBERED:
            self._stories.popitem(last=False)
        return seen
