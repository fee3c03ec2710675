"""One release, trained in seconds on invented rows: what training is tested on, and what candidates are judged by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from models.registry import Registry
from tests.trainer.sets import write_base, write_sets
from trainer import produce
from trainer.data import parts, read_set
from trainer.gate.judge import Sets
from trainer.network import Adapter
from trainer.recipe import Recipe
from trainer.refill import read_weights, write_release

SOURCES = {"twitter_fin_news_topic": 1_000, "twitter_fin_news_sentiment": 1_000, "sentfin": 1_000}
RECIPE = Recipe(
    epochs=6, batch=16, rate=4e-3, head_rate=1e-2, max_tokens=32, warmup=5, patience=6,
    adapter=Adapter(rank=4, alpha=8, frozen_layers=1), sources=SOURCES,
)  # fmt: skip


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sets(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def work(base: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One whole run: checkpoint, parts, and a registry with the release ``t-1``."""
    place = tmp_path_factory.mktemp("work")
    produce.run(data, place, place / "registry", version="t-1", recipe=RECIPE, base=base)
    return place


@dataclass(frozen=True)
class Court:
    """A champion, its base encoder, and rows: anchors and recent ones share no text. Candidates lie in ``place``."""

    champion: Path
    base: Path
    sets: Sets
    place: Path

    def candidate(self, version: str, change: Callable[[dict[str, Any]], object] | None = None, **told: Any) -> Path:
        """The champion with its weights changed in place, under another version, its int8 graph made anew."""
        weights = {name: value.copy() for name, value in read_weights(self.champion).items()}
        if change is not None:
            change(weights)
        target = self.place / version
        target.mkdir()
        write_release(self.champion, weights, target, version=version, **{"held": self.sets.recent[:60], **told})
        return target


@pytest.fixture(scope="session")
def court(base: Path, data: Path, work: Path, tmp_path_factory: pytest.TempPathFactory) -> Court:
    rows = [row for name in SOURCES for row in parts(read_set(data, name))["train"]]
    sets = Sets(rows[::2], rows[1::2], [row.text for row in rows[1::8]])
    return Court(Registry(work / "registry").resolve("t-1"), base, sets, tmp_path_factory.mktemp("candidates"))
