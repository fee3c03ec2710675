"""What an archive must be able to do, whatever holds it: one side takes in, the other is asked.

Documents have numbers that grow as they come. Whoever holds them elsewhere than in a file writes these two classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from streams.archive.entries import AlertEntry, Entry, Floats
from streams.records import Alert

Offsets = Mapping[tuple[str, int], int]
"""The next offset to read, by topic and partition."""


class Filters(Struct, frozen=True):
    """What a document must be to be found. ``mood`` (0, 1, 2) is the one toward ``series`` where that is given; times
    are event time, ``until_ms`` is not included."""

    series: str = ""
    stream: str = ""
    source: str = ""
    mood: int | None = None
    since_ms: int | None = None
    until_ms: int | None = None


class Kept(Struct, frozen=True):
    """A document as it is kept. ``marked`` is the part of it in which the words are, between :data:`MARKS`."""

    number: int
    entry: Entry
    marked: str = ""


MARKS = ("\ue000", "\ue001")
"""Around a word that was asked for, in :attr:`Kept.marked`."""


@dataclass(frozen=True)
class Batch:
    """What was read together: it goes in whole, with the offsets after it, or not at all."""

    entries: Sequence[Entry]
    alerts: Sequence[tuple[Alert, int]]
    offsets: Offsets


@dataclass(frozen=True)
class Taken:
    """How many documents of a batch were ``new``, ``replaced`` one of the same id, or were the ``same``."""

    new: int = 0
    replaced: int = 0
    same: int = 0
    alerts: int = 0


@dataclass(frozen=True)
class Pruned:
    """How many documents were forgotten for their age and for want of space, and whether nothing is left to do."""

    aged: int = 0
    crowded: int = 0
    done: bool = True


@dataclass(frozen=True)
class Figures:
    """How much there is: documents, alerts, bytes in use, and the event time (ms) of the oldest document."""

    documents: int
    alerts: int
    bytes: int
    oldest_ms: int | None


@dataclass(frozen=True)
class Near:
    """The nearest documents of one release: ``numbers`` [k] and their ``cosines`` [k], falling; ``mean`` and
    ``deviation`` of the cosines of all ``seen``. Not ``whole``: the time was over, and the newest were seen."""

    numbers: NDArray[np.int64]
    cosines: Floats
    seen: int
    mean: float
    deviation: float
    whole: bool = True


class Archive(Protocol):
    """The side that takes in; one process at a time. Every method is one transaction or several whole ones."""

    def belongs_to(self, cluster: str, *, forget_all: bool = False) -> bool:
        """Tie it to a cluster; ``False`` where it was another's and its offsets were dropped."""
        ...

    def offsets(self) -> Offsets:
        """Where reading goes on."""
        ...

    def take(self, batch: Batch) -> Taken:
        """Keep a batch and its offsets, both or neither."""
        ...

    def prune(self, before_ms: int, most_bytes: int) -> Pruned:
        """Forget some of what came before ``before_ms``, and some of the oldest beyond ``most_bytes``; a bounded
        amount of work, to be asked for again until it is done."""
        ...

    def figures(self) -> Figures: ...

    def close(self) -> None: ...


class Shelves(Protocol):
    """The side that is asked. Raises ``streams.errors.InputError`` where a question takes too long."""

    def matching(self, expression: str, filters: Filters, most: int) -> list[int]:
        """Numbers of the documents that match a full-text expression, best first."""
        ...

    def latest(self, filters: Filters, most: int) -> list[int]:
        """Numbers of the newest documents by event time."""
        ...

    def releases(self) -> dict[str, int]:
        """How many embedded documents there are of each release, most first; "" counts those without an embedding."""
        ...

    def nearest(self, release: str, vector: Floats, filters: Filters, most: int) -> Near:
        """Documents whose embedding by ``release`` points most in the direction of ``vector``."""
        ...

    def fetch(self, numbers: Sequence[int], expression: str = "") -> list[Kept]:
        """The documents of these numbers, in this order, those that are gone left out."""
        ...

    def alert(self, beginning: str) -> AlertEntry | None:
        """The alert whose id begins so; ``None`` where there is none or more than one."""
        ...

    def alerts(self, expression: str, filters: Filters, most: int) -> list[AlertEntry]:
        """Alerts that match, the newest first; of ``filters`` series and times count."""
        ...

    def series(self, name: str) -> str:
        """The series called ``name``, whatever the case; empty where there is none."""
        ...
