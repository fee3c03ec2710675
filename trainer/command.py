"""What the verbs `train` and `release judge` do with their options."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.errors import DataError, TrainerError
from trainer.tables import read_table

if TYPE_CHECKING:
    from models.registry import Registry
    from trainer.gate.checks import Check
    from trainer.gate.judge import Verdict
    from trainer.recipe import Recipe

MOST_UNLABELLED = 2_000
"""Texts of which it is counted how many change their sentiment."""


def train(
    data: Path,
    registry: Path,
    work: Path,
    *,
    version: str,
    rows: Sequence[Path] = (),
    sets: Sequence[str] = (),
    recipe_file: Path | None = None,
    epochs: int | None = None,
    fraction: float = 1.0,
) -> Path:
    """Train on the sets under ``data`` (or on ``data`` itself, where it is a file of rows) and on ``rows``.

    Publishes release ``version`` and returns its directory; ``work`` keeps the checkpoint, the log and a plot
    of the losses. Started again with the same options after a kill, it goes on.

    Raises:
        TrainerError: data or recipe cannot be used, or the trained network cannot become a release.
        ModelError: the base encoder is missing, or the version exists with other content.
    """
    try:
        from trainer import produce
        from trainer.plots import plot_losses
        from trainer.recipe import Recipe
    except ModuleNotFoundError as exc:
        raise TrainerError(f"training needs {exc.name}: install tocsin with the extra `train`") from exc
    recipe = _read_recipe(recipe_file) if recipe_file is not None else Recipe()
    sources = dict(recipe.sources)
    if data.is_file():
        rows, sources = (data, *rows), {}
    elif not data.is_dir():
        raise DataError(f"{data} is neither a directory of labelled sets nor a file of labelled rows")
    if sets:
        unknown = sorted(set(sets) - set(sources))
        if unknown:
            raise DataError(f"no set {', '.join(unknown)}; the recipe has {', '.join(sources) or 'none'}")
        sources = {name: most for name, most in sources.items() if name in sets}
    for path in rows:
        if not path.is_file():
            raise DataError(f"there is no {path}")
        sources[str(path.resolve())] = sources.get(str(path.resolve()), 1_000_000)
    recipe = replace(recipe, sources=sources, epochs=epochs or recipe.epochs)
    release = produce.run(data, work, registry, version=version, recipe=recipe, fraction=fraction)
    plot_losses(work / "checkpoint" / "log.jsonl", work / "losses.png")
    return release


def judge(
    candidate: str,
    against: str,
    registry: Registry,
    anchors: Path,
    *,
    recent: Path | None = None,
    unlabelled: Path | None = None,
    drifted: bool = False,
    reports: Sequence[Check] = (),
    base: Path | None = None,
) -> Verdict:
    """Judge one release of ``registry`` against another and keep the verdict there.

    ``anchors`` and ``recent`` are files of labelled rows, or ``anchors`` a directory of the public sets (their test
    parts); of ``unlabelled``, rows with a ``text``, at most :data:`MOST_UNLABELLED` are read.

    Raises:
        TrainerError: rows cannot be used, or torch is missing.
        ModelError: a release is unknown, or the champion cannot be loaded.
    """
    from models.base import find_base
    from trainer.evaluate import read_examples
    from trainer.gate.judge import Sets, keep
    from trainer.gate.judge import judge as ask

    if find_spec("torch") is None:
        raise TrainerError("the gate needs torch: install tocsin with the extra `train`")
    champion = registry.resolve(against)
    taxonomies = registry.manifest(against).labels.topics
    texts = [row["text"] for row in read_table(unlabelled) if row.get("text")] if unlabelled is not None else []
    sets = Sets(
        read_examples(anchors, taxonomies),
        read_examples(recent, taxonomies) if recent is not None else (),
        texts[:MOST_UNLABELLED],
    )
    base = base or find_base()
    verdict = ask(registry.resolve(candidate), champion, sets, base=base, drifted=drifted, reports=reports)
    return keep(verdict, registry.root)


def _read_recipe(path: Path) -> Recipe:
    from trainer.network import Adapter
    from trainer.recipe import Recipe, recipe_of

    try:
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise DataError(f"{path} is no recipe: {exc}") from exc
    whole = asdict(Recipe())
    for name, value in told.items():
        if name not in whole:
            raise DataError(
                f"{path}: a recipe has no {name!r}; it has {', '.join(field.name for field in fields(Recipe))}"
            )
        whole[name] = {**asdict(Adapter()), **value} if name == "adapter" else value
    try:
        return recipe_of(whole)
    except TypeError as exc:
        raise DataError(f"{path} is no recipe: {exc}") from exc
