"""Pictures of figures: a training's losses, and what a release confuses and how far to trust its confidence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


def _pyplot() -> Any:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    return pyplot


def plot_losses(log: Path, target: Path) -> Path:
    """The loss by step and the score by epoch from a training's ``log.jsonl``, as a PNG."""
    pyplot = _pyplot()
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    losses = [(line["step"], line["loss"]) for line in lines if "loss" in line]
    scores = [(line["step"], line["validation"]["score"]) for line in lines if "validation" in line]
    figure, left = pyplot.subplots(figsize=(8, 4), layout="constrained")
    if losses:
        left.plot(*zip(*losses, strict=True), color="tab:blue")
    left.set_xlabel("step")
    left.set_ylabel("training loss (moving mean)", color="tab:blue")
    right = left.twinx()
    if scores:
        right.plot(*zip(*scores, strict=True), "o-", color="tab:orange")
    right.set_ylabel("validation, mean macro-F1", color="tab:orange")
    figure.savefig(target, dpi=120)
    pyplot.close(figure)
    return target


def plot_questions(questions: Mapping[str, Mapping[str, Any]], target: Path) -> Path:
    """A confusion table (shares of the true class) and a calibration curve per question, as a PNG."""
    pyplot = _pyplot()
    figure, axes = pyplot.subplots(
        len(questions), 2, figsize=(11, 4.2 * len(questions)), squeeze=False, layout="constrained"
    )
    for (key, told), (left, right) in zip(questions.items(), axes, strict=True):
        table = np.array(told["confusion"], np.float64)
        left.imshow(table / np.maximum(table.sum(1, keepdims=True), 1), vmin=0, vmax=1, cmap="Blues")
        names = told["labels"]
        size = 9 if len(names) < 6 else 5
        left.set_xticks(range(len(names)), names, rotation=90, fontsize=size)
        left.set_yticks(range(len(names)), names, fontsize=size)
        left.set_title(f"{key}: accuracy {told['accuracy']:.3f}, macro-F1 {told['macro_f1']:.3f}", fontsize=10)
        left.set_xlabel("called")
        bins = [one for one in told["reliability"] if one["n"]]
        right.plot([0, 1], [0, 1], ":", color="grey")
        right.plot([one["confidence"] for one in bins], [one["accuracy"] for one in bins], "o-")
        right.set(
            xlim=(0, 1), ylim=(0, 1), xlabel="said", ylabel="right", title=f"ECE {told['ece']:.3f}, n {told['n']}"
        )
    figure.savefig(target, dpi=100)
    pyplot.close(figure)
    return target
