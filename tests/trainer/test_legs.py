"""Legs: each begins with the mean of the weights before it, and a killed training goes on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.trainer.conftest import RECIPE
from trainer import legs, recipe
from trainer.errors import DataError
from trainer.export import read_training


def weights(place: Path) -> dict[str, torch.Tensor]:
    return {
        name: value.float()
        for part in ("adapter", "heads")
        for name, value in load_file(place / f"{part}.safetensors").items()
    }


@pytest.fixture(scope="module")
def trained(base: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    short = replace(RECIPE, epochs=2, kept=(1, 2), patience=2)
    work = tmp_path_factory.mktemp("legs")
    assert (
        legs.run(data, work, legs=(short, replace(short, seed=3, epochs=1, kept=(1,))), base=base)
        == work / "leg-2" / "mean"
    )
    return work


def test_the_first_leg_comes_to_the_mean_of_its_kept_epochs(trained: Path) -> None:
    one, two, joined = (weights(trained / "leg-1" / name) for name in ("epoch-1", "epoch-2", "mean"))
    assert any(not torch.equal(one[name], two[name]) for name in one)
    assert all(torch.allclose(joined[name], (one[name] + two[name]) / 2, atol=1e-3) for name in joined)


def test_a_later_leg_counts_the_weights_it_began_with(trained: Path) -> None:
    before, after, joined = (weights(trained / name) for name in ("leg-1/mean", "leg-2/epoch-1", "leg-2/mean"))
    assert all(torch.allclose(joined[name], (before[name] + after[name]) / 2, atol=1e-3) for name in joined)


def test_a_leg_that_is_done_is_not_trained_again(trained: Path, base: Path, data: Path) -> None:
    made = (trained / "leg-1" / "mean" / "recipe.json").stat().st_mtime_ns
    legs.run(data, trained, legs=(RECIPE, RECIPE), base=base)
    assert (trained / "leg-1" / "mean" / "recipe.json").stat().st_mtime_ns == made


def test_a_leg_killed_before_its_mean_was_written_is_not_trained_again(trained: Path, base: Path, data: Path) -> None:
    (trained / "leg-1" / "mean" / "recipe.json").unlink()
    made = (trained / "leg-1" / "epoch-2" / "heads.safetensors").stat().st_mtime_ns
    legs.run(data, trained, legs=(replace(RECIPE, kept=(1, 2)), replace(RECIPE, kept=(1,))), base=base)
    assert (trained / "leg-1" / "mean" / "recipe.json").is_file()
    assert (trained / "leg-1" / "epoch-2" / "heads.safetensors").stat().st_mtime_ns == made


def test_weights_of_other_shapes_have_no_mean(trained: Path, tmp_path: Path) -> None:
    for part in ("adapter", "heads"):
        save_file({"one": torch.zeros(2)}, tmp_path / f"{part}.safetensors")
    with pytest.raises(DataError, match="not of one shape"):
        legs.mean([trained / "leg-1" / "epoch-1", tmp_path], tmp_path / "mean")


def test_a_recipe_is_read_back_from_a_checkpoint(trained: Path) -> None:
    told = read_training(trained / "leg-2" / "mean")
    assert recipe.recipe_of(told["recipe"]).kept == (1,)
    assert told["after"]["note"] == "the weights are the mean of those after epochs 1 and 2"
