"""The release that scores, and those kept loaded beside it. Pure but for a lock: nothing is loaded or timed here.

A slab asks once for :attr:`Live.current` and stays with it to its last byte, so that another release takes its
place between slabs and what a document says of its release is true. A release that has just begun to serve is on
probation: its predecessor reads a part of the same documents, and takes over again where the two differ too much
or the newcomer fails.
"""

from __future__ import annotations

import threading
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from models.scorer import Scorer, Scores
from streams.scored import Reading
from streams.settings import Settings

Beside = Literal["previous", "candidate"]

PROBATION_DOCUMENTS = 20_000
"""So many documents after a swap, a release is no longer compared with its predecessor, nor backed out by itself."""
LEAST_COMPARED = 200
"""Documents that both releases must have read before their difference says anything."""


@dataclass(frozen=True, eq=False)
class Serving:
    """A loaded release, and what of it goes into every record."""

    scorer: Scorer
    reading: Reading

    @classmethod
    def of(cls, scorer: Scorer, settings: Settings) -> Serving:
        """Read what ``scorer`` puts into records.

        Raises:
            SettingsError: a stream names a taxonomy that the release does not have.
        """
        return cls(scorer, Reading.of(scorer, settings.streams, settings.scoring.embeddings))

    @property
    def release(self) -> str:
        return self.reading.release


@dataclass
class Comparison:
    """On how many of the same ``documents`` two releases name another winner, head by head."""

    documents: int = 0
    differ: Counter[str] = field(default_factory=Counter)

    def add(self, one: Scores, rows: Sequence[int], other: Scores) -> Mapping[str, int]:
        """Count rows ``rows`` of ``one`` against all rows of ``other``; returns what was counted, by head."""
        chosen = list(rows)
        found = {"sentiment": _differing(one.sentiment[chosen], other.sentiment)}
        for name in one.topics.keys() & other.topics.keys():
            if one.topics[name].shape[1] == other.topics[name].shape[1]:
                found[name] = _differing(one.topics[name][chosen], other.topics[name])
        self.documents += len(chosen)
        self.differ.update(found)
        return found

    def share(self, head: str) -> float:
        """The part of the documents on which ``head`` names another winner."""
        return self.differ[head] / self.documents if self.documents else 0.0


def _differing(one: np.ndarray, other: np.ndarray) -> int:
    return int((one.argmax(1) != other.argmax(1)).sum())


def drawn(document_id: str, percent: int) -> bool:
    """Whether a document is among the ``percent`` that both releases read; the same whoever asks.

    >>> sum(drawn(f"d{n}", 10) for n in range(1000))
    104
    """
    return zlib.crc32(document_id.encode("utf-8", "surrogatepass")) % 100 < percent


class Live:
    """Which release serves. Slabs read it from their threads; one thread (the rollout's) moves it."""

    def __init__(self, serving: Serving, *, percent: int = 0, most_different: float = 1.0) -> None:
        self.current = serving
        self.percent = percent
        self.beside: dict[Beside, Serving] = {}
        self.comparisons: dict[Beside, Comparison] = {}
        self._most_different = most_different
        self._probation = 0
        self._backed_out: list[tuple[str, str]] = []
        self._lock = threading.Lock()

    @property
    def on_probation(self) -> bool:
        """Whether the release that serves has a warm predecessor that would take over."""
        return self._probation > 0 and "previous" in self.beside

    def swap(self, serving: Serving, *, trusted: bool = False) -> None:
        """Let ``serving`` score from the next slab on; the one it replaces stays warm.

        ``trusted`` says that it served before (a rollback): it is not on probation.
        """
        with self._lock:
            self.beside["previous"], self.current = self.current, serving
            self.comparisons["previous"] = Comparison()
            self._probation = 0 if trusted else PROBATION_DOCUMENTS

    def keep(self, role: Beside, serving: Serving | None) -> None:
        """Keep ``serving`` loaded in this role, or nothing."""
        with self._lock:
            if self.beside.get(role) is serving:
                return
            self.comparisons[role] = Comparison()
            if serving is None:
                self.beside.pop(role, None)
            else:
                self.beside[role] = serving

    def back_out(self, serving: Serving, reason: str) -> bool:
        """Let the predecessor of ``serving`` score again; false where there is none, or the probation is over.

        True as well where somebody else was faster: whoever asked may go on with :attr:`current`.
        """
        with self._lock:
            if self.current is not serving:
                return True
            if not self.on_probation:
                return False
            self.current = self.beside.pop("previous")
            self._probation = 0
            self._backed_out.append((serving.release, reason))
            return True

    def take_backed_out(self) -> list[tuple[str, str]]:
        """The releases that were backed out since the last call, with the reasons."""
        with self._lock:
            taken, self._backed_out = self._backed_out, []
            return taken

    def scored(self, serving: Serving, documents: int) -> None:
        """Count towards the end of the probation."""
        with self._lock:
            if self.current is serving:
                self._probation = max(0, self._probation - documents)

    def companions(self, serving: Serving) -> list[tuple[Beside, Serving]]:
        """The releases that are to read a part of what ``serving`` reads."""
        if self.percent == 0 or self.current is not serving:
            return []
        with self._lock:
            return [(role, other) for role, other in self.beside.items() if role == "candidate" or self._probation]

    def compare(self, role: Beside, one: Scores, rows: Sequence[int], other: Scores) -> Mapping[str, int]:
        """Count a comparison; see :meth:`Comparison.add`."""
        with self._lock:
            return self.comparisons.setdefault(role, Comparison()).add(one, rows, other)

    def objection(self) -> str:
        """Why the release that serves should not, going by its predecessor; empty where nothing is wrong."""
        compared = self.comparisons.get("previous")
        if not self.on_probation or compared is None or compared.documents < LEAST_COMPARED:
            return ""
        share = compared.share("sentiment")
        if share <= self._most_different:
            return ""
        previous = self.beside["previous"].release
        return f"it differs from {previous} on the sentiment of {share:.0%} of {compared.documents} documents"
