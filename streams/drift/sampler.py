"""Which documents are worth a label: some drawn blindly, the others for what they would teach.

A document is in the *random* slice or not by a hash of its id: always a fifth of the rate, the same whoever reads it
again, and drawn with a known probability, so that what is found on that slice holds for the stream. The others are
chosen for *merit*: a small margin, a kind of text that is rare here, stars or another release that
contradict the call. What stands alone, says nothing or was chosen lately is left out, and no source, class or cluster
takes more than its part.
"""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

RANDOM_PART = 0.2
REMEMBERED = 4_096
"""Documents whose margins and surprises say what is small or large; as many surprising ones are neighbours."""
CANDIDATES = 0.1
"""Part of the documents with the smallest margins, or the largest surprises, that are candidates."""
NEIGHBOURS, NEAR = 3, 0.6
"""A surprising text counts as such if so many others lie within this cosine: else it is an oddity."""
SAME = 0.85
"""Texts closer than this cosine are of one cluster."""
LATELY = 256
"""Chosen documents among which no source and no class may have more than :data:`MOST`, or than half as much again as
of all documents; and no cluster more than a twentieth."""
MOST, AGAIN = 0.25, 1.5
BURST = 64.0
"""Documents that may be chosen at once after a quiet time."""
SHORTEST = 12


class Candidate(NamedTuple):
    """What is asked of a document. ``margin`` is the least lead of a winner among the heads, ``surprise`` in nats how
    unusual its kind of text is in the stream, ``contradicted`` that its stars say otherwise, ``disputed`` that
    a release that reads along does."""

    id: str
    story: int
    source: str
    label: str
    length: int
    readable: bool
    margin: float
    surprise: float
    contradicted: bool
    disputed: bool = False


class Chosen(NamedTuple):
    """Document ``at`` of those given: of which slice, for which reasons, and how likely the random slice takes any."""

    at: int
    random: bool
    reasons: tuple[str, ...]
    priority: float
    probability: float


@dataclass
class Tally:
    """Counts names of the last ``size`` documents."""

    size: int
    _order: deque[tuple[str, ...]] = field(default_factory=deque)
    _counts: Counter[str] = field(default_factory=Counter)

    def add(self, names: tuple[str, ...]) -> None:
        self._order.append(names)
        self._counts.update(names)
        if len(self._order) > self.size:
            for name in self._order.popleft():
                self._counts[name] -= 1
                if not self._counts[name]:
                    del self._counts[name]

    def __len__(self) -> int:
        return len(self._order)

    def share(self, name: str) -> float:
        return self._counts[name] / max(1, len(self._order))


@dataclass
class Sampler:
    """Chooses ``share`` of the documents it is shown, in bounded memory."""

    share: float
    _tokens: float = 0.0
    _margins: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    _surprises: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    _stories: deque[int] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    _seen: Tally = field(default_factory=lambda: Tally(REMEMBERED))
    _lately: Tally = field(default_factory=lambda: Tally(LATELY))
    _known: set[int] = field(default_factory=set)
    _near: Floats | None = None
    _held: int = 0
    _leaders: deque[Floats] = field(default_factory=lambda: deque(maxlen=LATELY))

    def choose(self, candidates: Sequence[Candidate], embedding: Floats) -> list[Chosen]:
        """The documents to be labelled; ``embedding`` [n, H] are theirs, of unit length."""
        if not candidates:
            return []
        probability = self.share * RANDOM_PART
        self._tokens = min(self._tokens + len(candidates) * (self.share - probability), BURST)
        self._margins.extend(one.margin for one in candidates)
        self._surprises.extend(one.surprise for one in candidates)
        for one in candidates:
            self._seen.add(_names(one))
        reasons = self._reasons(candidates, embedding)
        priorities = self._priorities(candidates, reasons)
        chosen: list[Chosen] = []
        ranked: list[tuple[float, int]] = []
        for at, one in enumerate(candidates):
            if drawn(one.id, probability):
                # As it was drawn: a copy that is left out of the slice would bend what is found on it.
                self._note(one, embedding[at])
                chosen.append(Chosen(at, True, ("random",), round(float(priorities[at]), 4), probability))
            elif reasons[at] and one.readable and one.length >= SHORTEST:
                ranked.append((-float(priorities[at]), at))
        for priority, at in sorted(ranked):
            if self._tokens < 1.0:
                break
            if self._is_new(candidates[at], embedding[at]):
                self._tokens -= 1.0
                self._note(candidates[at], embedding[at])
                chosen.append(Chosen(at, False, reasons[at], round(-priority, 4), probability))
        return sorted(chosen)

    def _reasons(self, candidates: Sequence[Candidate], embedding: Floats) -> list[tuple[str, ...]]:
        small, large = (
            float(np.quantile(self._margins, CANDIDATES)),
            float(np.quantile(self._surprises, 1 - CANDIDATES)),
        )
        strange = self._crowded(embedding, np.array([one.surprise > large for one in candidates], np.bool_))
        return [
            (
                *(("margin",) if one.margin < small else ()),
                *(("novelty",) if strange[at] else ()),
                *(("contradicted",) if one.contradicted else ()),
                *(("disputed",) if one.disputed else ()),
            )
            for at, one in enumerate(candidates)
        ]

    def _priorities(self, candidates: Sequence[Candidate], reasons: Sequence[tuple[str, ...]]) -> NDArray[np.float64]:
        """The sum of two ranks in [0, 1] among documents of late, and of what contradicts the call."""
        margins, surprises = np.sort(self._margins), np.sort(self._surprises)
        close = 1.0 - np.searchsorted(margins, [one.margin for one in candidates]) / len(margins)
        strange = np.searchsorted(surprises, [one.surprise for one in candidates]) / len(surprises)
        crowded = np.array(["novelty" in some for some in reasons])
        doubts = np.array([one.contradicted + one.disputed for one in candidates], np.float64)
        return np.asarray(close + strange * crowded + doubts)

    def _crowded(self, embedding: Floats, asked: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which of the documents ``asked`` for have neighbours among those of late."""
        if self._near is None:
            self._near = np.zeros((REMEMBERED, embedding.shape[1]), np.float32)
        for row in embedding[asked]:
            self._near[self._held % REMEMBERED] = row
            self._held += 1
        near = embedding[asked] @ self._near[: min(self._held, REMEMBERED)].T > NEAR
        asked[asked] = near.sum(1) > NEIGHBOURS  # one of them is the document itself
        return asked

    def _is_new(self, one: Candidate, embedding: Floats) -> bool:
        """Whether neither its story was chosen nor its cluster, source or class has had its part."""
        if one.story in self._known:
            return False
        if len(self._lately) >= 4:
            for name in _names(one):
                if self._lately.share(name) >= max(MOST, AGAIN * self._seen.share(name)):
                    return False
        alike = sum(float(leader @ embedding) > SAME for leader in self._leaders)
        return alike < max(2.0, 0.05 * len(self._leaders))

    def _note(self, one: Candidate, embedding: Floats) -> None:
        if len(self._stories) == self._stories.maxlen:
            self._known.discard(self._stories[0])
        self._stories.append(one.story)
        self._known.add(one.story)
        self._lately.add(_names(one))
        self._leaders.append(embedding.copy())


def _names(one: Candidate) -> tuple[str, ...]:
    return (f"source:{one.source}", f"label:{one.label}")


def drawn(document_id: str, probability: float) -> bool:
    """Whether the random slice takes this document; the same whoever asks, and however often.

    >>> sum(drawn(f"d{n}", 0.004) for n in range(100_000))
    388
    """
    digest = hashlib.blake2b(document_id.encode("utf-8", "surrogatepass"), digest_size=8, person=b"sample").digest()
    return int.from_bytes(digest, "big") < probability * 2.0**64
