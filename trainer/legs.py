"""How the shipped release was trained: runs one after another, each from the mean of the weights before it.

``python -m trainer.legs DATA WORK VERSION`` trains it again, from the sets under DATA to the parts of a release in
WORK; started anew after a kill, it goes on.

Weights that a training reaches where it has cooled lie in one basin, and their mean does better than each (Izmailov et
al. 2018, "Averaging Weights Leads to Wider Optima and Better Generalization"). A run that warms up from the mean and
cools again brings more of them, and may bring rows that the run before did not have.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from models.base import find_base
from trainer import finetune, produce
from trainer.errors import DataError
from trainer.export import read_training
from trainer.recipe import SOURCES, Recipe

_FIRST = {name: most for name, most in SOURCES.items() if name != "cases_orders"}
_LATER = {
    **SOURCES,
    "goemotions": 16_000,
    "liu_pros_cons": 12_000,
    "wiki_current_events": 6_000,
    "cases_customers": 2_500,
    "cases_statements": 1_500,
    "cases_rivals": 2_000,
    "cases_posts": 1_000,
}
"""More of the sets that an epoch does not exhaust, and the orders that the first leg did not know."""

_LATER_RECIPE = Recipe(
    seed=21, epochs=3, kept=(2, 3), patience=3, rate=4e-4, head_rate=8e-4, warmup=150, decay=0.75, sources=_LATER
)

LEGS = (
    Recipe(kept=(4, 7), patience=7, sources=_FIRST),
    _LATER_RECIPE,
    replace(_LATER_RECIPE, seed=22, teacher=0.5),
)
"""The mean is over the first leg's mean, which counts once, and the epochs that the later legs keep."""


def mean(ingredients: Sequence[Path], target: Path) -> None:
    """Write the mean of the weights of some checkpoints, which have to be of one shape, into ``target``.

    Raises:
        DataError: they are not.
    """
    target.mkdir(parents=True, exist_ok=True)
    for part in ("adapter.safetensors", "heads.safetensors"):
        held = [load_file(place / part) for place in ingredients]
        shapes = [{name: value.shape for name, value in one.items()} for one in held]
        if any(one != shapes[0] for one in shapes):
            raise DataError(f"{part} of {', '.join(map(str, ingredients))} are not of one shape")
        means = {name: torch.stack([one[name].float() for one in held]).mean(0) for name in held[0]}
        save_file({name: value.half().contiguous() for name, value in means.items()}, target / part)


def run(data: Path, work: Path, *, legs: Sequence[Recipe] = LEGS, base: Path | None = None) -> Path:
    """Train the legs under ``work``; returns the checkpoint that holds the mean of the last.

    Raises:
        DataError: a set is missing or unusable, or ``work`` holds other runs.
        BaseEncoderError: the base encoder is not on this machine.
    """
    joined: list[Path] = []
    for number, recipe in enumerate(legs, 1):
        place = work / f"leg-{number}"
        target = place / "mean"
        kept = [place / f"epoch-{epoch}" for epoch in recipe.kept]
        if not (target / "recipe.json").is_file():
            before = work / f"leg-{number - 1}" / "mean" if joined else None
            if not all((one / "heads.safetensors").is_file() for one in kept):
                finetune.run(data, place, recipe=recipe, start=before, base=base)
            mean([*joined, *kept], target)
            shutil.copy(place / "tokenizer.json", target)
            epochs = " and ".join(map(str, recipe.kept))
            note = f"the weights are the mean of those after epochs {epochs}" + (" and those before" if joined else "")
            told = json.dumps({**read_training(place), "note": note}, indent=2)
            (target / "recipe.json").write_text(told, encoding="utf-8")
        joined = [*joined, *kept] if joined else [target]
    if not joined:
        raise DataError("no legs to train")
    return target


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m trainer.legs", description="Train the shipped release again.")
    parser.add_argument("data", type=Path, help="directory of the labelled sets")
    parser.add_argument("work", type=Path, help="checkpoints and parts; the same again goes on after a kill")
    parser.add_argument("version", help="name of the release")
    told = parser.parse_args()
    found = run(told.data, told.work)
    produce.ship(told.data, found, told.work / "parts", version=told.version, base=find_base())
