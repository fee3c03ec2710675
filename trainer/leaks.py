"""Held-back texts that training has nearly seen: copies with another number, name or ending.

A split by the hash of a text keeps copies on one side, but not a tweet that a machine wrote from the same form.
Figures on such rows flatter. They are found here by the word triples that they share with a training text.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from trainer.data import normalised

ALIKE = 0.6
"""Shared word triples over all word triples of both texts (Jaccard), from which on one is a near copy."""
COMMON = 200
"""A triple that more training texts have than this finds nothing: it is a phrase, not a text."""


def triples(text: str) -> frozenset[str]:
    """The runs of three words of a text, normalised; of a shorter text, the text."""
    words = normalised(text).split()
    return frozenset(" ".join(words[at : at + 3]) for at in range(max(1, len(words) - 2)))


def near_copies(held: Sequence[str], known: Iterable[str]) -> list[bool]:
    """For each text of ``held`` whether a text of ``known`` is alike by :data:`ALIKE` or more."""
    wanted = {triple for text in held for triple in triples(text)}
    places: dict[str, list[int]] = defaultdict(list)
    sizes: list[int] = []
    for at, text in enumerate(known):
        found = triples(text)
        sizes.append(len(found))
        for triple in found & wanted:
            places[triple].append(at)
    return [_has_a_copy(triples(text), places, sizes) for text in held]


def _has_a_copy(own: frozenset[str], places: dict[str, list[int]], sizes: Sequence[int]) -> bool:
    shared: Counter[int] = Counter()
    for triple in own:
        if len(places.get(triple, ())) <= COMMON:
            shared.update(places.get(triple, ()))
    return any(count >= ALIKE * (len(own) + sizes[at] - count) for at, count in shared.items())
