"""Who gives labels, and how much one may give: a flood of one is cut, a liar is found out. Pure."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import bdtrc

LEAST = 100
"""Labels that each may give however few the others gave."""
LIAR_P = 0.001
"""A giver's labels contradict more than the others' by chance once in so many, all givers together (Bonferroni)."""
LIAR_TIMES, LIAR_SHARE, LIAR_LEAST = 2.0, 0.2, 20


def allowed(counts: Mapping[str, int], most: float, least: int = LEAST) -> int:
    """How many labels each may give, so that nobody gives more than ``most`` of what is kept.

    Where there are fewer givers than could keep that, nobody gives more than an even share; ``least`` are always
    taken. The largest number that keeps it is found by lowering it until it does.

    >>> allowed({"a": 50_000, **{f"p{n}": 200 for n in range(10)}}, 0.25)
    666
    >>> allowed({"a": 900}, 0.25), allowed({"a": 900, "b": 300}, 0.25)
    (900, 300)
    """
    if not counts:
        return 0
    part = max(most, 1.0 / len(counts))
    limit = max(counts.values())
    while limit > least:
        kept = sum(min(count, limit) for count in counts.values())
        lower = int(part * kept + 1e-9)
        if lower >= limit:
            break
        limit = max(lower, least)
    return limit


def within(givers: Sequence[str], keys: Sequence[str], most: float, least: int = LEAST) -> list[bool]:
    """Of each label, whether it is within what its giver may give; which of a giver's are, a hash of ``keys`` draws."""
    limit = allowed(Counter(givers), most, least)
    given: dict[str, list[int]] = {}
    for at, giver in enumerate(givers):
        given.setdefault(giver, []).append(at)
    kept = [False] * len(givers)
    for places in given.values():
        for at in sorted(places, key=lambda at: hashlib.sha256(keys[at].encode("utf-8", "replace")).digest())[:limit]:
            kept[at] = True
    return kept


def liars(givers: Sequence[str], contradicted: Sequence[bool]) -> set[str]:
    """Givers whose labels contradict what all labels together say far more often than those of the others do."""
    given, wrong = Counter(givers), Counter(g for g, bad in zip(givers, contradicted, strict=True) if bad)
    found: set[str] = set()
    total, all_wrong = len(givers), sum(wrong.values())
    for giver, count in given.items():
        others = total - count
        if count < LIAR_LEAST or others < LIAR_LEAST:
            continue
        usual = (all_wrong - wrong[giver] + 1) / (others + 2)
        share = wrong[giver] / count
        p = float(bdtrc(wrong[giver] - 1, count, usual)) if wrong[giver] else 1.0
        if share >= max(LIAR_SHARE, LIAR_TIMES * usual) and p * len(given) < LIAR_P:
            found.add(giver)
    return found


def share(flags: Sequence[bool]) -> float:
    """The part that is true; 0 of nothing."""
    return float(np.mean(flags)) if len(flags) else 0.0
