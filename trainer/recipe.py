"""What decides the weights: the recipe, and which rows of which sets an epoch sees."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from models.labels import TAXONOMIES
from trainer import cases
from trainer.data import Example, normalised, once, parts, read_rows, read_set, sample
from trainer.network import Adapter

SOURCES: dict[str, int] = {
    "twitter_fin_news_topic": 100_000,
    "twitter_fin_news_sentiment": 100_000,
    "sentfin": 100_000,
    "newsmtsc": 100_000,
    "goemotions": 12_000,
    "hu_liu_product_reviews": 100_000,
    "rt_polarity": 100_000,
    "liu_pros_cons": 6_000,
    "wiki_current_events": 5_000,
    "cases_customers": 4_000,
    "cases_statements": 2_500,
    "cases_rivals": 2_500,
    "cases_negations": 1_000,
    "cases_posts": 1_500,
    "cases_orders": 2_500,
}
"""The sets and cases of the shipped release, and the most rows that an epoch takes of each."""

SUPPLY = 3
"""Cases written for each that an epoch takes."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights, besides the data and the base encoder.

    The learning rate rises for ``warmup`` steps, stays, and falls to nothing over the last ``decay`` share of
    the steps. Until it falls, an unfinished run may be given other ``epochs``.

    ``smoothing`` is of the labels, ``gate_weight`` weighs the guess of which head a text belongs to,
    ``served_weight`` the sentiment as it is served, after the gate; ``hide`` is the share of rows whose
    entities are masked; ``teacher`` weighs what the weights that the run begins with say of finance texts
    without a label (0: they are not asked); ``halves`` are the parts of a batch that are computed at the same
    time. The weights after the epochs ``kept`` (counted from 1) are written, too.
    """

    seed: int = 20
    epochs: int = 7
    batch: int = 64
    max_tokens: int = 96
    rate: float = 5e-4
    head_rate: float = 1e-3
    warmup: int = 300
    decay: float = 0.6
    smoothing: float = 0.05
    entity_weight: float = 0.7
    gate_weight: float = 0.1
    served_weight: float = 0.5
    topic_balance: float = 0.25
    hide: float = 0.1
    teacher: float = 0.0
    patience: int = 3
    halves: int = 2
    checkpoint_seconds: float = 180.0
    kept: tuple[int, ...] = ()
    taxonomies: tuple[str, ...] = ()
    adapter: Adapter = field(default_factory=Adapter)
    sources: dict[str, int] = field(default_factory=lambda: dict(SOURCES))


def recipe_of(told: Mapping[str, Any]) -> Recipe:
    """The recipe that a checkpoint tells of."""
    held = dict(told)
    held["adapter"] = Adapter(**held["adapter"])
    held |= {name: tuple(held.get(name, ())) for name in ("taxonomies", "kept")}
    return Recipe(**held)


def taught(rows: Iterable[Example]) -> tuple[str, ...]:
    """The taxonomies that any of the rows has a label of."""
    found = {name for row in rows for name, _ in row.topics}
    return tuple(name for name in TAXONOMIES if name in found)


def gather(root: Path, recipe: Recipe, fraction: float = 1.0) -> dict[str, list[Example]]:
    """All training rows, and at most 1,000 for validation and test, of the recipe's sources.

    A source is a set under ``root``, a kind of cases, or the path of a file of labelled rows. A text is on one
    side of the split whichever sets hold it. Of cases written by rule, which share their templates, all are
    for training.
    """
    gathered: dict[str, list[Example]] = {"train": [], "validation": [], "test": []}
    for name, most in recipe.sources.items():
        if name in cases.KINDS:
            gathered["train"] += cases.write(name, int(SUPPLY * most * fraction), recipe.seed)
            continue
        split = parts(once(read_rows(Path(name))) if Path(name).is_file() else read_set(root, name))
        gathered["train"] += sample(split["train"], int(len(split["train"]) * fraction), recipe.seed)
        gathered["validation"] += sample(split["validation"], 1_000, recipe.seed)
        gathered["test"] += sample(split["test"], 1_000, recipe.seed)
    held = {normalised(row.text) for part in ("validation", "test") for row in gathered[part]}
    gathered["train"] = [row for row in gathered["train"] if normalised(row.text) not in held]
    return gathered


def chosen(sources: Sequence[str], recipe: Recipe, epoch: int) -> list[int]:
    """Rows of an epoch (counted from 0): of a set larger than its share, the next part of a shuffled order."""
    by_source: dict[str, list[int]] = {}
    for row, source in enumerate(sources):
        by_source.setdefault(source, []).append(row)
    rows: list[int] = []
    for source, held in by_source.items():
        count = min(len(held), _most(recipe, source, len(held)))
        first, last = epoch * count, (epoch + 1) * count
        for turn in range(first // max(1, len(held)), -(-last // max(1, len(held)))):
            before = turn * len(held)
            order = random.Random(f"{recipe.seed}-{source}-{turn}").sample(held, len(held))  # noqa: S311 - no secret
            rows += order[max(0, first - before) : last - before]
    return rows


def _most(recipe: Recipe, source: str, held: int) -> int:
    """Rows that an epoch takes of ``source``; a file's rows are known by the file's name."""
    by_name = {Path(name).name.split(".")[0]: most for name, most in recipe.sources.items()}
    return by_name.get(source, held)


FREE = ("checkpoint_seconds", "epochs", "decay", "patience", "kept")
"""What may change when an unfinished run goes on."""


def identity(recipe: Recipe, rows: dict[str, list[Example]]) -> str:
    """A hash of the recipe and of every training row: two runs that share it would reach the same weights."""
    held = {name: value for name, value in asdict(recipe).items() if name not in FREE}
    digest = hashlib.sha256(json.dumps(held, sort_keys=True).encode())
    for row in rows["train"]:
        digest.update(repr(row).encode())
    return digest.hexdigest()
