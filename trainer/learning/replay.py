"""A bounded memory of labelled rows: what is rehearsed, so that it is not forgotten.

Rows lie in strata of domain and label, which share the room evenly. In a full stratum half of the places are a
reservoir, in which every row that came has had the same chance, and half belong to the rows that surprised the
champion most. Each row is kept with the logits the champion gave it then (dark experience replay: Buzzega et al.
2020, equation 6). Pure: the same rows in the same order give the same memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from trainer.data import Example, normalised

MOST = 4_000
"""Rows kept at most."""


@dataclass(frozen=True)
class Remembered:
    """A labelled row, the champion's logits of each head for it, and its log loss then."""

    example: Example
    logits: Mapping[str, tuple[float, ...]]
    surprise: float = 0.0

    @property
    def stratum(self) -> tuple[str, str]:
        """Its domain, and the label that it teaches."""
        example = self.example
        if example.sentiment is not None:
            return example.source, f"sentiment {example.sentiment}"
        if example.topics:
            return example.source, f"{example.topics[0][0]} {example.topics[0][1]}"
        return example.source, "entities"


class Memory:
    """At most ``most`` rows. Built anew from its rows after a restart: :meth:`rows` gives them in order."""

    def __init__(self, rows: Iterable[Remembered] = (), *, most: int = MOST, seed: int = 0) -> None:
        self.most = most
        self.seed = seed
        self._rows: dict[str, Remembered] = {}
        self.add(rows)

    def __len__(self) -> int:
        return len(self._rows)

    def rows(self) -> list[Remembered]:
        """Every row kept, in an order that does not depend on how they came."""
        return [self._rows[key] for key in sorted(self._rows)]

    def add(self, rows: Iterable[Remembered]) -> None:
        """Take rows in; a text that is known is replaced. What is beyond the room of its stratum goes."""
        for row in rows:
            self._rows[self._key(row)] = row
        if len(self._rows) > self.most:
            self._shrink()

    def _shrink(self) -> None:
        strata: dict[tuple[str, str], list[str]] = {}
        for key in sorted(self._rows):
            strata.setdefault(self._rows[key].stratum, []).append(key)
        kept: set[str] = set()
        room = self.most
        # The smallest first: what they leave of their share is for the others.
        for place, keys in enumerate(sorted(strata.values(), key=lambda keys: (len(keys), keys))):
            share = room // (len(strata) - place)
            chosen = self._chosen(keys, share)
            kept.update(chosen)
            room -= len(chosen)
        self._rows = {key: self._rows[key] for key in kept}

    def _chosen(self, keys: list[str], count: int) -> list[str]:
        """Half by a fixed random number of each key, which is a reservoir; half by surprise."""
        if len(keys) <= count:
            return keys
        by_chance = sorted(keys)[: -(-count // 2)]
        rest = sorted(set(keys) - set(by_chance), key=lambda key: (-self._rows[key].surprise, key))
        return by_chance + rest[: count - len(by_chance)]

    def _key(self, row: Remembered) -> str:
        """A number drawn by the text: a sample of those that are lowest is a fair sample."""
        return hashlib.sha256(f"{self.seed} {normalised(row.example.text)}".encode()).hexdigest()[:24]
