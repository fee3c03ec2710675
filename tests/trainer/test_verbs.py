"""``tocsin train``, killed outright and started again; then ``score`` and ``eval`` with what it made, as processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from models.base import WEIGHTS, sha256_of
from models.errors import ReleaseError
from models.registry import Registry
from tests.trainer.sets import write_base, write_sets
from trainer import finetune
from trainer.command import train
from trainer.errors import DataError
from trainer.recipe import recipe_of

ROOT = Path(__file__).parents[2]
# The stand-in for the base encoder has another checksum than the real one; everything else is as installed.
PROGRAM = "import sys, models.base as base; base.WEIGHTS_SHA256 = sys.argv.pop(1); import tocsin; tocsin.main()"
RECIPE = {
    "epochs": 4, "batch": 16, "rate": 4e-3, "head_rate": 1e-2, "max_tokens": 32, "warmup": 5, "checkpoint_seconds": 0,
    "adapter": {"rank": 4, "alpha": 8, "frozen_layers": 1},
}  # fmt: skip
SETS = ("twitter_fin_news_topic", "twitter_fin_news_sentiment", "sentfin")


class Place:
    """A directory with a base encoder, labelled sets, rows of one's own, a recipe and settings."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.base = write_base(root / "base")
        self.data = write_sets(root / "data")
        rows = [f"{'awful' if at % 2 else 'great'} phone {at},{1 if at % 2 else 5}" for at in range(60)]
        (root / "own.csv").write_text("text,stars\n" + "\n".join(rows) + "\n")
        (root / "recipe.json").write_text(json.dumps(RECIPE))
        (root / "tocsin.toml").write_text('[scoring]\nregistry = "registry"\n')

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", PROGRAM, sha256_of(self.base / WEIGHTS), *arguments]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TOCSIN_BASE": str(self.base)}
        return subprocess.Popen(
            command, cwd=self.root, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def run(self, *arguments: str) -> str:
        process = self.start(*arguments)
        said, complained = process.communicate(timeout=300)
        assert process.returncode == 0, complained
        return said


TRAIN = ("train", "data", "--version", "own-1", "--rows", "own.csv", "--recipe", "recipe.json", "--work", "work",
         *(word for name in SETS for word in ("--set", name)))  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A training that was killed at its first checkpoint, and run to its end by the same command."""
    place = Place(tmp_path_factory.mktemp("place"))
    position = place.root / "work" / "checkpoint" / "position.safetensors"
    killed = place.start(*TRAIN)
    while not position.exists():
        assert killed.poll() is None, killed.communicate()[1]
        time.sleep(0.005)
    killed.kill()
    killed.communicate()
    assert killed.returncode == -9
    with safe_open(position, framework="pt") as held:
        assert json.loads(held.metadata()["position"])["step"] > 0
    assert Registry(place.root / "registry").versions() == []
    assert place.run(*TRAIN).strip() == str(Path("registry") / "own-1")
    return place


def test_it_goes_on_to_the_weights_of_a_training_that_nobody_killed(place: Place) -> None:
    told = json.loads((place.root / "work" / "checkpoint" / "recipe.json").read_text())
    recipe = recipe_of(told["recipe"])
    assert list(recipe.sources) == [*SETS, str(place.root / "own.csv")]
    whole = finetune.run(place.data, place.root / "whole", recipe=recipe, base=place.base)
    for name in ("adapter", "heads"):
        left, right = (load_file(where / f"{name}.safetensors") for where in (whole, place.root / "work" / "parts"))
        assert left.keys() == right.keys()
        assert all(torch.equal(left[key], right[key]) for key in left)
    assert not (place.root / "work" / "checkpoint" / "position.safetensors").exists()
    assert (place.root / "work" / "losses.png").stat().st_size > 1_000


def test_the_release_serves_what_it_was_taught(place: Place) -> None:
    lines = [
        {"id": "a", "text": "$Acme terrible quarter"},
        {"id": "b", "text": "$Hooli great week"},
        {"id": "c", "text": "Globex listing bond", "entities": [{"name": "Globex"}]},
        {"id": "d"},
    ]
    (place.root / "in.jsonl").write_text("\n".join(map(json.dumps, lines)))
    place.run("score", "in.jsonl", "-o", "out.jsonl", "--release", "own-1")
    bad, good, listed, broken = map(json.loads, (place.root / "out.jsonl").read_text().splitlines())
    assert (bad["release"], bad["sentiment"], good["sentiment"]) == ("own-1", "negative", "positive")
    assert listed["topics"]["finance"]["label"] == "IPO"
    assert set(listed["entities"][0]) >= {"name", "sentiment"}
    assert "error" in broken
    registry = Registry(place.root / "registry")
    assert registry.verify("own-1").training["rows"]["train"] > 500
    assert registry.aliases() == {}


def test_eval_prints_figures_and_draws_them(place: Place) -> None:
    release = str(place.root / "registry" / "own-1")
    report = json.loads(place.run("eval", release, "data", "--set", "sentfin", "--plot", "eval.png"))
    judged = report["questions"]["sentfin/sentiment"]
    assert {"accuracy", "macro_f1", "f1", "ece", "confusion", "interval_95", "n"} <= judged.keys()
    assert judged["accuracy"] > 0.6
    assert (place.root / "eval.png").read_bytes().startswith(b"\x89PNG")
    own = json.loads(place.run("eval", release, "own.csv"))["questions"]["own/sentiment"]
    assert own["n"] == 60


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"data": "nowhere"}, "neither a directory"),
        ({"sets": ("weather",)}, "no set weather"),
        ({"rows": (Path("nowhere.csv"),)}, "there is no"),
        ({"recipe_file": {"speed": 3}}, "no 'speed'"),
        ({"recipe_file": {"adapter": {"depth": 3}}}, "depth"),
        ({"recipe_file": "not JSON"}, "is no recipe"),
    ],
)
def test_what_cannot_be_trained_on_is_named_before_anything_is_read(
    tmp_path: Path, change: dict[str, object], said: str
) -> None:
    given: dict[str, object] = {"data": tmp_path, **change}
    if "recipe_file" in given:
        told = given["recipe_file"]
        (tmp_path / "recipe.json").write_text(told if isinstance(told, str) else json.dumps(told))
        given["recipe_file"] = tmp_path / "recipe.json"
    data = tmp_path / str(given.pop("data"))
    with pytest.raises(DataError, match=said):
        train(data, tmp_path / "registry", tmp_path / "work", version="own-1", **given)  # type: ignore[arg-type]
    with pytest.raises(ReleaseError, match="version"):
        train(tmp_path, tmp_path / "registry", tmp_path / "work", version="../own")
    assert not (tmp_path / "work").exists()
