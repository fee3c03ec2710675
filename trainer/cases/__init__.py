"""Hard cases written by rule: labelled texts about invented names, where the public sets teach too little.

Customers who tell a complaint as plain facts or thank in scorn, figures that only say by their order whether
they rose or fell, orders won, rivals of whom one gains what the other loses, negated praise, and orders to whoever
labels a text. Every sentence is put together from the rules of these modules; none comes from a data set.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace

from trainer.cases import customers, negations, orders, posts, rivals, statements
from trainer.data import Example, normalised

KINDS: dict[str, Callable[[random.Random], Example]] = {
    "cases_customers": customers.write,
    "cases_statements": statements.write,
    "cases_rivals": rivals.write,
    "cases_negations": negations.write,
    "cases_posts": posts.write,
    "cases_orders": orders.write,
}
"""What writes one example, by the name that takes a set's place in a recipe."""

REHEARSED = 200
"""Texts of each kind with which a memory begins."""
TRIES = 20
"""Texts drawn for each that is wanted, before the rules count as used up."""


def write(kind: str, count: int, seed: int) -> list[Example]:
    """``count`` different examples of a kind (fewer where its rules give out), the same for a seed."""
    draw = random.Random(f"{kind}-{seed}")  # noqa: S311 - no secret
    return list(_distinct(KINDS[kind], draw, count))


def rehearsal() -> list[Example]:
    """Texts of every kind, as rows of one source: what a memory begins with where nobody named rows to rehearse."""
    return [replace(row, source="rules") for kind in KINDS for row in write(kind, REHEARSED, 0)]


def _distinct(write_one: Callable[[random.Random], Example], draw: random.Random, count: int) -> Iterator[Example]:
    seen: set[str] = set()
    for _ in range(TRIES * count):
        if len(seen) == count:
            return
        example = write_one(draw)
        key = normalised(example.text)
        if key not in seen:
            seen.add(key)
            yield example
